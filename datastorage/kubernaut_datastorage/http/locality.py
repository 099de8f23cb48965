"""The check of a service without tokens: only programs of this machine, no web page in a browser.

A web page can send requests to loopback, too. Its browser then sets `Origin`; and if the page's own name was made to
point to loopback (DNS rebinding), that name is in `Host`.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kubernaut_datastorage.http.problems import Problem, response
from kubernaut_sdk.portable import shorten

__all__ = ["LocalOnly", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Return True if a host name or address is of loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """Middleware that refuses requests from another machine's site: 403, naming the header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._good: set[tuple[str, str | None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass the request on."""
        if scope["type"] == "http" and (problem := self._problem(Headers(scope=scope))) is not None:
            await response(problem, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _problem(self, headers: Headers) -> Problem | None:
        sent = (headers.get("host", ""), headers.get("origin"))
        if sent in self._good:
            return None
        for name, address in (("host", f"//{sent[0]}"), ("origin", sent[1])):
            if address is not None and not is_loopback(_host(address)):
                text = shorten(headers.get(name, ""))
                detail = f"{name} {text}: without tokens, only programs of this machine are served."
                return Problem(403, "Not local", detail)
        if len(self._good) < 100:
            self._good.add(sent)
        return None


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
