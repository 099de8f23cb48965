"""The program `kubernaut`."""

import sys

from kubernaut_cli.program import program
from kubernaut_cli.streams import prepare_standard_streams
from kubernaut_cli.terminal import echo

__all__ = ["main"]


def main() -> None:
    """Runs the command; what a person did wrong is told in sentences, never in a traceback."""
    from kubernaut_controller.faults import InvalidWorkflow  # noqa: PLC0415 – `kubernaut --help` need not pay for it
    from kubernaut_sdk.errors import ActionError  # noqa: PLC0415

    prepare_standard_streams()
    try:
        program(prog_name="kubernaut")
    except InvalidWorkflow as error:
        for fault in error.faults:
            echo(f"kubernaut: {fault}", err=True)
        sys.exit(2)
    except ActionError as error:
        echo(f"kubernaut: {error.message}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
