"""The files of the catalogue's folder, and which image holds an installed action."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path

from kubernaut_cli.taskcatalog.access import cluster_role
from kubernaut_cli.taskcatalog.incidents import INCIDENTS
from kubernaut_cli.taskcatalog.pages import catalog_page, pipeline_page, pipeline_sample, task_page, task_sample
from kubernaut_cli.taskcatalog.pipelines import pipeline
from kubernaut_cli.taskcatalog.stepaction import step_action
from kubernaut_cli.taskcatalog.typedtask import VERSION, CatalogAction, typed_task
from kubernaut_controller import dump_yaml

__all__ = ["GENERIC", "IMAGES", "catalog_files", "included_images", "task_files", "write_files"]

_UNRELEASED = f"sha256:{'0' * 64}"
GENERIC = "kubernaut-action"
"""The name of the generic Task, whose files are written by hand, and of the StepAction."""
IMAGES = {
    "kubernaut-argocd": "ghcr.io/kubernaut/actions/argocd",
    "kubernaut-aws": "ghcr.io/kubernaut/actions/aws-cli",
    "kubernaut-kubectl": "ghcr.io/kubernaut/actions/kubectl",
}
"""Python package → the image that has its actions. A release replaces the digest, which is all zeros before."""


def included_images() -> dict[str, str]:
    """Return action type → image, for the installed actions that come with Kubernaut."""
    found = {}
    for entry in entry_points(group="kubernaut.actions"):
        if entry.dist is not None and entry.dist.name in IMAGES:
            found[entry.name] = f"{IMAGES[entry.dist.name]}@{_UNRELEASED}"
    return found


def task_files(actions: Iterable[CatalogAction], *, beside_generic: bool = False) -> dict[str, str]:
    """Return the files of the actions' typed Tasks: path below the catalogue → text."""
    files = {}
    for action in actions:
        task = typed_task(action)
        name = task["metadata"]["name"]
        folder = f"task/{name}/{VERSION}"
        files[f"{folder}/{name}.yaml"] = dump_yaml(task)
        files[f"{folder}/README.md"] = task_page(action, task, beside_generic=beside_generic)
        files[f"{folder}/samples/run.yaml"] = task_sample(action, task)
        files |= _role_file(folder, name, [action])
    return files


def catalog_files(actions: Iterable[CatalogAction]) -> dict[str, str]:
    """Return all generated files of the catalogue: path below it → text.

    A Pipeline is left out if one of its actions is missing.
    """
    known = {action.action_type: action for action in actions}
    files = task_files(known.values(), beside_generic=True)
    incidents = [one for one in INCIDENTS if all(stage.action_type in known for stage in one.stages)]
    for incident in incidents:
        document = pipeline(incident, known)
        folder = f"pipeline/{incident.name}/{VERSION}"
        files[f"{folder}/{incident.name}.yaml"] = dump_yaml(document)
        files[f"{folder}/README.md"] = pipeline_page(incident, document, known)
        files[f"{folder}/samples/run.yaml"] = pipeline_sample(incident, document)
        files |= _role_file(folder, incident.name, [known[stage.action_type] for stage in incident.stages])
    files[f"stepaction/{GENERIC}/{VERSION}/{GENERIC}.yaml"] = dump_yaml(step_action())
    files["README.md"] = catalog_page(known.values(), incidents)
    return files


def _role_file(folder: str, name: str, actions: Iterable[CatalogAction]) -> dict[str, str]:
    role = cluster_role(name, [action.entry for action in actions])
    return {f"{folder}/samples/clusterrole.yaml": dump_yaml(role)} if role else {}


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
