"""The catalogue's folder: fresh, laid out as Tekton's own, and true to the actions' definitions."""

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kubernaut_cli.catalog import action_entries
from kubernaut_cli.program import program
from kubernaut_cli.taskcatalog.files import catalog_files, included_images, task_files, write_files
from kubernaut_cli.taskcatalog.incidents import INCIDENTS
from kubernaut_cli.taskcatalog.pipelines import IncidentPipeline, Stage, pipeline
from kubernaut_cli.taskcatalog.typedtask import CatalogAction, input_text, task_name, typed_task
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.catalog import find
from kubernaut_sdk.models import from_text, parse_inputs
from kubernaut_sdk.permissions import parse_permission
from tests.docs.test_links import faults

CATALOG = Path(__file__).parents[2] / "tekton" / "catalog"
GENERIC = yaml.safe_load((CATALOG / "task/kubernaut-action/0.1/kubernaut-action.yaml").read_text())
KINDS = {"task": "Task", "stepaction": "StepAction", "pipeline": "Pipeline"}
FOLDERS = sorted(path for kind in KINDS for path in (CATALOG / kind).glob("*/*"))
ENTRIES = action_entries()
BY_TYPE = {entry["action_type"]: entry for entry in ENTRIES}
ACTIONS = {name: CatalogAction(BY_TYPE[name], image) for name, image in included_images().items()}


@cache
def document(folder: Path) -> Any:
    return yaml.safe_load((folder / f"{folder.parent.name}.yaml").read_text())


def test_the_generated_files_are_fresh_and_no_other_is_there() -> None:
    files = catalog_files(CatalogAction(entry, included_images()[entry["action_type"]]) for entry in ENTRIES)
    found = {str(path.relative_to(CATALOG)): path.read_text() for path in CATALOG.rglob("*") if path.is_file()}
    by_hand = {name for name in found if "/kubernaut-action/" in name} - set(files)
    by_hand |= {f"{kind}/artifacthub-repo.yml" for kind in KINDS}

    assert {name for name in files if found.get(name) != files[name]} == set(), "run `make catalog`"
    assert set(found) - set(files) - by_hand == set(), "left over: no action or Pipeline of this name is there any more"


def test_every_included_action_has_a_typed_task() -> None:
    tasks = {folder.parent.name for folder in FOLDERS if folder.parts[-3] == "task"} - {"kubernaut-action"}

    assert tasks == {task_name(entry["action_type"]) for entry in ENTRIES}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: "/".join(path.parts[-3:]))
def test_the_layout_is_that_of_tektons_catalogue(folder: Path) -> None:
    # the rules of tektoncd/catalog (TEP-0003), and of its linter
    kind, name, version = folder.parts[-3:]
    found = document(folder)
    metadata = found["metadata"]
    annotations = metadata["annotations"]
    samples = [yaml.safe_load(path.read_text()) for path in (folder / "samples").glob("*.yaml")]

    assert (found["kind"], metadata["name"]) == (KINDS[kind], name)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
    assert metadata["labels"]["app.kubernetes.io/version"] == version
    assert {
        *(f"tekton.dev/{word}" for word in ("pipelines.minVersion", "categories", "tags", "displayName", "platforms")),
        *("artifacthub.io/license", "artifacthub.io/provider"),  # what Artifact Hub shows beside them
    } == {*annotations}
    assert len(found["spec"]["description"].partition("\n")[0]) > 20
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert samples
    assert "namespace" not in metadata
    for param in found["spec"]["params"]:
        assert re.match(r"[A-Za-z0-9]", param["description"]), param  # words, before its type in parentheses


