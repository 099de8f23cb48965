"""A server that runs `kubernaut-action` many times a second: it has imported the SDK, and forks for each line of input.

A line is JSON: `argv`, `env`, and the files for standard output and standard error. The answer is the exit code.
Events for Data Storage are appended to the file `EVENTS` and count as stored.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from kubernaut_sdk import __main__ as program
from kubernaut_sdk.program import verbs
from kubernaut_sdk.storage import StorageClient


class FileStore(StorageClient):
    """A store that is a file."""

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        with Path(os.environ["EVENTS"]).open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        return [{"index": n, "id": event["id"], "outcome": "stored"} for n, event in enumerate(events)]


def child(order: dict[str, Any]) -> NoReturn:
    for number, name in ((0, os.devnull), (1, order["stdout"]), (2, order["stderr"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["argv"]
    verbs._STARTED = time.monotonic()
    verbs.__dict__["StorageClient"] = FileStore
    program.main()
    os._exit(99)


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            child(order)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
