"""The program `kubernaut-action`."""

import json
import os
import sys

# Looking for plugins, pydantic reads the metadata of every installed package: 10 ms and more of each step.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from kubernaut_sdk.errors import ActionError
from kubernaut_sdk.verbs import program

__all__ = ["main"]


def main() -> None:
    """Runs the verb; what a person did wrong is one line, never a traceback."""
    try:
        program(prog_name="kubernaut-action")
    except ActionError as error:
        print(json.dumps({"error": error.error().document()}), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