@pytest.mark.parametrize("kind", KINDS)
def test_artifact_hub_finds_its_settings_beside_the_packages_of_each_kind(kind: str) -> None:
    # it clones the repository, and reads PATH/artifacthub-repo.yml of the registered https://github.com/OWNER/REPOSITORY/PATH
    file = CATALOG / kind / "artifacthub-repo.yml"

    assert yaml.safe_load(file.read_text()) == {"ignore": []}
    assert f"https://github.com/OWNER/REPOSITORY/{kind}," in file.read_text()


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: action.action_type)
def test_a_typed_task_is_the_generic_one_with_params_for_the_inputs(action: CatalogAction) -> None:
    task = typed_task(action)
    [step], [generic] = task["spec"]["steps"], GENERIC["spec"]["steps"]
    inputs = action.entry["inputs"]["properties"]
    params = {param["name"]: param for param in task["spec"]["params"]}
    env = {one["name"]: one.get("value") for one in step["env"]}

    assert {name: step[name] for name in step if name not in {"args", "env", "image"}} == {
        name: generic[name] for name in generic if name not in {"args", "env", "image"}
    }
    assert {name: task["spec"][name] for name in ("results", "volumes", "workspaces")} == {
        name: GENERIC["spec"][name] for name in ("results", "volumes", "workspaces")
    }
    assert re.fullmatch(r"ghcr\.io/kubernaut/actions/[a-z-]+@sha256:0{64}", step["image"])
    assert set(params) == {*inputs, "dryRun", "timeout", "retries"}
    assert {name for name, param in params.items() if "default" not in param} == {
        *action.entry["inputs"].get("required", ())
    }
    assert [one["name"] for one in step["env"]][: len(inputs)] == [f"ACTION_INPUT_{name}" for name in params][
        : len(inputs)
    ]
    assert {env[f"ACTION_INPUT_{name}"] for name in inputs} == {f"$(:$(params.{name}))" for name in inputs}
    assert not any("params." in str(value) for name, value in env.items() if name in {"ACTION_TYPE", "RESULTS_DIR"})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_param_that_is_used_is_there(folder: Path) -> None:
    # Tekton's admission refuses the others
    spec = document(folder)["spec"]
    used = set(re.findall(r"\$\(params\.([\w-]+)\)", json.dumps(spec)))

    assert used <= {param["name"] for param in spec["params"]}


@pytest.mark.parametrize("action_type", ACTIONS)
def test_texts_of_params_mean_the_values_that_they_are_made_of(action_type: str) -> None:
    entry, model = BY_TYPE[action_type], find(action_type).inputs_model
    properties = entry["inputs"]["properties"]
    for example in entry["examples"]:
        texts = {name: input_text(properties[name], value) for name, value in example.items()}
        values = {name: from_text(model, name, text) for name, text in texts.items()}
        assert parse_inputs(model, values) == parse_inputs(model, example)
    for param in typed_task(ACTIONS[action_type])["spec"]["params"]:
        name, default = param["name"], param.get("default")
        if name in properties and default:
            assert from_text(model, name, default) == properties[name]["default"]


@pytest.mark.parametrize("kind", ["task", "pipeline"])
def test_samples_name_what_is_there_and_give_every_param_that_has_no_default(kind: str) -> None:
    for folder in FOLDERS:
        if folder.parts[-3] != kind or folder.parts[-2] == "kubernaut-action":
            continue
        params = document(folder)["spec"]["params"]
        run = yaml.safe_load((folder / "samples" / "run.yaml").read_text())
        given = [param["name"] for param in run["spec"]["params"]]
        reference = run["spec"].get("taskRef") or run["spec"]["pipelineRef"]

        assert reference == {"name": folder.parts[-2]}
        assert (
            {param["name"] for param in params if "default" not in param}
            <= set(given)
            <= {one["name"] for one in params}
        )
        assert {"name": "dryRun", "value": "true"} in run["spec"]["params"]


def test_the_page_of_a_pipeline_says_when_to_use_it_and_when_not() -> None:
    pages = {
        folder.parts[-2]: (folder / "README.md").read_text() for folder in FOLDERS if folder.parts[-3] == "pipeline"
    }

    assert set(pages) == {one.name for one in INCIDENTS if all(stage.action_type in BY_TYPE for stage in one.stages)}
    for page in pages.values():
        for heading in ("When to use it", "When not to", "If it fails", "Parameters"):
            assert f"\n## {heading}\n" in page


PAGES = [folder for folder in FOLDERS if folder.parts[-3] != "stepaction" and folder.parts[-2] != "kubernaut-action"]


def entries_of(folder: Path) -> list[Any]:
    """The actions of a Task or Pipeline."""
    if folder.parts[-3] == "task":
        return [BY_TYPE[next(one for one in BY_TYPE if task_name(one) == folder.parts[-2])]]
    return [
        entry
        for task in document(folder)["spec"]["tasks"]
        for entry in entries_of(CATALOG / "task" / task["taskRef"]["name"] / "0.1")
    ]


