"""The program `kubernaut-action`.

Every step of every workflow waits for it to start and to end, so it spares what it can of both.
"""

import gc
import os
import signal
import sys
from contextlib import suppress

# A step that is told to stop while it still imports would die without a word; until handlers hear it, SIGTERM waits.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
# Imports make many objects and no garbage; looking for it among them takes a tenth of their time.
gc.disable()
# Looking for plugins, pydantic reads the metadata of every installed package: 10 ms and more of each step.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from kubernaut_sdk.program.stdio import open_standard_streams  # noqa: E402 – after what must be set before
from kubernaut_sdk.program.verbs import call  # noqa: E402

gc.enable()

__all__ = ["main"]


def main() -> None:
    """Run the verb and end the process with its code, whatever happens."""
    code = 1
    try:
        open_standard_streams()
        code = call(sys.argv[1:])
    except BaseException as error:
        with suppress(Exception):
            print(f"kubernaut-action: unexpected {type(error).__name__}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    # All is written and sent; taking the interpreter apart would only take time.
    os._exit(code)


if __name__ == "__main__":
    main()
