"""The StepAction `kubernaut-action`: the generic Task's step, for use within other people's Tasks.

A StepAction brings no volumes. So its scratch space is Tekton's own, below /tekton/home, and the folder of its results,
which has the step's name in it, is found beside one of them.
"""

from copy import deepcopy
from typing import Any

from kubernaut_conformance import confinement

__all__ = ["step_action"]

Json = dict[str, Any]

_HOME = "/tekton/home"  # an emptyDir that Tekton mounts into every step
_VARIABLES = {
    "RESULTS_DIR": "$(step.results.status.path)/..",
    "SECRETS_DIR": "$(params.secretsDir)",
    "WORKSPACE_PATH": _HOME,
    "HOME": _HOME,
    "TMPDIR": _HOME,
    "DATA_STORAGE_TOKEN_FILE": "$(params.dataStorageTokenFile)",
}
_PARAMS: list[Json] = [
    {
        "name": "secretsDir",
        "type": "string",
        "description": "A folder with the files of a Secret that the action may read, such as a workspace's path.",
        "default": "",
    },
    {
        "name": "dataStorageTokenFile",
        "type": "string",
        "description": "A file with a token of the audience kubernaut-data-storage; the Task mounts it.",
        "default": "",
    },
]


def step_action() -> Json:
    """Return the StepAction."""
    task = deepcopy(dict(confinement.generic_task()))
    spec = task["spec"]
    [step] = spec["steps"]
    return {
        "apiVersion": "tekton.dev/v1beta1",
        "kind": "StepAction",
        "metadata": {**task["metadata"]},
        "spec": {
            "description": spec["description"],
            "params": [*spec["params"], *_PARAMS],
            "results": spec["results"],
            "image": step["image"],
            "command": step["command"],
            "args": step["args"],
            "env": [_variable(one) for one in step["env"]],
            "securityContext": step["securityContext"],
        },
    }


def _variable(variable: Json) -> Json:
    own = _VARIABLES.get(variable["name"])
    if own is not None:
        return {"name": variable["name"], "value": own}
    return variable
