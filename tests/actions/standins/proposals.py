"""Pull requests of a change to one file, opened and merged by the actions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forge_world import ForgeWorld, GiteaWorld, standin_world

from kubernaut_argocd.requests.merging import merge_pull_request
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk import Action
from kubernaut_sdk.testing import ActionRunner, Ran

HPA = "spec:\n  minReplicas: 2\n  maxReplicas: 6 # sized in spring\n"
EDIT: dict[str, Any] = {"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}


@contextmanager
def standin_of(kind: str, repository: Any) -> Iterator[ForgeWorld]:
    """Yield a stand-in of a kind of forge, whose repository has hpa.yaml."""
    prepare(repository)
    with standin_world(kind, repository) as made:
        yield made


def prepare(repository: Any) -> None:
    """Push hpa.yaml to the repository."""
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()


def runner_of(action: Action, world: ForgeWorld) -> ActionRunner:
    """A runner whose pauses take their time where the forge is a real one: it may not know a branch at once."""
    return ActionRunner(action, secrets=world.secrets, real_time=isinstance(world, GiteaWorld))


def opened(world: ForgeWorld, record_id: Any = None, runner: ActionRunner | None = None, **inputs: Any) -> Ran:
    edits = [EDIT]
    runner = runner or runner_of(open_pull_request, world)
    return runner.run({**world.inputs, "edits": edits, **inputs}, record_id=record_id)


def merged(world: ForgeWorld, number: int, **inputs: Any) -> Ran:
    runner = runner_of(merge_pull_request, world)
    return runner.run({**world.inputs, "number": number, **inputs})
