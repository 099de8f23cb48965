"""A client of the OCI distribution API (v2), to push what needs no Docker engine, with Docker's credentials.

TLS is verified, except that a registry on loopback speaks plain HTTP, as it does for Docker. Credentials go to the
registry's own address, and to the token service that the registry names, over HTTPS; no redirect is followed.

Of the Python clients, oras (0.2) knows credential helpers as well, but no refresh tokens; and it sends the password to
any token service that a registry names, and the token to any address to which an upload is sent.
"""

import re
import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
from docker.auth import load_config
from docker.errors import DockerException

from kubernaut_cli.images.reference import Reference
from kubernaut_sdk import ActionError, Failed, PreconditionFailed, Transient

__all__ = ["OciRegistry"]

_HUB = ("docker.io", "index.docker.io")
_TIMEOUT = httpx.Timeout(60, connect=10)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class OciRegistry:
    """A registry that repositories of one host are pushed to.

    Attributes:
        host: The registry's host and port.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        api = "registry-1.docker.io" if host in _HUB else host
        scheme = "http" if _is_loopback(api) else "https"
        self._base = f"{scheme}://{api}"
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=scheme == "https")
        self._authorization: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._client.close()

    def push(self, reference: Reference, manifest: bytes, media_type: str, blobs: Mapping[str, bytes]) -> str:
        """Push an image, and return its digest.

        Args:
            reference: Its name, with a tag.
            manifest: Its manifest.
            media_type: The manifest's media type.
            blobs: Its configuration and layers by digest. Those that the registry has are not sent again.

        Raises:
            PreconditionFailed: if the registry refuses it: no right to write, no such repository, no valid certificate.
            Transient: if the registry does not answer.
            Failed: if the registry answers anything else.
        """
        with _errors_of(reference):
            for digest, content in blobs.items():
                if not self._has(reference, digest):
                    self._upload(reference, digest, content)
            place = f"/v2/{reference.path}/manifests/{reference.tag}"
            answer = self._send(reference, "PUT", place, content=manifest, headers={"Content-Type": media_type})
            _require(reference, answer, 201)
        digest = f"sha256:{sha256(manifest).hexdigest()}"
        stored = answer.headers.get("Docker-Content-Digest", digest)
        if stored != digest:
            raise Failed(f"{reference} was pushed as {digest}, and {self._base} stored {stored}; do not use that.")
        return digest

    def _has(self, reference: Reference, digest: str) -> bool:
        answer = self._send(reference, "HEAD", f"/v2/{reference.path}/blobs/{digest}")
        if answer.status_code in {200, 307}:  # a redirect to where its content is
            return True
        _require(reference, answer, 404)
        return False

    def _upload(self, reference: Reference, digest: str, content: bytes) -> None:
        started = self._send(reference, "POST", f"/v2/{reference.path}/blobs/uploads/", content=b"")
        _require(reference, started, 202)
        place = httpx.URL(urljoin(f"{self._base}/", started.headers.get("Location", "")))
        if not self._is_safe(str(place)):
            raise Failed(f"{reference} is not published: the registry leads to {place.host}, which is not HTTPS.")
        answer = self._send(
            reference,
            "PUT",
            str(place.copy_merge_params({"digest": digest})),
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        _require(reference, answer, 201)

    def _send(self, reference: Reference, method: str, place: str, **request: Any) -> httpx.Response:
        """Send a request; if the registry asks who is there, once more with credentials."""
        answer = self._request(reference, method, place, **request)
        if answer.status_code == 401:
            self._authorization[reference.path] = self._log_in(reference, answer.headers.get("WWW-Authenticate", ""))
            answer = self._request(reference, method, place, **request)
        return answer

    def _request(self, reference: Reference, method: str, place: str, **request: Any) -> httpx.Response:
        url = urljoin(f"{self._base}/", place)
        headers = dict(request.pop("headers", {}))
        if authorization := self._authorization.get(reference.path):
            own, other = urlsplit(self._base), urlsplit(url)
            if (own.scheme, own.netloc) == (other.scheme, other.netloc):  # an upload may lead elsewhere
                headers["Authorization"] = authorization
        return self._client.request(method, url, headers=headers, **request)

    def _log_in(self, reference: Reference, challenge: str) -> str:
        """Return the Authorization header that a challenge asks for (RFC 6750, RFC 7617)."""
        scheme, _, rest = challenge.partition(" ")
        known = self._credentials(reference)
        user, password = known.get("username"), known.get("password")
        basic = httpx.BasicAuth(user, password) if user and password else None
        if scheme.lower() == "basic" and user and password:
            return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        if scheme.lower() != "bearer":
            raise _refused(reference, "Unauthorized", "the registry asks for a login", self.host)
        asked = dict(_CHALLENGE.findall(rest))
        realm, service = asked.get("realm", ""), asked.get("service", "")
        if not self._is_safe(realm):
            raise Failed(
                f"{reference} is not published: its token service {realm} is not HTTPS, and gets no credentials."
            )
        scope = f"repository:{reference.path}:pull,push"
        if token := known.get("identitytoken"):
            form = {"grant_type": "refresh_token", "service": service, "scope": scope, "client_id": "kubernaut"}
            answer = self._client.post(realm, data={**form, "refresh_token": token})
        else:
            query = {"service": service, "scope": scope}
            answer = self._client.get(httpx.URL(realm).copy_merge_params(query), auth=basic)
        _require(reference, answer, 200)
        body = answer.json()
        granted = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        if not isinstance(granted, str):
            raise Failed(f"{reference} is not published: its token service {realm} answers no token.")
        return f"Bearer {granted}"

    def _is_safe(self, address: str) -> bool:
        """Return True if an address that the registry names is HTTPS or, as the registry, on loopback."""
        parts = urlsplit(address)
        return parts.scheme == "https" or (self._base.startswith("http:") and _is_loopback(parts.netloc))

    def _credentials(self, reference: Reference) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about a helper that is not there, which the error tells as well
                found = load_config().resolve_authconfig("docker.io" if self.host in _HUB else self.host) or {}
        except DockerException as error:
            problem = str(error.__cause__ or error).replace("\n", "").rstrip(".")
            raise _unreadable(reference, problem) from None
        except (ValueError, LookupError, TypeError):
            raise _unreadable(reference, "the credential helper does not answer as one") from None
        return {name.lower(): value for name, value in found.items()}  # a helper's are in capitals, a file's are not


@contextmanager
def _errors_of(reference: Reference) -> Iterator[None]:
    registry = reference.registry
    try:
        yield
    except httpx.TransportError as error:
        problem = str(error) or type(error).__name__
        if "CERTIFICATE" in problem.upper():
            raise PreconditionFailed(
                f"{reference} is not published: {problem}; SSL_CERT_FILE can name the authority of {registry}.",
                reason="Untrusted",
            ) from None
        raise Transient(
            f"{reference} is not published: {problem}; look whether {registry} is right and reachable from here.",
            reason="Unreachable",
        ) from None
    except (ValueError, httpx.InvalidURL):
        raise Failed(
            f"{reference} is not published: {registry} does not answer as a registry does; look whether it is one."
        ) from None


def _require(reference: Reference, answer: httpx.Response, status: int) -> None:
    if answer.status_code == status:
        return
    problem = _problem(answer)
    match answer.status_code:
        case 401:
            raise _refused(reference, "Unauthorized", problem, reference.registry)
        case 403:
            raise _refused(reference, "Denied", problem, reference.registry)
        case 404:
            raise PreconditionFailed(
                f"{reference} is not published: {problem}; look at the name: no registry takes {reference.path} there.",
                reason="NoSuchRepository",
            )
        case 429 | 500 | 502 | 503 | 504:
            raise Transient(f"{reference} is not published: {problem}; try again later.", reason="Unreachable")
    raise Failed(f"{reference} is not published: {problem}.", reason="PushFailed")


def _refused(reference: Reference, reason: str, problem: str, host: str) -> ActionError:
    return PreconditionFailed(
        f"{reference} is not published: {problem}; log in with `docker login {host}`, as somebody who may write there.",
        reason=reason,
    )


def _unreadable(reference: Reference, problem: str) -> ActionError:
    return PreconditionFailed(
        f"{reference} is not published: Docker's credentials cannot be read: {problem}; look at credHelpers and "
        f"credsStore in Docker's config.json.",
        reason="Unauthorized",
    )


def _problem(answer: httpx.Response) -> str:
    """Return a registry's own words about a refusal, in one line."""
    said = f"the registry answers {answer.status_code}"
    try:
        errors = answer.json()["errors"]
        words = "; ".join(str(one.get("message") or one.get("code")) for one in errors)
    except (ValueError, LookupError, TypeError, AttributeError):
        return said
    return f"{said}: {' '.join(words.split())[:300]}" if words else said


def _is_loopback(address: str) -> bool:
    host = urlsplit(f"//{address}").hostname or ""
    return host in {"localhost", "::1"} or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
