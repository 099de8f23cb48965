"""The errors for kubectl's failures: its own messages, and a real kubectl against wrong servers and settings."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kubernaut_kubectl.workloads.scale import scale_deployment
from kubernaut_sdk.testing import ActionRunner, Answer, Ran, Tool

COMPLAINTS = [
    ('Error from server (NotFound): deployments.apps "x" not found', 3, "NotFound"),
    ('Error from server (Forbidden): deployments.apps "x" is forbidden: User "y" cannot get', 3, "Forbidden"),
    ("error: You must be logged in to the server (Unauthorized)", 3, "Unauthorized"),
    ("error: You must be logged in to the server (the server has asked for the client to provide credentials)", 3,
     "Unauthorized"),
    ("Error from server (Unauthorized): the server has asked for the client to provide credentials", 3, "Unauthorized"),
    ("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?", 75,
     "Unreachable"),
    ("Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded while awaiting headers)", 75,
     "Unreachable"),
    ("Unable to connect to the server: net/http: TLS handshake timeout", 75, "Unreachable"),
    ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", 75, "Unreachable"),
    ("Error from server (ServiceUnavailable): apiserver is shutting down", 75, "ServiceUnavailable"),
    ("Error from server (TooManyRequests): please try again later", 75, "TooManyRequests"),
    ("Error from server (Conflict): Operation cannot be fulfilled", 75, "Conflict"),
    ("Error from server (InternalError): etcdserver: leader changed", 75, "InternalError"),
    ("Unable to connect to the server: dial tcp 10.0.0.1:443: connect: no route to host", 75, "Unreachable"),
    ("Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout", 75, "Unreachable"),
    ("Unable to connect to the server: dial tcp 10.0.0.1:443: connect: connection refused", 75, "Unreachable"),
    ("Unable to connect to the server: EOF", 75, "Unreachable"),
    ("Unable to connect to the server: context deadline exceeded (Client.Timeout exceeded while awaiting headers)", 75,
     "Unreachable"),
    ("error: client rate limiter Wait returned an error: context deadline exceeded - error from a previous try: EOF",
     75, "Unreachable"),
    ("error: invalid character '<' looking for beginning of value", 75, "Unreachable"),
    ("Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown",
     3, "Untrusted"),
    ("Unable to connect to the server: x509: certificate has expired or is not yet valid: current time 2026-01-01", 3,
     "Untrusted"),
    ("Unable to connect to the server: remote error: tls: bad certificate", 3, "Untrusted"),
    ("Unable to connect to the server: tls: first record does not look like a TLS handshake", 3, "Untrusted"),
    ("Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255", 3,
     "Unauthorized"),
    ("Unable to connect to the server: getting credentials: exec: fork/exec /usr/bin/aws: exec format error", 3,
     "Unauthorized"),
    ("Unable to connect to the server: failed to refresh token: oauth2: cannot fetch token: 400 Bad Request", 3,
     "Unauthorized"),
    ("Unable to connect to the server: failed to refresh token: oauth2: cannot fetch: dial tcp: i/o timeout", 75,
     "Unreachable"),
    ("The connection to the server localhost:8080 was refused - did you specify the right host or port?", 3,
     "Configuration"),
    ('error: context "nowhere" does not exist', 3, "Configuration"),
    ("error: unable to load root certificates: unable to parse bytes as PEM block", 3, "Configuration"),
    ("error: open /var/run/token: no such file or directory", 3, "Configuration"),
    ('Unable to connect to the server: unsupported protocol scheme "ftp"', 3, "Configuration"),
    ('error: the server doesn\'t have a resource type "deployments"', 3, "NoSuchKind"),
    ('Error from server (InternalError): failed calling webhook "a": x509: certificate signed by unknown authority', 1,
     "InternalError"),
    ('Error from server (InternalError): an error on the server ("<html>") has prevented the request', 75,
     "InternalError"),
    ("error: unknown flag: --nonsense", 1, "KubectlFailed"),
    ("The request is invalid: the server rejected our request due to an error in our request", 1, "KubectlFailed"),
]  # fmt: skip


def complaining(text: str) -> Tool:
    """Stands in for kubectl, in its own words."""
    return lambda argv, stdin: Answer(stderr=text, exit_code=1)


@pytest.mark.parametrize(("complaint", "code", "reason"), COMPLAINTS)
def test_what_kubectl_complains_of_is_told_by_its_meaning(complaint: str, code: int, reason: str) -> None:
    logged = 'E1124 11:14:05.867210 1 memcache.go:265] "Unhandled Error" err="dial tcp"'
    runner = ActionRunner(scale_deployment, tools={"kubectl": complaining(f"{logged}\n{complaint}")})
    ran = runner.run({"namespace": "a", "deployment": "b", "replicas": 2})

    assert ran.error is not None
    assert ran.error.message.endswith(f": {complaint}")
    assert (ran.exit_code, ran.error.reason, ran.changed) == (code, reason, False)


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on loopback with a certificate that nobody signed."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # the handshake fails, as it shall
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The real kubectl is asked for a Deployment, with a kubeconfig of this server and this user."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl is here")
    monkeypatch.setenv("HOME", str(tmp_path))

    def ask(server: str, user: dict[str, Any]) -> Ran:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(document))
        monkeypatch.setenv("KUBECONFIG", str(file))
        return ActionRunner(scale_deployment).run({"namespace": "a", "deployment": "b", "replicas": 2})

    return ask


def test_a_certificate_that_is_not_trusted_is_no_network_that_may_come_back(asked: Any, untrusted: str) -> None:
    ran = asked(untrusted, {"token": "none"})

    assert (ran.exit_code, ran.error.reason, ran.changed) == (3, "Untrusted", False)
    assert "tls: failed to verify certificate: x509: " in ran.error.message


def test_a_credential_plugins_own_words_are_told_once(asked: Any, untrusted: str, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\necho 'The SSO session has expired; run aws sso login.' >&2\nexit 255\n")
    plugin.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    ran = asked(untrusted, {"exec": {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}})
    missing = asked(untrusted, {"exec": {"apiVersion": version, "command": "not-there", "interactiveMode": "Never"}})

    assert (ran.exit_code, ran.error.reason) == (3, "Unauthorized")
    assert ran.error.message == (
        "kubectl could not get deployment.apps b in a: The SSO session has expired; run aws sso login. / Unable to "
        f"connect to the server: getting credentials: exec: executable {plugin} failed with exit code 255"
    )
    assert missing.error.message.endswith("getting credentials: exec: executable not-there not found")


def test_nobody_who_listens_may_come_back(asked: Any, closed_port: str) -> None:
    ran = asked(closed_port, {"token": "none"})
    assert (ran.exit_code, ran.error.reason, ran.changed) == (75, "Unreachable", False)


def test_settings_that_are_wrong_are_told_as_such(asked: Any, untrusted: str) -> None:
    ran = asked(untrusted, {"tokenFile": "/nothing/here"})
    assert (ran.exit_code, ran.error.reason) == (3, "Configuration")
    assert "open /nothing/here: no such file or directory" in ran.error.message
