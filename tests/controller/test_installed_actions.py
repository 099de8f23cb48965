"""The controller's table of actions is made at its start: the first workflow waits for no import."""

import json
import subprocess
import sys

from objects import step, workflow

from kubernaut_sdk.catalog import known_types

PROGRAM = """
import json, sys
from kubernaut_controller.operator.__main__ import _installed
from kubernaut_controller.reconciling.admission import admit
from kubernaut_controller.reconciling.policy import Policy

policy, before = Policy(find=_installed().get), set(sys.modules)
faults = {}
for document in json.load(sys.stdin):
    workflow, found = admit(document, policy)
    faults[document["spec"]["steps"][0]["actionType"]] = [str(fault) for fault in found]
json.dump({"faults": faults, "imported": sorted(set(sys.modules) - before)}, sys.stdout)
"""


def test_every_installed_action_is_known_and_loaded_before_the_first_workflow() -> None:
    types = known_types()
    documents = [workflow(step("a", actionType=one, inputs={"no-such-input": 1})) for one in types]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(documents), capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)

    assert types
    assert told["imported"] == []
    for faults in told["faults"].values():
        assert any("no-such-input" in fault for fault in faults)
    assert set(told["faults"]) == set(types)
