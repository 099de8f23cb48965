"""The time of `kubernaut-action spec` with all actions of the kubectl image beside one: `bench_spec.py`.

All run in this environment, where more is installed; the list of installed actions is cut to theirs. The one is the
SDK's shortest, in a file of its own, of which nothing is cached. All ask kubectl for its version, as the image's `spec`
does. The image's is cached as it is built; without the cache, all modules are imported and all schemas made.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from measure import compare, report

PROGRAM = """
import sys
from importlib.metadata import entry_points
from kubernaut_sdk import catalog
wanted = set(sys.argv.pop().split())
if sys.argv.pop() == "uncached":
    from kubernaut_sdk.program import speccache
    speccache._read = lambda file, key: None
    speccache._write = lambda file, key, actions: None
catalog.entry_points = lambda group: [
    entry for entry in entry_points(group=group) if group != catalog.GROUP or entry.name in wanted
]
from kubernaut_sdk.__main__ import main
sys.exit(main())
"""


ONE = """
from kubernaut_sdk import Action, Change, Context, Inputs

class OneInputs(Inputs):
    name: str

one = Action("probe/do_one", permissions=["pods: get"], examples=[{"name": "a"}])

@one.plan
def plan(ctx: Context, inputs: OneInputs) -> Change:
    \"\"\"Do one thing.\"\"\"
    return Change()

@one.apply
def apply(ctx: Context, inputs: OneInputs, change: Change) -> None:
    pass
"""


def spec(*names: str, modules: str = "", cache: str = "cached") -> Callable[[], object]:
    """Return a function that prints the spec of these installed actions, and of a file's, in a new process."""
    argv = [sys.executable, "-c", PROGRAM, "spec", cache, " ".join(names)]
    env = {**os.environ, "ACTION_MODULES": modules}
    return lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=env)


if __name__ == "__main__":
    names = [
        entry.name for entry in entry_points(group="kubernaut.actions") if entry.value.startswith("kubernaut_kubectl")
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one.py"
        file.write_text(ONE)
        subjects = {"one action": spec(modules=str(file)), f"all {len(names)} of the image": spec(*names)}
        subjects["all of them, without the cache"] = spec(*names, cache="uncached")
        report("kubernaut-action spec", compare(15, **subjects), "one action", "at most 1.3 × one action")
