"""The progress of a run: a live table in a terminal, plain lines in a pipe, nothing with `-o json`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from kubernaut_cli.console import Terminal
from kubernaut_cli.engine.report import RunReport, StepReport
from kubernaut_cli.history.changes import change_lines
from kubernaut_cli.streams import SafeStream
from kubernaut_cli.terminal import one_line
from kubernaut_sdk.states import State
from kubernaut_sdk.times import utcnow

__all__ = ["Progress", "show_progress", "table_console"]

_SYMBOLS = {
    State.INTENDED: ("·", "dim"),
    State.STARTED: ("▸", "cyan"),
    State.SUCCEEDED: ("✓", "green"),
    State.UNCHANGED: ("=", "green"),
    State.PLANNED: ("?", "cyan"),
    State.SKIPPED: ("-", "dim"),
    State.LOST: ("!", "red"),
}
_FAILED_SYMBOL = ("✗", "red")


class Progress(Protocol):
    """The display of a run; it gets every change of a step."""

    def step_changed(self, step: StepReport) -> None:
        """Show that a step started or ended."""

    def print_line(self, text: str) -> None:
        """Print a line between the steps."""


class _NoProgress:
    def step_changed(self, step: StepReport) -> None: ...

    def print_line(self, text: str) -> None: ...


class _LineProgress:
    """A line for each start and each end of a step."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def step_changed(self, step: StepReport) -> None:
        if step.state is State.STARTED:
            self.print_line(f"▸ {step.name}: {step.action_type}")
        else:
            self.print_end(step)

    def print_end(self, step: StepReport) -> None:
        symbol, colour = _SYMBOLS.get(step.state, _FAILED_SYMBOL)
        line = one_line(f"{symbol} {step.name}: {_summary(step)}")
        self.console.print(f"[{colour}]{escape(line)}[/]", highlight=False, soft_wrap=True)
        for line in change_lines(step.change, step.places):
            colour = {"-": "red", "+": "green"}[line[0]]
            self.console.print(f"    [{colour}]{escape(one_line(line))}[/]", highlight=False, soft_wrap=True)

    def print_line(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


class _TableProgress(_LineProgress):
    """A table of the steps that have not ended, below the lines of those that have."""

    def __init__(self, console: Console, report: RunReport) -> None:
        super().__init__(console)
        self._report = report
        self.live = Live(console=console, get_renderable=self._table, refresh_per_second=8, transient=True)

    def step_changed(self, step: StepReport) -> None:
        if step.state is not State.STARTED:
            self.print_end(step)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for step in self._report.steps:
            if step.finished_at is None and step.state is not State.SKIPPED:
                symbol, colour = _SYMBOLS.get(step.state, _FAILED_SYMBOL)
                name = f"{step.name} (finally)" if step.final else step.name
                since = f"{(utcnow() - step.started_at).total_seconds():.0f} s" if step.started_at else ""
                table.add_row(f"[{colour}]{symbol}[/]", escape(name), f"[dim]{escape(step.action_type)}[/]", since)
        return table


@contextmanager
def show_progress(report: RunReport, *, quiet: bool, stdout: SafeStream | None = None) -> Iterator[Progress]:
    """Yield the display that suits standard output, and print the run's first and last line around the block.

    Args:
        report: The run.
        quiet: True if a program reads standard output: nothing is shown.
        stdout: The stream to print to. By default standard output itself, so that the block ends with an error once
            nobody reads it.
    """
    if quiet:
        yield _NoProgress()
        return
    console = Terminal(file=cast("TextIO | None", stdout))
    console.print(f"[bold]{escape(report.name)}[/]{' (dry run)' if report.dry_run else ''}", highlight=False)
    for note in report.notes:
        console.print(f"note: {escape(one_line(note))}", style="dim", highlight=False)
    if console.is_terminal:
        table = _TableProgress(console, report)
        with table.live:
            yield table
    else:
        yield _LineProgress(console)
    good = report.phase == "Succeeded"
    done = sum(step.state.good for step in report.steps)
    console.print(
        f"[{'green' if good else 'red'}]{report.phase}[/]: {done} of {len(report.steps)} steps done",
        highlight=False,
    )


def table_console() -> Console:
    """Return a console for tables: as wide as the terminal, and in a pipe wide enough that few cells are folded."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=160)


def _summary(step: StepReport) -> str:
    parts = [step.state.value]
    if step.attempt:
        parts.append(f"at attempt {step.attempt + 1}")
    if step.seconds is not None:
        parts.append(f"in {step.seconds:.1f} s")
    text = " ".join(parts)
    if step.message:
        text += f" – {step.message}"
    if step.exit_code not in {None, 0}:
        text += f" (exit {step.exit_code}; log: {step.log})"
    return text
