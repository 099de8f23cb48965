"""The program `kubernaut-action`."""

import json
import sys

from kubernaut_sdk.errors import ActionError
from kubernaut_sdk.verbs import program

__all__ = ["main"]


def main() -> None:
    """Runs the verb; what a person did wrong is one line, never a traceback."""
    try:
        program(prog_name="kubernaut-action")
    except ActionError as error:
        print(json.dumps({"error": error.error().model_dump()}), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
