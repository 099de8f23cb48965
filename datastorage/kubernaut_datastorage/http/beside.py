"""Pages beside the service: whatever is none of its own paths is theirs."""

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PagesBeside"]

_OWN = ("/api/", "/healthz", "/readyz", "/metrics", "/openapi.json")


class PagesBeside:
    """Middleware that passes requests for pages to another application.

    Args:
        app: The service.
        pages: The other application.
    """

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_page = scope["type"] == "http" and not scope["path"].startswith(_OWN)
        await (self._pages if is_page else self._app)(scope, receive, send)
