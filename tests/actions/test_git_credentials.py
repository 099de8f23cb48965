"""git/update_file with credentials: over HTTP from git's own server program, over ssh by what ssh is called with."""

import base64
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kubernaut_argocd.files import UpdateInputs
from kubernaut_sdk.models import input_faults

USER, PASSWORD = "robot", "s3cr3t/Canary+Value"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class GitServer(ThreadingHTTPServer):
    """Serves the repositories of a folder to one user, or answers every request with one status."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Backend)
        self.folder, self.status = folder, 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.heard: list[str | None] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/repo.git"

    def with_tls(self, certificate: Path, key: Path) -> None:
        """Speaks TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate ends the connection."""


class Backend(BaseHTTPRequestHandler):
    server: GitServer

    def answer(self) -> None:
        self.server.heard.append(self.headers.get("Authorization"))
        allowed = self.headers.get("Authorization") == f"Basic {BASIC}"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.status or not allowed:
            self.send_response(self.server.status or 401)
            for name, value in {"WWW-Authenticate": 'Basic realm="git"', **self.server.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(self.server.body)))
            self.end_headers()
            self.wfile.write(self.server.body)
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

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815 – the names that http.server calls

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[GitServer]:
    with GitServer(folder) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def server(repository: Any) -> Iterator[GitServer]:
    with serving(repository.bare.parent) as made:
        yield made


def certified(folder: Path, name: str, *, days: int = 2) -> tuple[Path, Path]:
    """A certificate that signs itself, for a server at an address, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["-subj=/CN=test", f"-addext=subjectAltName=IP:{name}", f"-keyout={key}", f"-out={certificate}"]
    subprocess.run([*words, f"-days={days}", *made], check=True, capture_output=True)
    return certificate, key


def let_in(action: Any) -> None:
    (action.secrets / "username").write_text(USER)
    (action.secrets / "password").write_text(PASSWORD)


def failed(ended: Any) -> tuple[int, str, str]:
    """Its code, reason and message."""
    assert ended.results["changed"] == "false"
    error = json.loads(ended.results["error"])
    return ended.code, error["reason"], error["message"]


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
    action: Any, repository: Any, server: GitServer, tmp_path: Path
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
    action: Any, server: GitServer, status: int, code: int, reason: str
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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_nobody_else_hears_the_password(
    action: Any, repository: Any, server: GitServer, status: int
) -> None:
    let_in(action)
    with serving(repository.bare.parent) as other:
        server.status = status
        server.headers = {
            "Location": f"http://localhost:{other.server_port}/repo.git/info/refs?service=git-upload-pack"
        }
        code, reason, message = failed(update(action, server.url))

    assert (code, reason) == (3, "Redirected")
    assert "the server points to another address, and no redirect is followed" in message
    assert (server.heard[-1], other.heard) == (f"Basic {BASIC}", [])


def test_tls_with_the_secrets_own_authority(action: Any, repository: Any, server: GitServer, tmp_path: Path) -> None:
    certificate, key = certified(tmp_path, "127.0.0.1")
    server.with_tls(certificate, key)
    let_in(action)
    (action.secrets / "ca.crt").write_text(certificate.read_text())
    ended = update(action, server.url)

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml").startswith("replicas: 6")


@pytest.mark.parametrize(
    ("name", "authority", "reason", "expected_text"),
    [
        ("127.0.0.1", None, "CertificateUnknown", "is signed by nobody this image trusts, or has expired"),
        ("127.0.0.1", "another", "CertificateUnknown", "is not signed by the authority in the Secret's ca.crt"),
        ("127.0.0.2", "its own", "CertificateOfAnother", "the server's certificate is for another host"),
        ("127.0.0.1", "rubbish", "AuthorityUnreadable", "the ca.crt of the step's Secret holds no certificate in PEM"),
    ],
)
def test_each_fault_of_tls_has_its_own_sentence(
    action: Any, server: GitServer, tmp_path: Path, name: str, authority: str | None, reason: str, expected_text: str
) -> None:
    certificate, key = certified(tmp_path, name)
    server.with_tls(certificate, key)
    let_in(action)
    if authority == "another":
        certificate, _ = certified(tmp_path, "127.0.0.3")
    if authority is not None:
        (action.secrets / "ca.crt").write_text("no PEM" if authority == "rubbish" else certificate.read_text())
    code, found, message = failed(update(action, server.url))

    assert (code, found) == (3, reason), message
    assert expected_text in message
    assert server.heard == []  # nothing of the request was sent


