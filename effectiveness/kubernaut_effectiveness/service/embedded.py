"""The pages within `kubernaut serve` on one machine: they begin to follow when somebody first looks."""

from starlette.types import ASGIApp, Receive, Scope, Send

from kubernaut_effectiveness.service.following import Follower
from kubernaut_effectiveness.service.pages import create_pages
from kubernaut_effectiveness.service.reading import StorageReader

__all__ = ["EmbeddedPages"]


class EmbeddedPages:
    """The pages of the Data Storage Service that they run in. It finds them by their entry point."""

    def __init__(self) -> None:
        self._pages: ASGIApp | None = None
        self._follower: Follower | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; at the first one, begin to follow the service at its own address."""
        if self._pages is None:
            host, port = scope["server"]
            address = f"[{host}]" if ":" in host else host
            self._follower = Follower(StorageReader(f"http://{address}:{port}"))
            self._follower.start()
            self._pages = create_pages(self._follower)
        await self._pages(scope, receive, send)

    def close(self) -> None:
        """End to follow."""
        if self._follower is not None:
            self._follower.stop()
