"""The READMEs and samples of the catalogue's Tasks and Pipelines."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_cli.docs import permission_lines, traits
from kubernaut_cli.taskcatalog.pipelines import IncidentPipeline
from kubernaut_cli.taskcatalog.typedtask import CatalogAction, input_text, task_name
from kubernaut_controller import dump_yaml

__all__ = ["catalog_page", "pipeline_page", "pipeline_sample", "task_page", "task_sample"]

Json = dict[str, Any]

_GENERATED = "<!-- Written by `make catalog` from the definitions of the actions. -->"
_VALUES = (
    "A value reaches the action as it is given (quotes, newlines, any letters). "
    "What stands in `$(…)` belongs to Tekton where it is one of its variables, such as `$(context.taskRun.name)`: those are replaced. "
    "A value with a `$` after a `)` is refused, since Kubernetes may have altered it; "
    "the [generic Task](../../kubernaut-action/0.1) takes it, with each `$` written as `\\u0024`."
)
_RECORDS = (
    "Records go where the namespace's ConfigMap `kubernaut-data-storage` says "
    "([Data Storage](../../kubernaut-action/0.1/README.md#data-storage))."
)


def task_page(action: CatalogAction, task: Json) -> str:
    """Return the README of a typed Task."""
    entry, name = action.entry, str(task["metadata"]["name"])
    required = [param["name"] for param in task["spec"]["params"] if "default" not in param]
    example: Mapping[str, Any] = next(iter(entry["examples"]), {})
    given = [f"--param {field}={_shell_word(_text(action, field, value))}" for field, value in example.items()]
    lines = [f"# {name}", "", _GENERATED, "", str(entry["summary"]), "", "; ".join(traits(entry)) + ".", ""]
    lines += [
        "```console",
        f"$ kubectl apply -f {name}.yaml",
        f"$ tkn task start {name} --use-param-defaults --skip-optional-workspace --showlog \\",
        "    " + " \\\n    ".join([*given, "--param dryRun=true", "--serviceaccount kubernaut-remediator"]),
        "```",
        "",
        f"`tkn` asks for {_and_list(required)} if they are not given" if required else "No param is required",
    ]
    lines[-1] += "; `tkn taskrun describe --last` shows the results. Without `dryRun=true` the change is made."
    lines += ["", "## Parameters", "", *_params_table(task["spec"]["params"]), _VALUES, ""]
    lines += ["## Results", "", *_results_table(task["spec"]["results"])]
    lines += ["They are written on failure too. On cancel and timeout Tekton takes no results.", ""]
    lines += ["## Workspaces", "", "`secrets` (optional): a Secret whose files the action may read.", ""]
    if entry["permissions"]:
        lines += ["## Permissions", "", "What the ServiceAccount, or the Secret's identity, must be allowed to do:", ""]
        lines += [*permission_lines(entry), ""]
    lines.append(_RECORDS)
    return "\n".join(lines) + "\n"


def task_sample(action: CatalogAction, task: Json) -> str:
    """Return a TaskRun of a typed Task, as a dry run."""
    name = str(task["metadata"]["name"])
    example: Mapping[str, Any] = next(iter(action.entry["examples"]), {})
    run: Json = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"generateName": f"{name}-"},
        "spec": {
            "serviceAccountName": "kubernaut-remediator",
            "taskRef": {"name": name},
            "params": [
                *({"name": field, "value": _text(action, field, value)} for field, value in example.items()),
                {"name": "dryRun", "value": "true"},
            ],
        },
    }
    return f"# {action.title}: a dry run.\n{dump_yaml(run)}"


def pipeline_page(incident: IncidentPipeline, document: Json) -> str:
    """Return the README of a Pipeline."""
    spec = document["spec"]
    needed = list(dict.fromkeys(task["taskRef"]["name"] for task in spec["tasks"]))
    lines = [f"# {incident.name}", "", _GENERATED, "", incident.description, ""]
    lines += ["## When to use it", "", incident.use_when, "", "## When not to", "", incident.not_when, ""]
    lines += ["## If it fails", "", incident.on_failure, "", "## How to run it", "", "It needs these Tasks:", ""]
    lines += [*(f"- [{name}](../../../task/{name}/0.1)" for name in needed), ""]
    lines += [
        "```console",
        f"$ kubectl apply -f {incident.name}.yaml",
        f"$ tkn pipeline start {incident.name} --use-param-defaults --skip-optional-workspace --showlog",
        "```",
        "",
        "or `kubectl create -f samples/run.yaml`. With `dryRun=true` every Task plans and changes nothing.",
        "",
        "## Parameters",
        "",
        *_params_table(spec["params"]),
    ]
    if "workspaces" in spec:
        lines += ["## Workspaces", ""]
        lines += [*(f"- `{one['name']}` (optional): {one['description']}" for one in spec["workspaces"]), ""]
    lines += ["## Results", "", *_results_table(spec["results"])]
    return "\n".join(lines).rstrip() + "\n"


def pipeline_sample(incident: IncidentPipeline, document: Json) -> str:
    """Return a PipelineRun of a Pipeline, as a dry run."""
    workspaces = [
        {"name": one["name"], "secret": {"secretName": one["name"]}} for one in document["spec"].get("workspaces", ())
    ]
    run: Json = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": f"{incident.name}-"},
        "spec": {
            "pipelineRef": {"name": incident.name},
            "taskRunTemplate": {"serviceAccountName": "kubernaut-remediator"},
            "params": [
                *({"name": name, "value": value} for name, value in incident.example.items()),
                {"name": "dryRun", "value": "true"},
            ],
            **({"workspaces": workspaces} if workspaces else {}),
        },
    }
    return f"# {incident.title}: a dry run.\n{dump_yaml(run)}"


def catalog_page(actions: Iterable[CatalogAction], incidents: Iterable[IncidentPipeline]) -> str:
    """Return the README of the whole catalogue."""
    tasks = [
        f"| [{task_name(action.action_type)}](task/{task_name(action.action_type)}/0.1) | {_cell(action.title)} |"
        for action in actions
    ]
    pipelines = [
        f"| [{incident.name}](pipeline/{incident.name}/0.1) | {_cell(incident.description)} |" for incident in incidents
    ]
    return "\n".join(
        [
            "# The Tekton catalogue",
            "",
            _GENERATED,
            "",
            "Everything here needs Tekton Pipelines 1.0 or newer, and nothing else of Kubernaut. It is laid out as Tekton's own catalogue is:",
            "`KIND/NAME/VERSION/NAME.yaml`, with a README and samples beside it.",
            "",
            "- [kubernaut-action](task/kubernaut-action/0.1) is the generic Task: it runs any action of any image. The controller uses it.",
            "- The **typed Tasks** below are one for each action, with a param for each input, for people and Pipelines.",
            "- The StepAction [kubernaut-action](stepaction/kubernaut-action/0.1) is the same step, for Tasks of your own.",
            "- The **Pipelines** are for common incidents.",
            "",
            "Images are named by digest. In a checkout the digest is all zeros, and a release has the real ones.",
            "",
            "| Pipeline | what |",
            "| --- | --- |",
            *pipelines,
            "",
            "| typed Task | what |",
            "| --- | --- |",
            *tasks,
            "",
            "For actions of your own: `kubernaut catalog write DIR --image NAME@sha256:…` writes their typed Tasks.",
            "",
            "`kubernaut catalog push REGISTRY/PATH DIR` pushes a catalogue as Tekton bundles, one for each name, and prints them by",
            "digest. Then Tekton's bundles resolver takes a Task or Pipeline from there, and nothing has to be installed in a namespace;",
            "a Pipeline's bundle names those of its Tasks. `kubernaut-controller --task-bundle` takes the generic Task from one.",
            "",
            "[Policies](../policy/README.md) let a cluster run only what a release, or your own key, has signed.",
            "",
        ]
    )


def _text(action: CatalogAction, name: str, value: Any) -> str:
    return input_text(action.entry["inputs"]["properties"][name], value)


def _params_table(params: Iterable[Json]) -> list[str]:
    rows = ["| name | default | what |", "| --- | --- | --- |"]
    for param in params:
        default = f"`{_cell(param['default'])}`" if param.get("default") else "empty" if "default" in param else ""
        rows.append(f"| `{param['name']}` | {default} | {_cell(param['description'])} |")
    return [*rows, ""]


def _results_table(results: Iterable[Json]) -> list[str]:
    rows = ["| name | what |", "| --- | --- |"]
    return [*rows, *(f"| `{one['name']}` | {_cell(one['description'])} |" for one in results), ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _and_list(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}" if len(quoted) > 1 else quoted[0]


def _shell_word(text: str) -> str:
    if text and all(sign.isalnum() or sign in "-._/:" for sign in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