def commands_of(folder: Path) -> list[list[str]]:
    """The commands of a README, each as its words."""
    blocks = re.findall(r"```console\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines]


@pytest.mark.parametrize("folder", PAGES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_the_cluster_role_has_what_the_actions_declare_and_no_more(folder: Path) -> None:
    declared = {
        (permission.group, "/".join(filter(None, (permission.resource, permission.subresource))), verb)
        for entry in entries_of(folder)
        for permission in filter(None, map(parse_permission, entry["permissions"]))
        for verb in permission.verbs
    }
    file = folder / "samples" / "clusterrole.yaml"
    rules = yaml.safe_load(file.read_text())["rules"] if file.exists() else []
    granted = [
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]

    assert sorted(granted) == sorted(declared)


@pytest.mark.parametrize("folder", PAGES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_the_commands_of_a_page_name_what_is_there(folder: Path) -> None:
    kind, name = folder.parts[-3], folder.parts[-2]
    spec = document(folder)["spec"]
    commands = commands_of(folder)
    [start] = [words for words in commands if words[:1] == ["tkn"]]
    given = dict(word.removeprefix("--param=").split("=", 1) for word in start if word.startswith("--param="))
    workspaces = [word.split("=")[2].split(",")[0] for word in start if word.startswith("--workspace=")]
    files = [words[n + 1] for words in commands for n, word in enumerate(words) if word == "-f"]
    roles = {word.partition("=")[2] for words in commands for word in words if word.startswith("--clusterrole=")}

    assert start[:4] == ["tkn", kind, "start", name]
    assert {one["name"] for one in spec["params"] if "default" not in one} <= set(given)
    assert set(given) <= {one["name"] for one in spec["params"]}
    assert given["dryRun"] == "true"
    assert set(workspaces) <= {one["name"] for one in spec.get("workspaces", ())}
    assert f"{name}.yaml" in files
    assert [file for file in files if not (folder / file).is_file()] == []
    if kind == "pipeline":
        assert {Path(file).stem for file in files} >= {task["taskRef"]["name"] for task in spec["tasks"]}
    assert roles == ({f"kubernaut-{name}"} if "samples/clusterrole.yaml" in files else set())
    assert ["kubectl", "create", "serviceaccount", "kubernaut-remediator"] in commands


def test_a_role_of_objects_of_no_namespace_is_bound_for_the_cluster_and_others_where_they_act() -> None:
    def bindings(name: str) -> list[tuple[str, str]]:
        words = [words for words in commands_of(CATALOG / name / "0.1") if words[2].endswith("rolebinding")]
        return [(one[2], next((word for word in one if word.startswith("--namespace=")), "")) for one in words]

    assert bindings("task/kubernetes-scale-deployment") == [("rolebinding", "--namespace=shop")]
    assert bindings("task/argocd-pause-autosync") == [("rolebinding", "--namespace=argocd")]
    assert bindings("task/kubernetes-drain-node") == [("clusterrolebinding", "")]
    assert bindings("task/aws-reboot-instances") == []
    assert bindings("pipeline/fail-over-database") == [("rolebinding", "--namespace=shop")]
    assert bindings("pipeline/drain-reboot-return-node") == [("clusterrolebinding", "")]
    assert bindings("pipeline/recover-autosynced-application") == [
        ("rolebinding", "--namespace=argocd"),
        ("rolebinding", "--namespace=shop"),
    ]


def _incident(**fields: Any) -> IncidentPipeline:
    texts = dict.fromkeys(("title", "description", "use_when", "not_when", "on_failure"), "x")
    stage = Stage(**{"name": "scale", "action_type": "kubernetes/scale_deployment", **fields})
    return IncidentPipeline(name="x", **texts, stages=(stage,), example={})


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        ({"namespace": "a", "deployment": "b"}, "scale: kubernetes/scale_deployment needs replicas."),
        ({"replica": "a"}, "scale: kubernetes/scale_deployment has no input replica."),
    ],
)
def test_a_pipeline_that_its_actions_contradict_is_refused(takes: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInputs) as refused:
        pipeline(_incident(takes=takes), ACTIONS)

    assert refused.value.message == message


def test_an_input_with_the_name_of_a_shared_param_is_refused() -> None:
    entry = {**BY_TYPE["kubernetes/cordon_node"], "inputs": {"properties": {"timeout": {"type": "string"}}}}
    with pytest.raises(
        InvalidInputs, match="kubernetes/cordon_node: every Task has a param timeout; give this input another"
    ):
        typed_task(CatalogAction(entry, "x"))


def test_the_step_action_is_the_generic_step() -> None:
    spec = yaml.safe_load((CATALOG / "stepaction/kubernaut-action/0.1/kubernaut-action.yaml").read_text())["spec"]
    [step] = GENERIC["spec"]["steps"]
    generic = [param["name"] for param in GENERIC["spec"]["params"]]

    assert [param["name"] for param in spec["params"]] == [*generic, "secretsDir", "dataStorageTokenFile"]
    assert {name: spec[name] for name in ("image", "command", "args", "securityContext")} == {
        name: step[name] for name in ("image", "command", "args", "securityContext")
    }
    assert [one["name"] for one in spec["env"]] == [one["name"] for one in step["env"]]
    assert "volumeMounts" not in spec


def test_the_command_writes_the_catalogue_of_the_installed_actions(tmp_path: Path) -> None:
    ended = CliRunner().invoke(program, ["catalog", "write", str(tmp_path)])
    task = "task/aws-set-desired-capacity/0.1/aws-set-desired-capacity.yaml"

    assert ended.exit_code == 0, ended.output
    assert re.fullmatch(rf"{tmp_path}: \d+ files\n", ended.output)
    assert (tmp_path / task).read_text() == (CATALOG / task).read_text()


def test_pages_of_a_catalogue_without_the_generic_task_lead_to_no_page_that_is_not_there(tmp_path: Path) -> None:
    write_files(tmp_path, task_files(ACTIONS.values()))
    pages = sorted(tmp_path.rglob("*.md"))

    assert len(pages) == len(ACTIONS)
    assert [f"{page}: {fault}" for page in pages for fault in faults(page, page.read_text())] == []
    assert "the generic Task takes it" in pages[0].read_text()
    assert pages[0].read_text().endswith("says, by its keys `url` and `policy`.\n")


def test_the_page_of_an_own_action_claims_nothing_that_its_spec_does_not_say(tmp_path: Path) -> None:
    entry = {**BY_TYPE["kubernetes/cordon_node"], "action_type": "feature/set_flag", "examples": []}
    entry |= {"permissions": ["flags: read, write"], "permission_reasons": {}}
    write_files(tmp_path, task_files([CatalogAction(entry, "x")]))
    folder = tmp_path / "task/feature-set-flag/0.1"
    page, sample = (folder / "README.md").read_text(), (folder / "samples" / "run.yaml").read_text()

    assert "make catalog" not in page
    assert "This one reads" not in page
    assert not (folder / "samples" / "clusterrole.yaml").exists()
    assert "clusterrole" not in page
    assert "    --param=node=NODE \\\n" in page
    assert {"name": "node", "value": "NODE"} in yaml.safe_load(sample)["spec"]["params"]
    for text in (page, sample):
        assert "Put your values in place of the words in capitals." in text


@pytest.mark.parametrize("folder", PAGES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_a_page_warns_that_tekton_ignores_a_misspelt_param(folder: Path) -> None:
    kind = {"task": "Task", "pipeline": "Pipeline"}[folder.parts[-3]]

    assert (
        f"Tekton ignores a param that the {kind} does not have: with `dryrun` for `dryRun`"
        in (folder / "README.md").read_text()
    )


def test_an_image_without_a_digest_is_refused() -> None:
    ended = CliRunner().invoke(program, ["catalog", "write", "--image", "ghcr.io/you/flags:1.0"])

    assert ended.exit_code == 2
    assert (
        "--image ghcr.io/you/flags:1.0: name it by digest, such as registry/name@sha256:…; a Task runs that."
        in ended.output
    )


def test_yaml_in_the_catalogue_is_whole_in_json() -> None:
    # what a reader of YAML 1.1 could take for a date or a boolean would not be JSON's text
    for folder in FOLDERS:
        for param in document(folder)["spec"]["params"]:
            assert isinstance(param.get("default", ""), str | list), json.dumps(param, default=str)
