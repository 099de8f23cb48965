"""The program `kubernaut-action`.

Every step of every workflow waits for it to start and to end, so both are kept short.
"""

import gc
import os
import signal
import sys
from contextlib import suppress

# A step that gets SIGTERM while it imports would end without results, so SIGTERM is blocked until handlers exist.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
# Imports make many objects and no garbage; collecting garbage meanwhile takes a tenth of their time.
gc.disable()
# To find plugins, pydantic reads the metadata of every installed package: 10 ms and more of each step.
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
    # Everything is written and sent; an orderly shutdown of the interpreter would only take time.
    os._exit(code)


if __name__ == "__main__":
    main()
