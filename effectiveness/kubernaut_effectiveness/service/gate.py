"""The gate before the pages: programs of this machine or, with a token, whoever has it."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["COOKIE", "MonitorGate", "is_loopback", "session_of"]

COOKIE = "kubernaut_monitor"
_OPEN = {"/healthz", "/login", "/static/style.css", "/static/pictures.css", "/static/htmx.min.js", "/static/icon.svg"}
_SAFE = {"GET", "HEAD"}


def is_loopback(host: str) -> bool:
    """Return True if a host name or address is of loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def session_of(token: str) -> str:
    """Return the cookie's value: it proves the token without holding it, and ends when the token is changed."""
    return hmac.new(token.encode(), b"kubernaut monitor, a browser's session", hashlib.sha256).hexdigest()


class MonitorGate:
    """Middleware that checks the Host header and, where there is a token, the token or its cookie.

    A page of another site whose name was made to point here (DNS rebinding) has that name in `Host`. A request with the
    right bearer token is no such page: a browser adds none by itself.

    Args:
        app: The pages.
        token: The token, if there is one.
        hosts: Names by which browsers may call the monitor, beside those of loopback.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, hosts: Iterable[str] = ()) -> None:
        self._app, self._token, self._hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that is not let in, or None."""
        if request.url.path == "/healthz":
            return None  # kubelets call the pod by its address
        bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
        if self._token is not None and bearer:
            same = hmac.compare_digest(bearer.encode(), self._token.encode())
            return None if same else PlainTextResponse("this token is not the monitor's.\n", 401)
        return self._foreign(request) or self._unknown(request)

    def _foreign(self, request: Request) -> Response | None:
        """Refuse another site's page."""
        host = _host(f"//{request.headers.get('host', '')}")
        if not is_loopback(host) and host not in self._hosts:
            return PlainTextResponse("this Host is not one of the monitor's (--public-host).\n", 403)
        if request.method not in _SAFE and not self._same_site(request.headers, host):
            return PlainTextResponse("this form is of another site.\n", 403)
        return None

    def _unknown(self, request: Request) -> Response | None:
        """Refuse, or send to the login page, who has shown no token."""
        if self._token is None or request.url.path in _OPEN or self._has_session(request):
            return None
        if "text/html" in request.headers.get("accept", "") and request.method in _SAFE:
            return RedirectResponse(f"/login?next={quote(request.url.path, safe='/')}", 303)
        headers = {"www-authenticate": "Bearer"}
        return PlainTextResponse("send the monitor's token as a bearer token.\n", 401, headers)

    @staticmethod
    def _same_site(headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        return origin is None or _host(origin) == host

    def _has_session(self, request: Request) -> bool:
        assert self._token is not None
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), session_of(self._token).encode())


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