def test_a_server_without_tls_and_one_that_is_no_git_server(action: Any, server: GitServer) -> None:
    let_in(action)
    code, reason, message = failed(update(action, server.url.replace("http:", "https:")))
    assert (code, reason) == (3, "TlsFailed"), message
    assert "perhaps it speaks plain http at this port" in message

    server.status, server.headers, server.body = 200, {"Content-Type": "text/html"}, b"<html>\n<h1>Log in</h1>\n"
    code, reason, message = failed(update(action, server.url))
    assert (code, reason) == (3, "NotGit"), message


def test_a_proxy_is_named_where_it_is_the_cause(action: Any, server: GitServer, closed_port: str) -> None:
    url = "https://git.example.com/shop.git"
    let_in(action)
    proxy = closed_port.replace("http://", "http://me:hunter2@")
    code, reason, message = failed(update(action, url, https_proxy=proxy))
    assert (code, reason) == (75, "Unreachable"), message
    assert f"the proxy {closed_port.removeprefix('http://')} in the environment" in message
    assert "hunter2" not in message

    for status, expected_text in (
        (407, "wants a user name and password"),
        (403, "does not let git through to the server"),
    ):
        server.status = status
        code, reason, message = failed(update(action, url, https_proxy=f"http://127.0.0.1:{server.server_port}"))
        assert (code, reason) == (3, "ProxyDenied"), message
        assert expected_text in message
    assert set(server.heard) == {None}  # the password is the server's, not the proxy's


@pytest.mark.parametrize(
    "address",
    [
        "https://robot:hunter22@git.example.com/x.git",
        "https://hunter22TOKEN@git.example.com/x.git",
        "https://hunter22:x-oauth-basic@git.example.com/x.git",
        "HTTP://robot:hunter22@git.example.com/x.git",
        "http::https://robot:hunter22@git.example.com/x.git",
        "https://robot:a/hunter22@git.example.com/x.git",
        "https://robot:a@hunter22@git.example.com/x.git",
        "https://robot:hunter22 @git.example.com/x.git",
        "https://git.example.com/x.git?private_token=hunter22",
        "https://git.example.com/x.git#hunter22",
        "ssh://git:hunter22@git.example.com/x.git",
        "ssh://hunter22hunter22hunter22hunter22hunter22@git.example.com/x.git",
        "robot:hunter22@git.example.com:x.git",
        "hunter22hunter22hunter22hunter22hunter22@git.example.com:x.git",
        f"https://robot:hunter22@git.example.com/{'x' * 3000}",
    ],
)
def test_a_password_or_token_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    [(name, expected_text)] = input_faults(
        UpdateInputs, {"repository": address, "path": "a.yaml", "field": "x", "value": 1}
    )

    assert name == "inputs.repository"
    assert "put it into the Secret of the step's secretName" in expected_text
    assert "hunter22" not in expected_text


def test_the_refusal_is_repeated_nowhere(action: Any) -> None:
    ended = update(action, "https://robot:hunter22@git.example.com/x.git")

    assert ended.code == 2
    for place in (ended.stdout, ended.stderr, *ended.results.values()):
        assert "hunter22" not in place


@pytest.mark.parametrize(
    "address",
    [
        *("https://git.example.com/x.git", "https://git.example.com:8443/@scope/x.git", "http://127.0.0.1:1/x.git"),
        *("ssh://git@git.example.com:2222/x.git", "git@git.example.com:team/x.git", "org-1@git.example.com:x@2.git"),
        *("/srv/git/a@b:c.git", "file:///srv/git/x.git", "git://git.example.com/x.git", "git.example.com:x.git"),
    ],
)
def test_other_addresses_are_taken(address: str) -> None:
    assert input_faults(UpdateInputs, {"repository": address, "path": "a.yaml", "field": "x", "value": 1}) == []
