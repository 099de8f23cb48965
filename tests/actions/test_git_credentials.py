"""git/update_file with credentials: over HTTP from git's own server program, over ssh by what ssh is called with."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

USER, PASSWORD = "robot", "s3cr3t/Canary+Value"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Server(ThreadingHTTPServer):
    """Serves the repositories of a folder to one user, or answers every request with one status."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Backend)
        self.folder, self.status = folder, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/repo.git"


class Backend(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        allowed = self.headers.get("Authorization") == f"Basic {BASIC}"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.status or not allowed:
            self.send_response(self.server.status or 401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 – the names that http.server calls

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(repository: Any) -> Iterator[Server]:
    with Server(repository.bare.parent) as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def update(action: Any, url: str, **env: str) -> Any:
    inputs = {"repository": url, "path": "app.yaml", "field": "replicas", "value": 6}
    return action.run("run", "git/update_file", ACTION_INPUTS=json.dumps(inputs), **env)


def recording(folder: Path, name: str, rest: str) -> str:
    """A PATH on which a program writes down its arguments and goes on with the rest of its script."""
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {folder}/arguments\n{rest}\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_a_password_reaches_the_server_and_no_argument_or_output(
    action: Any, repository: Any, server: Server, tmp_path: Path
) -> None:
    (action.secrets / "username").write_text(USER)
    (action.secrets / "password").write_text(f"{PASSWORD}\n")
    path = recording(tmp_path, "git", f'exec {shutil.which("git")} "$@"')
    ended = update(action, server.url, PATH=path, GIT_TRACE_CURL="1", GIT_TRACE_CURL_NO_DATA="1", GIT_TRACE_REDACT="0")

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"
    arguments = (tmp_path / "arguments").read_text()
    assert server.url in arguments
    for place in (arguments, ended.stdout, ended.stderr, *ended.results.values()):
        assert PASSWORD not in place
        assert BASIC not in place


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [(0, 3, "AccessDenied"), (403, 3, "AccessDenied"), (404, 3, "NotFound"), (503, 75, "Unreachable")],
)
def test_what_a_server_answers_without_the_right_password(
    action: Any, server: Server, status: int, code: int, reason: str
) -> None:
    server.status = status
    (action.secrets / "username").write_text(USER)
    (action.secrets / "password").write_text("another-password")
    ended = update(action, server.url)

    assert (ended.code, json.loads(ended.results["error"])["reason"]) == (code, reason), ended.stderr
    assert ended.results["changed"] == "false"


def test_ssh_gets_the_key_as_a_file_of_its_own_and_checks_the_host(
    action: Any, repository: Any, tmp_path: Path
) -> None:
    """In place of ssh stands a program that looks at the key and then does what the far side would."""
    (action.secrets / "ssh-privatekey").write_text("KEY-OF-SEVERAL\nLINES-WITHOUT-AN-END")
    (action.secrets / "known_hosts").write_text("git.example.com ssh-ed25519 AAAA")
    look = f'stat -c %a "$2" >> {tmp_path}/arguments; cat "$2" >> {tmp_path}/key; for last; do :; done; eval "$last"'
    ended = update(action, f"ssh://git@git.example.com{repository.bare}", PATH=recording(tmp_path, "ssh", look))
    arguments = (tmp_path / "arguments").read_text().splitlines()

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml").startswith("replicas: 6")
    assert {"600", "-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={action.secrets / 'known_hosts'}"} <= {
        *arguments
    }
    assert (tmp_path / "key").read_text().startswith("KEY-OF-SEVERAL\nLINES-WITHOUT-AN-END\n")
    assert not list(action.folder.glob("git-*"))


def test_a_password_in_the_address_is_refused(action: Any) -> None:
    ended = update(action, "https://robot:hunter22@git.example.com/x.git")

    assert ended.code == 2
    assert "put it into the Secret of the step's secretName" in ended.document["error"]["message"]
