"""The commands by name. Each module is imported only when its command is called: no command pays for another's."""

import sys
from importlib import import_module

import click

from kubernaut_cli.examples import add_example
from kubernaut_cli.streams import discard_output

__all__ = ["program"]

_COMMANDS = {
    "actions": "List actions, and show one.",
    "build": "Build an action image, and stamp it with its spec.",
    "catalog": "Write Tekton Tasks of actions, and push them as bundles.",
    "cancel": "Cancel a workflow of a cluster.",
    "completion": "Print a script that completes the command in a shell.",
    "conform": "Check an action image against the action contract.",
    "docs": "Write a page of Markdown for each action.",
    "doctor": "Look at everything that the other commands need.",
    "effectiveness": "Show whether each action helped, with the uncertainty.",
    "history": "List the records of actions, newest first, and show one.",
    "monitor": "Run the Effectiveness Monitor: pages, JSON and metrics.",
    "new": "Start a project of your own actions.",
    "patterns": "Show what flaps, goes in circles, grows or comes together.",
    "publish": "Push an action image, and print its digest.",
    "records": "Send, verify and prove action records.",
    "report": "Print an incident in Markdown.",
    "render": "Print the PipelineRun of a workflow.",
    "run": "Run a workflow on this machine.",
    "serve": "Run the Data Storage Service.",
    "status": "Show the workflows of a cluster.",
    "submit": "Run a workflow in a cluster.",
    "target": "Show what was done to a target, and what came of it.",
    "undo": "Take back what a record or a workflow changed.",
    "test": "Run an action project's tests and conformance checks.",
    "validate": "Check a workflow.",
}
"""Command → its line in `--help`. The module in `commands/` and the function in it are named after the command."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"kubernaut_cli.commands.{cmd_name}"), cmd_name)
        add_example(cmd_name, command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from kubernaut_sdk.faults import did_you_mean  # noqa: PLC0415 – it imports pydantic

            hint = did_you_mean(args[0], _COMMANDS) or "`kubernaut --help` lists all."
            ctx.fail(f"No such command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head` has read enough
            discard_output(sys.stdout.fileno())
            raise click.exceptions.Exit(141) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from kubernaut_cli.errors import EXIT_CODES  # noqa: PLC0415 – it imports the controller's part
        from kubernaut_cli.options import ENVIRONMENT  # noqa: PLC0415 – only the help needs it

        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))
        with formatter.section("Exit codes, the same in every command"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
        with formatter.section("Environment"):
            formatter.write_dl(list(ENVIRONMENT.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kubernaut-cli", message="%(prog)s %(version)s")
def program() -> None:
    """Run remediation workflows, keep their records, and measure whether they helped."""
