"""The program `kubernaut`."""

import sys

from kubernaut_cli.program import program
from kubernaut_cli.streams import prepare_standard_streams

__all__ = ["main"]


def main() -> None:
    """Run the command. Print an error as sentences on standard error, and exit with its code."""
    prepare_standard_streams()
    try:
        code = program.main(prog_name="kubernaut", standalone_mode=False)
    except Exception as error:
        from kubernaut_cli.errors import exit_code_of, print_error  # noqa: PLC0415 – it imports the controller's part

        if (code := exit_code_of(error)) is None:
            raise
        print_error(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
