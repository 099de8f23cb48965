"""The errors of the command, and the exit code of each: the same cause has the same code in every command.

A command raises an error of one family, `kubernaut_sdk.errors.ActionError`, whose classes carry the exit code, and so
the command ends with the codes of the action contract. Beside it there are only click's own errors (usage) and
`InvalidWorkflow`, which carries all faults of a workflow or PipelineRun.
"""

import click

from kubernaut_cli.terminal import echo
from kubernaut_controller.faults import InvalidWorkflow
from kubernaut_sdk.errors import ActionError

__all__ = ["EXIT_CODES", "exit_code_of", "print_error"]

EXIT_CODES = {
    0: "Done. With `run` and `--follow`: the workflow succeeded.",
    1: "The work failed: a step, a build, a push, a check, a test.",
    2: "The input cannot be used: options, a file, a name, an image, a workflow.",
    3: "Something is missing or refused: kubeconfig, Docker engine, folder, tool, object, record, permission.",
    4: "Verified and found wrong: the store was changed, or a proof does not hold.",
    75: "No answer for now: the cluster, Data Storage or a registry. Try again later.",
    124: "With `run` and `--follow`: the workflow's time was over.",
    130: "Ctrl-C; with `run` and `--follow` also: the workflow was cancelled.",
    141: "The reader of standard output has closed it.",
}
"""The meaning of each exit code; the README has the same table. A signal ends a command with 128 plus its number."""


def exit_code_of(error: Exception) -> int | None:
    """Return the exit code of an error; None if it is not one of the command's, but a bug."""
    match error:
        case click.Abort():
            return 130
        case click.ClickException() | ActionError():
            return error.exit_code
        case InvalidWorkflow():
            return 2
    return None


def print_error(error: Exception) -> None:
    """Print an error that has an exit code on standard error."""
    match error:
        case InvalidWorkflow():
            for fault in error.faults:
                echo(f"kubernaut: {fault}", err=True)
        case ActionError():
            echo(f"kubernaut: {error.message}", err=True)
        case click.ClickException():
            error.show()
