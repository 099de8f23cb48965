"""A console of rich for tables and progress, apart from `terminal`, since rich takes a tenth of a second to import."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kubernaut_cli.terminal import printable

__all__ = ["Terminal"]


class Terminal(Console):
    """A console with our styles, in which everybody's text is made printable."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, and make printable what is text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
