"""The credentials with which bundles are pushed: Docker's own files and helpers, and the tokens of token services."""

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from kubernaut_cli.errors import exit_code_of
from kubernaut_sdk import ActionError
from tests.conftest import registry

from .test_bundles import PASSWORD, failure_of, push, send_one, small

BASIC = base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()
HELPER = """#!/bin/sh
# a credential helper (github.com/docker/docker-credential-helpers): the server's address on standard input
[ "$1" = get ] || exit 1
read -r server || true
echo "$server" >> "$0.asked"
ANSWER
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes Docker's config.json."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return lambda **content: (tmp_path / "config.json").write_text(json.dumps(content))


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a credential helper `docker-credential-vault` onto PATH; what it was asked for."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "docker-credential-vault"
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def make(answer: str) -> Path:
        program.write_text(HELPER.replace("ANSWER", answer))
        program.chmod(0o755)
        return program.with_name(f"{program.name}.asked")

    return make


def answering(username: str, secret: str) -> str:
    return f"echo '{json.dumps({'ServerURL': 'x', 'Username': username, 'Secret': secret})}'"


@pytest.mark.parametrize("where", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked(tmp_path: Path, config: Any, helper: Any, where: str) -> None:
    asked = helper(answering("publisher", PASSWORD))
    with registry(tmp_path / "registry", closed=True) as address:
        config(**({"credHelpers": {address: "vault"}} if where == "credHelpers" else {"credsStore": "vault"}))
        ended = push(f"{address}/c", small(tmp_path / "catalog"))

    assert ended.exit_code == 0, ended.exception
    assert set(asked.read_text().split()) == {address}
    assert PASSWORD not in ended.output


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "docker-credential-vault not installed or not available in PATH"),
        (
            "echo the vault is sealed; exit 1",
            'Credentials store docker-credential-vault exited with "the vault is sealed"',
        ),
        ("echo hello", "the credential helper does not answer as one"),
        ("echo '{}'", "the credential helper does not answer as one"),
        ("echo '[]'", "the credential helper does not answer as one"),
    ],
)
def test_a_helper_that_cannot_help_is_told(
    tmp_path: Path, config: Any, helper: Any, answer: str | None, message: str
) -> None:
    if answer is not None:
        helper(answer)
    with registry(tmp_path / "registry", closed=True) as address:
        config(credHelpers={address: "vault"})
        refused = failure_of(push(f"{address}/c", small(tmp_path / "catalog")))

    name = f"{address}/c/kubernetes-scale-deployment:0.1"
    advice = "look at credHelpers and credsStore in Docker's config.json."
    assert refused == (3, f"{name} is not published: Docker's credentials cannot be read: {message}; {advice}")


def test_a_helper_without_an_entry_is_as_nobody(tmp_path: Path, config: Any, helper: Any) -> None:
    helper("echo credentials not found in native keychain; exit 1")
    with registry(tmp_path / "registry", closed=True) as address:
        config(credsStore="vault")
        code, message = failure_of(push(f"{address}/c", small(tmp_path / "catalog")))

    assert code == 3
    assert message.endswith(f"log in with `docker login {address}`, as somebody who may write there.")


def test_the_hub_is_asked_for_by_its_own_name(tmp_path: Path, config: Any, helper: Any) -> None:
    from kubernaut_cli.images.ociregistry import OciRegistry
    from kubernaut_cli.images.reference import Reference

    asked = helper(answering("publisher", PASSWORD))
    config(credsStore="vault")
    for host in ("docker.io", "index.docker.io"):
        with OciRegistry(host) as client:
            assert client._base == "https://registry-1.docker.io"
            assert client._credentials(Reference(host, "you/a", "1"))["password"] == PASSWORD

    assert set(asked.read_text().split()) == {"https://index.docker.io/v1/"}


class TokenService(ThreadingHTTPServer):
    """A token service as Docker Hub's, whose tokens a real registry verifies.

    See https://distribution.github.io/distribution/spec/auth/token (and /oauth): JWTs signed with ES256, their scope
    the `access` claim.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _TokenServiceHandler)
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = made.sign(self.key, hashes.SHA256())
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.seen: list[tuple[str, dict[str, str], str]] = []

    def __enter__(self) -> "TokenService":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def auth(self) -> dict[str, Any]:
        """The registry's configuration."""
        realm = f"http://127.0.0.1:{self.server_port}/token"
        return {
            "token": {"realm": realm, "service": "hub", "issuer": "tokens", "rootcertbundle": str(self.bundle)},
        }

    def token(self, scope: str) -> str:
        """Return a token for a scope, such as repository:you/a:pull,push."""
        kind, name, actions = scope.split(":")
        chain = [base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()]
        now = int(time.time())
        claims = {
            "iss": "tokens",
            "sub": "publisher",
            "aud": "hub",
            "jti": "1",
            "iat": now,
            "nbf": now - 10,
            "exp": now + 300,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        head = {"typ": "JWT", "alg": "ES256", "x5c": chain}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (head, claims))
        numbers = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(b''.join(number.to_bytes(32, 'big') for number in numbers))}"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class _TokenServiceHandler(BaseHTTPRequestHandler):
    server: TokenService

    def _answer(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        asked = {name: values[0] for name, values in parse_qs(text or urlsplit(self.path).query).items()}
        authorization = self.headers.get("authorization", "")
        self.server.seen.append((self.command, asked, authorization))
        known = asked.get("refresh_token") == "canary-refresh" or authorization == f"Basic {BASIC}"
        pull = asked["scope"].replace("pull,push", "pull")  # nobody may push without a login, as on the Hub
        name = "access_token" if self.command == "POST" else "token"
        body = json.dumps({name: self.server.token(asked["scope"] if known else pull), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 – the names that BaseHTTPRequestHandler calls

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, TokenService]]:
    """A real registry that takes a token service's tokens, and that service."""
    with TokenService(tmp_path) as tokens, registry(tmp_path / "registry", auth=tokens.auth) as address:
        yield address, tokens


def test_a_real_registry_takes_the_token_that_a_password_gets(hub: tuple[str, TokenService], config: Any) -> None:
    address, tokens = hub
    config(auths={address: {"auth": BASIC}})

    assert send_one(address).startswith("sha256:")
    assert {(method, sent) for method, _, sent in tokens.seen} == {("GET", f"Basic {BASIC}")}
    assert [asked for _, asked, _ in tokens.seen] == [{"service": "hub", "scope": "repository:you/a:pull,push"}]


def test_a_real_registry_takes_the_token_that_a_refresh_token_gets(
    hub: tuple[str, TokenService], config: Any, helper: Any
) -> None:
    address, tokens = hub
    helper(answering("<token>", "canary-refresh"))
    config(credHelpers={address: "vault"})

    assert send_one(address).startswith("sha256:")
    [(method, asked, sent)] = tokens.seen
    assert (method, sent) == ("POST", "")
    assert asked == {
        "grant_type": "refresh_token",
        "service": "hub",
        "scope": "repository:you/a:pull,push",
        "client_id": "kubernaut",
        "refresh_token": "canary-refresh",
    }


def test_nobody_gets_a_token_that_cannot_push_and_is_told_to_log_in(hub: tuple[str, TokenService], config: Any) -> None:
    address, _ = hub
    config()
    with pytest.raises(ActionError) as refused:
        send_one(address)

    assert exit_code_of(refused.value) == 3
    assert refused.value.message == (
        f"{address}/you/a:1 is not published: the registry answers 401: authentication required; log in with "
        f"`docker login {address}`, as somebody who may write there."
    )


def test_credentials_are_dockers_own_and_in_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small(tmp_path / "catalog")
    with registry(tmp_path / "registry", closed=True) as address:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
        anonymous = failure_of(push(f"{address}/c", folder))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        entry = {"auth": base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: entry}}))
        known = push(f"{address}/c", folder)
        wrong = {"auth": base64.b64encode(b"publisher:canary-wrong").decode()}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: wrong}}))
        refused = failure_of(push(f"{address}/c", folder))

    name = f"{address}/c/kubernetes-scale-deployment:0.1"
    advice = f"log in with `docker login {address}`, as somebody who may write there."
    assert anonymous == (3, f"{name} is not published: the registry asks for a login; {advice}")
    assert known.exit_code == 0, known.output
    assert refused == (3, f"{name} is not published: the registry answers 401; {advice}")
    assert "canary" not in str(refused) + known.output


