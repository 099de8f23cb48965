"""git/update_file over ssh, with a real sshd on loopback: where it does not go, the cause is told, and what to do."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import free_port

SSHD = os.environ.get("SSHD") or shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None, reason="no sshd is installed (Debian: openssh-server), and SSHD names none"
)


class Sshd:
    """An sshd that lets one key in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        for name in ("host", "another-host", "user", "another-user", "locked"):
            self.make(name, "passphrase" if name == "locked" else "")
        (folder / "authorized").write_text("".join((folder / f"{name}.pub").read_text() for name in ("user", "locked")))
        (folder / "authorized").chmod(0o600)
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
        }
        (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
        self._await()

    def make(self, name: str, passphrase: str = "", kind: str = "ed25519", form: str = "RFC4716") -> Path:
        path = self.folder / name
        words = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", passphrase, "-f", str(path)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        return path

    def known(self, name: str = "host") -> str:
        kind, key, *_ = (self.folder / f"{name}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def _await(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.process.kill()
        pytest.skip(f"sshd does not start here: {self.process.communicate()[1].decode().strip()[-200:]}")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.process.terminate()
    server.process.communicate(timeout=10)


def update(action: Any, sshd: Sshd, path: Path, user: str | None = None) -> Any:
    url = f"ssh://{user or getpass.getuser()}@127.0.0.1:{sshd.port}{path}"
    inputs = {"repository": url, "path": "app.yaml", "field": "replicas", "value": 6}
    return action.run("run", "git/update_file", ACTION_INPUTS=json.dumps(inputs))


def test_with_key_and_host_key_it_pushes(action: Any, repository: Any, sshd: Sshd) -> None:
    (action.secrets / "ssh-privatekey").write_text((sshd.folder / "user").read_text())
    (action.secrets / "known_hosts").write_text(sshd.known())
    ended = update(action, sshd, repository.bare)

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"


@pytest.mark.parametrize(
    ("key", "known", "reason", "expected_text"),
    [
        (
            "user",
            None,
            "HostKeyUnknown",
            "the step's Secret has no known_hosts, so it is not known whether [127.0.0.1]",
        ),
        ("user", "", "HostKeyUnknown", "the Secret's known_hosts has no ED25519 host key of [127.0.0.1]"),
        ("user", "another-host", "HostKeyChanged", "the server's host key is not the one in the Secret's known_hosts"),
        ("locked", "host", "KeyLocked", "the ssh-privatekey of the step's Secret is locked with a passphrase"),
        ("locked-pem", "host", "KeyLocked", "the ssh-privatekey of the step's Secret is locked with a passphrase"),
        ("locked-pkcs8", "host", "KeyLocked", "the ssh-privatekey of the step's Secret is locked with a passphrase"),
        ("another-user", "host", "KeyRefused", "the server does not take the Secret's ssh-privatekey for this user"),
        ("user.pub", "host", "KeyUnreadable", "the Secret's ssh-privatekey is no private key that ssh can read"),
        ("cut", "host", "KeyUnreadable", "the Secret's ssh-privatekey is no private key that ssh can read"),
        (None, "host", "KeyRefused", "the server wants an ssh key, and the step's Secret has no ssh-privatekey"),
    ],
)
def test_each_cause_has_its_own_sentence(
    action: Any, repository: Any, sshd: Sshd, key: str | None, known: str | None, reason: str, expected_text: str
) -> None:
    forms = {"locked-pem": "PEM", "locked-pkcs8": "PKCS8"}
    if key in forms and not (sshd.folder / key).exists():
        sshd.make(key, "passphrase", "rsa", forms[key])
    if key == "cut":
        (sshd.folder / key).write_text("\n".join((sshd.folder / "user").read_text().splitlines()[:-3]))
    if key is not None:
        (action.secrets / "ssh-privatekey").write_text((sshd.folder / key).read_text())
    if known is not None:
        (action.secrets / "known_hosts").write_text(sshd.known(known) if known else "# none yet\n")
    ended = update(action, sshd, repository.bare)
    error = json.loads(ended.results["error"])

    assert (ended.code, error["reason"]) == (3, reason), ended.stderr
    assert expected_text in error["message"]
    assert ended.results["changed"] == "false"
    assert repository.commits() == 1


def test_a_repository_that_is_not_there(action: Any, repository: Any, sshd: Sshd) -> None:
    (action.secrets / "ssh-privatekey").write_text((sshd.folder / "user").read_text())
    (action.secrets / "known_hosts").write_text(sshd.known())
    ended = update(action, sshd, repository.bare.with_name("none.git"))

    assert (ended.code, json.loads(ended.results["error"])["reason"]) == (3, "NotFound"), ended.stderr
