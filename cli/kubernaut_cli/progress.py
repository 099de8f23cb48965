"""How a person watches a run: a live table in a terminal, plain lines in a pipe, nothing where a machine reads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.console import Terminal
from kubernaut_cli.engine.report import Report, Row
from kubernaut_cli.streams import SteadyStream
from kubernaut_cli.terminal import one_line, printable
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["Progress", "change_lines", "progress_for", "wide_console"]

_LOOKS = {
    State.INTENDED: ("·", "dim"),
    State.STARTED: ("▸", "cyan"),
    State.SUCCEEDED: ("✓", "green"),
    State.UNCHANGED: ("=", "green"),
    State.PLANNED: ("?", "cyan"),
    State.SKIPPED: ("-", "dim"),
    State.LOST: ("!", "red"),
}
_BAD = ("✗", "red")


class Progress(Protocol):
    """Is told of every change."""

    def changed(self, report: Report, row: Row) -> None:
        """A row changed."""

    def say(self, text: str) -> None:
        """A line in between."""


class _Silent:
    def changed(self, report: Report, row: Row) -> None: ...

    def say(self, text: str) -> None: ...


class _Lines:
    """A line whenever a step starts or ends."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def changed(self, report: Report, row: Row) -> None:
        if row.state is State.STARTED:
            self.say(f"▸ {row.name}: {row.action_type}")
        else:
            self.ended(row)

    def ended(self, row: Row) -> None:
        sign, colour = _LOOKS.get(row.state, _BAD)
        told = f"{sign} {row.name}: {_summary(row)}"
        self.console.print(f"[{colour}]{escape(one_line(told))}[/]", highlight=False, soft_wrap=True)
        for line in change_lines(row.change):
            colour = {"-": "red", "+": "green"}[line[0]]
            self.console.print(f"    [{colour}]{escape(one_line(line))}[/]", highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Table(_Lines):
    """The steps as a table that stays in place, beneath the lines of those that ended."""

    def __init__(self, console: Console, report: Report) -> None:
        super().__init__(console)
        self._report = report
        self.live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=True)

    def changed(self, report: Report, row: Row) -> None:
        if row.state is not State.STARTED:
            self.ended(row)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for row in self._report.rows:
            if row.finished_at is None and row.state is not State.SKIPPED:
                sign, colour = _LOOKS.get(row.state, _BAD)
                name = f"{row.name} (finally)" if row.final else row.name
                since = f"{(utcnow() - row.started_at).total_seconds():.0f} s" if row.started_at else ""
                table.add_row(f"[{colour}]{sign}[/]", escape(name), f"[dim]{escape(row.action_type)}[/]", since)
        return table


@contextmanager
def progress_for(report: Report, *, quiet: bool, stdout: SteadyStream | None = None) -> Iterator[Progress]:
    """Yield what suits the one who watches, from before the first step until after the last.

    Args:
        report: Of what.
        quiet: Whether standard output is a program's.
        stdout: Where to; by default standard output as it is, so that the watching ends where nobody reads it.
    """
    if quiet:
        yield _Silent()
        return
    console = Terminal(file=cast("TextIO | None", stdout))
    console.print(f"[bold]{escape(report.name)}[/]{' (dry run)' if report.dry_run else ''}", highlight=False)
    for note in report.notes:
        console.print(f"note: {escape(one_line(note))}", style="dim", highlight=False)
    if console.is_terminal:
        table = _Table(console, report)
        with table.live:
            yield table
    else:
        yield _Lines(console)
    good = report.phase == "Succeeded"
    done = sum(row.state.good for row in report.rows)
    console.print(
        f"[{'green' if good else 'red'}]{report.phase}[/]: {done} of {len(report.rows)} steps done",
        highlight=False,
    )


def wide_console() -> Console:
    """A console for tables: as wide as the terminal, and in a pipe wide enough that nothing is folded early."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=160)


def _summary(row: Row) -> str:
    parts = [row.state.value]
    if row.attempt:
        parts.append(f"at attempt {row.attempt + 1}")
    if row.seconds is not None:
        parts.append(f"in {row.seconds:.1f} s")
    text = " ".join(parts)
    if row.message:
        text += f" – {row.message}"
    if row.exit_code not in {None, 0}:
        text += f" (exit {row.exit_code}; log: {row.log})"
    return text


def change_lines(change: dict[str, Any] | None) -> list[str]:
    """A change as a diff: `- path: before` and `+ path: after` for each value that differs."""
    if not change:
        return []
    before, after = _flat(change.get("before")), _flat(change.get("after"))
    lines = []
    for path in [*before, *(path for path in after if path not in before)]:
        if before.get(path) != after.get(path):
            lines += [f"- {path}: {_text(before[path])}"] if before.get(path) is not None else []
            lines += [f"+ {path}: {_text(after[path])}"] if after.get(path) is not None else []
    return lines


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            inner_path: inner
            for key, item in value.items()
            for inner_path, inner in _flat(item, f"{path}.{key}" if path else str(key)).items()
        }
    return {path or "value": value}


def _text(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 160 else f"{text[:160]}…"
