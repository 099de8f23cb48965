"""JSON over HTTP for the APIs of forges and of Argo CD, with failures as errors of the action contract.

Used by `kubernaut_argocd.forges` and `kubernaut_argocd.applications`. The standard library's client is enough, and
costs an image nothing. TLS is verified; no redirect is followed, since the token would go along; a server that asks for
fewer requests is given the time that it asks for, if the step has it.
"""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from kubernaut_sdk import Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["HttpApi", "HttpReply", "complaint", "rate_limit_pause"]

_PATIENCE = 20.0
"""The most seconds of silence from a server."""
_LARGEST = 16 * 1024 * 1024
_LONGEST_WAIT = 120.0
"""The most seconds to wait, within one attempt, for a server that asks for fewer requests."""
_SECONDARY_WAIT = 60.0
"""GitHub's own advice for a secondary limit without Retry-After: wait for at least a minute."""
_SPARE = 5.0
_REASONS = {401: "TokenRefused", 403: "AccessDenied"}


@dataclass(frozen=True)
class HttpReply:
    """An answer whose status says success, or a status that the caller expects.

    Attributes:
        status: The HTTP status.
        document: The body as JSON; None if it is empty.
        headers: The headers, names in lower case.
        foreign: True if the body is not JSON, as a proxy's page; `document` then holds its beginning, as `message`.
    """

    status: int
    document: Any
    headers: Mapping[str, str]
    foreign: bool = False


@dataclass(frozen=True)
class HttpApi:
    """An API at one address, with one token.

    Attributes:
        ctx: The context: time, log and waits.
        name: The API's name in messages, such as `the forge git.example.com`.
        url: The base address, without a slash at its end.
        headers: Headers of each request; those with the token are sent to this address only.
        advice: The rights that the token needs, for messages about a denied request.
        authority: The file with the certificate authority; by default those of the machine.
        identity: The files of a client's certificate and key, if the server asks for them.
        credential: What the token is, for messages.
    """

    ctx: Context
    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
    authority: Path | None = None
    identity: tuple[Path, Path] | None = None
    credential: str = "the token in the step's Secret"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        expected: tuple[int, ...] = (),
        content_type: str = "application/json",
        patience: float = _PATIENCE,
    ) -> HttpReply:
        """Send one request and return its answer.

        Args:
            method: The HTTP method.
            path: The path below the address, already quoted.
            body: A JSON value to send.
            query: The query's fields; absent ones are None.
            expected: Statuses beside 2xx that are returned, not raised.
            content_type: The media type of the body.
            patience: The most seconds of silence from the server.

        Raises:
            NotFound: for 404.
            PreconditionFailed: if the token is refused or lacks a right, for a redirect or a certificate that cannot be
                verified, or if what answers is not the API.
            Transient: if the server is out of reach, has trouble of its own, or asks for more time than the step has.
            Failed: for any other status, with what the server says.
        """
        fields = {key: value for key, value in (query or {}).items() if value is not None}
        address = f"{self.url}{path}" + (f"?{urlencode(fields, doseq=True)}" if fields else "")
        waited = 0.0
        while True:
            reply = self._send(method, address, body, content_type, patience)
            if 200 <= reply.status < 300 or reply.status in expected:
                if reply.foreign:
                    raise _not_the_api(self.name, reply)
                return reply
            pause = rate_limit_pause(reply, time.time())
            if pause is None:
                raise self._error(method, path, reply)
            waited += pause
            if waited > _LONGEST_WAIT or pause + _SPARE > self.ctx.remaining():
                raise Transient(
                    f"{self.name} asks for fewer requests: the next one in {pause:.0f} s.", reason="RateLimited"
                )
            self.ctx.log.warning("%s asks for fewer requests; the next one in %.0f s", self.name, pause)
            self.ctx.sleep(pause)

    def _send(self, method: str, address: str, body: Any, content_type: str, patience: float) -> HttpReply:
        data = None if body is None else json.dumps(body).encode()
        headers = {"accept": "application/json", "user-agent": "kubernaut", **self.headers}
        if method != "GET":  # without a body, too: Argo CD refuses a write that does not say that it is JSON
            headers["content-type"] = content_type
        request = Request(address, data=data, headers=headers, method=method)  # noqa: S310 – http or https, checked when it was built
        timeout = max(1.0, min(patience, self.ctx.remaining()))
        try:
            with self._opener().open(request, timeout=timeout) as answer:
                return _reply(answer.status, answer.headers, answer.read(_LARGEST + 1), self.name)
        except HTTPError as error:
            with error:
                return _reply(error.code, error.headers, error.read(_LARGEST + 1), self.name)
        except InvalidURL:
            raise PreconditionFailed(f"the address {self.url} is not usable.", reason="BadAddress") from None
        except (URLError, HTTPException, OSError) as error:
            raise self._unreachable(error) from None
        except ValueError:  # http.client's own message would repeat the token
            raise PreconditionFailed(
                f"{self.credential} holds a line break, or another character that no HTTP header can hold; put the "
                f"bare token there.",
                reason="TokenUnusable",
            ) from None

    def _opener(self) -> OpenerDirector:
        context = ssl.create_default_context(cafile=self.authority)
        if self.identity is not None:
            context.load_cert_chain(*self.identity)
        return build_opener(_NoRedirect(), HTTPSHandler(context=context))

    def _unreachable(self, error: Exception) -> PreconditionFailed | Transient:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            signer = "the authority in the Secret's ca.crt" if self.authority else "an authority that this image trusts"
            return PreconditionFailed(
                f"the certificate of {self.name} cannot be verified ({cause.verify_message}): it must be valid, for "
                f"this host, and signed by {signer}; put its authority's certificate into the Secret, as ca.crt.",
                reason="CertificateUnknown",
            )
        if isinstance(cause, ssl.SSLError):
            return PreconditionFailed(
                f"there is no TLS connection with {self.name}: {cause.reason or cause}; perhaps it speaks plain http "
                f"at this port.",
                reason="TlsFailed",
            )
        problem = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        return Transient(f"{self.name} does not answer: {problem}.", reason="Unreachable")

    def _error(self, method: str, path: str, reply: HttpReply) -> Failed | PreconditionFailed | Transient:
        said = complaint(reply.document)
        what = f"{self.name} answered {method} {path} with {reply.status}"
        tail = f"; it says: {said}" if said else ""
        match reply.status:
            case 301 | 302 | 303 | 307 | 308:
                target = urlsplit(urljoin(self.url, reply.headers.get("location", "")))
                return PreconditionFailed(
                    f"{what}, a redirect to {target.hostname or 'nowhere'}; none is followed, since the token would go "
                    f"along: write the address that it leads to.",
                    reason="Redirected",
                )
            case 401:
                return PreconditionFailed(
                    f"{what}: {self.credential} is not valid, or has expired; make a new one"
                    f"{f' ({self.advice})' if self.advice else ''}{tail}.",
                    reason=_REASONS[401],
                )
            case 403:
                return PreconditionFailed(
                    f"{what}: {self.credential} has not the right for it"
                    f"{f'; it needs {self.advice}' if self.advice else ''}{tail}.",
                    reason=_REASONS[403],
                )
            case 404:
                return NotFound(f"{what}: there is no such thing, or the token may not see it{tail}.")
            case 408 | 429 | 500 | 502 | 503 | 504:
                return Transient(f"{what}{tail}.", reason="Unreachable")
        return Failed(f"{what}{tail}.", reason="RequestRefused")


