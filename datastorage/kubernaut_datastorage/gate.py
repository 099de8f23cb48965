"""The checks before the service: a request's size, its sender's rate, the token, the token's roles.

Only then is the body read.
"""

import math
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kubernaut_datastorage.http.body import largest_body, too_large
from kubernaut_datastorage.http.metrics import Metrics
from kubernaut_datastorage.http.problems import Problem, response
from kubernaut_datastorage.http.ratelimit import RateLimiter
from kubernaut_datastorage.records.access import Caller
from kubernaut_datastorage.store import DatabaseUnavailable
from kubernaut_datastorage.tokens import Tokens, hash_token

__all__ = ["Gate", "MetricsMiddleware", "is_allowed"]

_OPEN = {"/healthz", "/readyz"}
"""Kubelets ask without a token."""
_SIGNALS = "/api/v1/signals"
_METRICS = "/metrics"
_FAILURES = (10.0, 50.0)
"""Bad tokens that an address may send, a second and at once."""


def is_allowed(method: str, path: str, caller: Caller) -> bool:
    """Return True if a caller's roles allow this request. What it may see of the answer is decided by the route."""
    of_records = path.startswith("/api/v1/action-records")
    if method == "POST":
        of_alertmanager = path == _SIGNALS and "signals" in caller.roles
        return "write" in caller.roles or of_alertmanager or (of_records and "own-record" in caller.roles)
    of_scraper = path == _METRICS and "metrics" in caller.roles
    return "read" in caller.roles or of_scraper or (of_records and "own-record" in caller.roles)


class Gate:
    """The checks of a request, in this order: size, rate, token, role.

    Args:
        app: The service.
        tokens: Who holds a token.
        rate: Requests a second that each token may send; twice as many at once.
        metrics: Counts what is turned away.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, rate: float, metrics: Metrics | None = None) -> None:
        self._app, self._tokens, self._metrics = app, tokens, metrics
        self._asked = RateLimiter(rate, 2 * rate)
        self._failed = RateLimiter(*_FAILURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass the request on."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        try:
            scope["caller"] = await self._admit(scope)
        except Problem as problem:
            if self._metrics is not None:
                self._metrics.rejected.labels(problem.title.lower()).inc()
            await response(problem, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > (most := largest_body(scope["path"])):
            raise too_large(most)
        token = _bearer(headers.get(b"authorization", b""))
        address = scope["client"][0] if scope.get("client") else ""
        digest = hash_token(token) if token else ""
        if wait := self._asked.wait(digest or address):
            raise _too_many(wait, scope)
        if token and not self._tokens.knows(digest) and (wait := self._failed.wait(address, 0.5)):
            raise _too_many(wait, scope)  # a client that tries one token after the other causes no TokenReviews
        try:
            caller = await self._tokens.identify(token, digest) if token else None
        except DatabaseUnavailable as error:
            raise Problem(503, "Unavailable", str(error), {"retry-after": "1"}) from None
        if caller is None:
            if wait := self._failed.wait(address):
                raise _too_many(wait, scope)
            count_events = "this token is not known, or not for this service" if token else "send a bearer token"
            raise Problem(401, "Unauthorized", f"{count_events}.", {"www-authenticate": "Bearer"})
        if not is_allowed(scope["method"], scope["path"], caller):
            roles = ", ".join(sorted(caller.roles))
            raise Problem(403, "Forbidden", f"{scope['method']} {scope['path']} is not for {roles}.")
        return caller


class MetricsMiddleware:
    """Middleware that measures the time of requests and counts responses."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._metrics.count_response(scope["method"], scope["path"], status, time.perf_counter() - started)


def _bearer(authorization: bytes) -> str:
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _too_many(wait: float, scope: Scope) -> Problem:
    # Alertmanager sends nothing again that was answered 4xx
    status = 503 if scope["path"] == _SIGNALS and scope["method"] == "POST" else 429
    headers = {"retry-after": str(math.ceil(wait))}
    return Problem(status, "Too many requests", "come again after what Retry-After says.", headers)
