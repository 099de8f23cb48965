"""The rich console for tables and progress; a module of its own, since rich takes 0.1 s to import."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kubernaut_cli.terminal import printable

__all__ = ["Terminal"]


class Terminal(Console):
    """A rich console that escapes characters which could control the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of rich with their text made printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