class TokenRegistry(ThreadingHTTPServer):
    """A registry that takes tokens of a token service, and sends uploads to another address."""

    daemon_threads = True

    def __init__(self, elsewhere: str = "", realm: str = "", grant: Any = None) -> None:
        super().__init__(("127.0.0.1", 0), _TokenRegistryHandler)
        self.elsewhere, self.realm = elsewhere, realm
        self.grant = {"token": "canary-token"} if grant is None else grant
        self.seen: list[tuple[str, str, str]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def __enter__(self) -> "TokenRegistry":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _TokenRegistryHandler(BaseHTTPRequestHandler):
    server: TokenRegistry

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        authorization = self.headers.get("authorization", "")
        path = self.path.partition("?")[0]
        self.server.seen.append((self.command, self.path, authorization))
        host = f"http://{self.server.elsewhere or self.server.address}"
        realm = self.server.realm or f"http://{self.server.address}/token"
        match self.command, path, authorization:
            case _, "/token", _:
                self._send(200, body=json.dumps(self.server.grant).encode())
            case "PUT", "/upload", _:
                self._send(201)
            case _, _, "Bearer canary-token" if self.command == "HEAD":
                self._send(404)
            case "POST", _, "Bearer canary-token":
                self._send(202, Location=f"{host}/upload?state=1")
            case "PUT", _, "Bearer canary-token":
                self._send(201)
            case _:
                self._send(401, WWW_Authenticate=f'Bearer realm="{realm}",service="test"')

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 – the names that BaseHTTPRequestHandler calls

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


def test_a_token_is_asked_for_with_the_scope_and_leaves_the_registry_for_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with TokenRegistry() as storage, TokenRegistry(elsewhere=storage.address) as server:
        entry = {"auth": base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.address: entry}}))
        assert send_one(server.address).startswith("sha256:")
        tokens = [(path, sent) for _, path, sent in server.seen if path.startswith("/token")]

    basic = "Basic " + base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()
    assert tokens == [("/token?service=test&scope=repository%3Ayou%2Fa%3Apull%2Cpush", basic)]
    assert {path.partition("?")[0] for _, path, _ in storage.seen} == {"/upload"}
    assert {sent for _, _, sent in storage.seen} == {""}


def test_no_credentials_go_to_a_token_service_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with TokenRegistry(realm="http://tokens.example.com/token") as server, pytest.raises(ActionError) as refused:
        send_one(server.address)

    assert refused.value.message == (
        f"{server.address}/you/a:1 is not published: its token service http://tokens.example.com/token is not HTTPS, "
        f"and gets no credentials."
    )


def test_nothing_is_uploaded_to_a_place_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with TokenRegistry(elsewhere="storage.example.com") as server, pytest.raises(ActionError) as refused:
        send_one(server.address)

    assert refused.value.message == (
        f"{server.address}/you/a:1 is not published: the registry leads to storage.example.com, which is not HTTPS."
    )


@pytest.mark.parametrize("grant", [["canary-token"], {}, {"token": 7}, "canary-token"])
def test_a_token_service_that_grants_no_token_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grant: Any
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with TokenRegistry(grant=grant) as server, pytest.raises(ActionError) as refused:
        send_one(server.address)

    assert exit_code_of(refused.value) == 1
    assert refused.value.message.endswith(f"its token service http://{server.address}/token answers no token.")
