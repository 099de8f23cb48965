"""The time of `kubernaut-action spec` with all actions of the kubectl image beside one: `bench_spec.py`.

Both run in this environment, where more is installed; the list of installed actions is cut to theirs.
"""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points

from measure import compare, report

PROGRAM = """
import sys
from importlib.metadata import entry_points
from kubernaut_sdk import catalog
wanted = set(sys.argv.pop().split())
catalog.entry_points = lambda group: [
    entry for entry in entry_points(group=group) if group != catalog.GROUP or entry.name in wanted
]
from kubernaut_sdk.__main__ import main
sys.exit(main())
"""


def spec(*names: str) -> Callable[[], object]:
    """Return a function that prints the spec of these actions in a new process."""
    return lambda: subprocess.run(
        [sys.executable, "-c", PROGRAM, "spec", " ".join(names)], check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    names = [
        entry.name for entry in entry_points(group="kubernaut.actions") if entry.value.startswith("kubernaut_kubectl")
    ]
    times = compare(
        15, **{"one action": spec("kubernetes/scale_deployment"), f"all {len(names)} of the image": spec(*names)}
    )
    report("kubernaut-action spec", times, "one action", "at most 1.3 × one action")