class _NoRedirect(HTTPRedirectHandler):
    """Returns a redirect to the caller as the answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def rate_limit_pause(reply: HttpReply, now: float) -> float | None:
    """Return the seconds to wait before the next request, or None if the answer asks for no wait.

    `Retry-After` (RFC 9110, in seconds or as a date), GitHub's `x-ratelimit-remaining: 0` with `x-ratelimit-reset` and
    its secondary limits, which answer 403 or 429, and GitLab's `RateLimit-Reset`. A pause is a second at least.
    """
    if reply.status not in {403, 429, 503}:
        return None
    headers = reply.headers
    after = _seconds_after(headers.get("retry-after", ""), now)
    if after is not None:
        return max(1.0, after)
    limited = reply.status == 429 or "rate limit" in (complaint(reply.document) or "").lower()
    exhausted = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    if exhausted and reset.isdigit():
        return max(1.0, float(reset) - now)
    return _SECONDARY_WAIT if limited and reply.status != 503 else None


def _reply(status: int, headers: Any, body: bytes, name: str) -> HttpReply:
    if len(body) > _LARGEST:
        raise Failed(f"{name} answered with more than {_LARGEST >> 20} MiB.", reason="AnswerTooLarge")
    named = {key.lower(): value for key, value in headers.items()}
    try:
        return HttpReply(status, json.loads(body) if body.strip() else None, named)
    except (ValueError, RecursionError):
        return HttpReply(status, {"message": body[:200].decode("utf-8", "replace")}, named, foreign=True)


def _not_the_api(name: str, reply: HttpReply) -> PreconditionFailed:
    begin = " ".join(str(reply.document["message"]).split())[:80]
    return PreconditionFailed(
        f"what answers as {name} speaks no JSON; perhaps it is a page to log in, or a proxy: check the address. It "
        f"begins: {begin}",
        reason="NotTheApi",
    )


def _seconds_after(after: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` names, or None if it is no such field."""
    if after.isdigit():
        return float(after)
    try:
        return parsedate_to_datetime(after).timestamp() - now
    except (ValueError, OverflowError):
        return None


def complaint(document: Any) -> str:
    """Return what an error's document says, in one line; forges and Argo CD name it differently."""
    if not isinstance(document, dict):
        return ""
    parts = [document.get("message"), document.get("error")]
    parts += [
        error.get("message") or f"{error.get('field', '')} {error.get('code', '')}"
        if isinstance(error, dict)
        else error
        for error in document.get("errors") or ()
        if isinstance(document.get("errors"), list)
    ]
    texts = dict.fromkeys(
        " ".join((part if isinstance(part, str) else json.dumps(part)).split()) for part in parts if part
    )
    return "; ".join(texts)[:400].rstrip(". ")
