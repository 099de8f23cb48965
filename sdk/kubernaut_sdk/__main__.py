"""The program `kubernaut-action`.

Every step of every workflow waits for it to start and to end, so it spares what it can of both.
"""

import gc
import json
import os
import signal
import sys

# A step that is told to stop while it still imports would die without a word; until handlers hear it, SIGTERM waits.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
# Imports make many objects and no garbage; looking for it among them takes a tenth of their time.
gc.disable()
# Looking for plugins, pydantic reads the metadata of every installed package: 10 ms and more of each step.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from kubernaut_sdk.errors import ActionError  # noqa: E402 – after what must be set before
from kubernaut_sdk.verbs import program  # noqa: E402

gc.enable()

__all__ = ["main"]


def main() -> None:
    """Runs the verb; what a person did wrong is one line, never a traceback."""
    code = 0
    try:
        program(prog_name="kubernaut-action")
    except ActionError as error:
        print(json.dumps({"error": error.error().document()}), file=sys.stderr)
        code = error.exit_code
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written and sent; taking the interpreter apart would only take time.
    os._exit(code)


if __name__ == "__main__":
    main()
