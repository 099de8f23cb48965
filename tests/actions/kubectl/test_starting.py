"""An action is started alone: a step pays for no other action's module."""

import subprocess
import sys

from kubernaut_sdk.catalog import installed_entries

PROGRAM = """
import os, sys
from kubernaut_sdk.catalog import installed_entries
for name, entry in installed_entries().items():
    if entry.module.startswith("kubernaut_kubectl."):
        if (child := os.fork()) == 0:
            entry.load()
            print(name, *(module for module in sys.modules if module.startswith("kubernaut_kubectl.")), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
"""


def test_starting_an_action_imports_the_module_of_no_other() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    own = {
        name: entry.module for name, entry in installed_entries().items() if entry.module.startswith("kubernaut_kub")
    }
    loaded = {name: set(modules) for name, *modules in map(str.split, done.stdout.splitlines())}

    assert sorted(loaded) == sorted(own)
    assert {name: modules & set(own.values()) for name, modules in loaded.items()} == {
        name: {module} for name, module in own.items()
    }
