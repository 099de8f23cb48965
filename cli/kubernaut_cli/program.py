"""The commands by name; each is imported only when it is called, so that none pays for another's libraries."""

from importlib import import_module

import click

__all__ = ["program"]

_COMMANDS = {
    "actions": ("describing", "actions", "What actions there are: list them, show one."),
    "build": ("building", "build", "Build an action image, and stamp it with its spec."),
    "cancel": ("submitting", "cancel", "Cancel a workflow of a cluster."),
    "conform": ("conforming", "conform", "Does an action image keep the contract?"),
    "docs": ("describing", "docs", "Write a page of Markdown for each action."),
    "effectiveness": ("judging", "effectiveness", "Did it help? Rates with their uncertainty, a line an action."),
    "history": ("history", "history", "What was done, newest first."),
    "new": ("starting", "new", "Start a project of your own actions."),
    "publish": ("publishing", "publish", "Push an action image, and print its digest."),
    "records": ("records", "records", "Action records: send what waits."),
    "render": ("workflows", "render", "Print the PipelineRun of a workflow."),
    "run": ("running", "run", "Run a workflow on this machine."),
    "serve": ("serving", "serve", "Run the Data Storage Service."),
    "status": ("submitting", "status", "How the workflows of a cluster stand."),
    "submit": ("submitting", "submit", "Run a workflow in a cluster."),
    "test": ("testing", "test", "Run an action project's tests and conformance checks."),
    "validate": ("workflows", "validate", "Check a workflow."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"kubernaut_cli.commands.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, _, help_text) in sorted(_COMMANDS.items())])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kubernaut-cli", message="%(prog)s %(version)s")
def program() -> None:
    """Kubernaut: run remediation workflows, keep their records, ask whether they helped."""
