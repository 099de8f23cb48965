"""Actions of the image, told apart: one is started alone, and only some can never be taken back."""

import subprocess
import sys

from kubernaut_cli.docs import traits
from kubernaut_sdk.catalog import action_entry, all_actions, installed_entries

PROGRAM = """
import os, sys
from kubernaut_cli.docs import traits
from kubernaut_sdk.catalog import action_entry, all_actions, installed_entries
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


def test_what_only_grows_says_so_and_cannot_be_undone() -> None:
    growing = {action.action_type: action for action in all_actions() if action.grow_only}

    assert set(growing) == {"aws/extend_volume", "kubernetes/expand_pvc"}
    assert all(action.undo_function is None for action in growing.values())
    assert "grow-only: takes nothing away" in traits(action_entry(growing["kubernetes/expand_pvc"]))
