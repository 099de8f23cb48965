"""All parts write the same JSON lines: time, level, message, and the traceback as `exception`."""

import json
import subprocess
import sys

PROGRAM = """
import logging
from kubernaut_sdk.logs import configure_service
configure_service("INFO", quiet=("talkative",))
logging.getLogger("talkative").info("nobody reads this")
logging.getLogger("kubernaut.part").warning("%s fällt aus", "one", extra={"fields": {"step": "a"}})
try:
    raise ValueError("no")
except ValueError:
    logging.getLogger("kubernaut.part").exception("it failed")
"""


def test_a_service_logs_one_json_object_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    first, second = map(json.loads, done.stderr.splitlines())

    assert first.pop("time").endswith("Z")
    assert first == {"level": "warning", "logger": "kubernaut.part", "message": "one fällt aus", "step": "a"}
    assert (second["level"], second["message"]) == ("error", "it failed")
    assert second["exception"].endswith("ValueError: no")
