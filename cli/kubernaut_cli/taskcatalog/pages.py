"""The READMEs and samples of the catalogue's Tasks and Pipelines."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubernaut_cli.docs import permission_lines, traits
from kubernaut_cli.taskcatalog.access import ACCOUNT, cluster_role, grant_commands
from kubernaut_cli.taskcatalog.pipelines import IncidentPipeline
from kubernaut_cli.taskcatalog.typedtask import CatalogAction, input_text, task_name
from kubernaut_controller import dump_yaml

__all__ = ["catalog_page", "pipeline_page", "pipeline_sample", "task_page", "task_sample"]

Json = dict[str, Any]

_GENERATED = "<!-- Written by `kubernaut catalog write` from the definitions of the actions. -->"
_VALUES = (
    "A value reaches the action as it is given (quotes, newlines, any letters). "
    "What stands in `$(…)` belongs to Tekton where it is one of its variables, such as `$(context.taskRun.name)`: those are replaced, "
    "and a run with `$(params.NAME)` of a param that is not there is refused. "
    "A value with a `$` after a `)` is refused, since Kubernetes may have altered it; "
    "the [generic Task](../../kubernaut-action/0.1) takes it, with each `$` written as `\\u0024`."
)
_MISSPELT = (
    "Tekton ignores a param that the {kind} does not have: with `dryrun` for `dryRun` in the YAML of a run, the change is made. "
    "`tkn` refuses such a param."
)
_CAPITALS = "Put your values in place of the words in capitals."
_SECRETS = {
    "alertmanager": "`token`, or `username` and `password`; `ca.crt` for an authority of your own",
    "argocd": "`token`, of an Argo CD account or project role; `ca.crt` for an authority of your own",
    "aws": "`config` and `credentials`, in AWS's own formats; without them, the AWS SDK's chain, such as the ServiceAccount's web identity",
    "git": "`username` and `password`, or `token`, for https; `ssh-privatekey` and `known_hosts` for ssh; `ca.crt` for an authority of your own",
    "prometheus": "`token`, or `username` and `password`; `ca.crt` for an authority of your own",
}
"""Domain → the files of the Secret that its actions read."""
_MORE = re.compile(r" \(\[more\]\([^)]*\)\)")
_GENERIC_LINK = re.compile(r"\[(?P<name>[^\]]+)\]\(\.\./\.\./kubernaut-action[^)]*\)")
_RECORDS = (
    "Records go where the namespace's ConfigMap `kubernaut-data-storage` says, by its keys `url` and `policy` "
    "([more](../../kubernaut-action/0.1/README.md#data-storage))."
)


def task_page(action: CatalogAction, task: Json, *, beside_generic: bool) -> str:
    """Return the README of a typed Task.

    Args:
        action: Its action.
        task: The Task.
        beside_generic: True if the generic Task is in the same catalogue, so that a link may lead there.
    """
    entry, name = action.entry, str(task["metadata"]["name"])
    params = {param["name"]: param for param in task["spec"]["params"]}
    required = [name for name, param in params.items() if "default" not in param]
    given = _example(action, required)
    domain = action.action_type.partition("/")[0]
    secret = f"--workspace=name=secrets,secret={domain}" if domain in _SECRETS else ""
    lines = [f"# {name}", "", _GENERATED, "", str(entry["summary"]), "", "; ".join(traits(entry)) + ".", ""]
    lines += _console(name, "task", given, [secret] if secret else [])
    lines += [f"`tkn` asks for {_and_list(required)} if not given" if required else "No param is required"]
    lines[-1] += "; `tkn taskrun describe --last` shows the results. Without `dryRun=true` the change is made."
    if not entry["examples"] and required:
        lines[-1] += f" {_CAPITALS}"
    lines += ["", "## Parameters", "", *_params_table(params.values()), _VALUES, "", _MISSPELT.format(kind="Task"), ""]
    lines += ["## Results", "", *_results_table(task["spec"]["results"])]
    lines += ["They are written on failure too. On cancel and timeout Tekton takes no results.", ""]
    lines += ["## Workspaces", "", "`secrets` (optional): a Secret whose files the action may read."]
    if domain in _SECRETS:
        lines[-1] += f" This one: {_SECRETS[domain]}."
    elif beside_generic:
        lines[-1] += " This one reads none."
    lines += ["", *_access(name, [entry], _namespaces([(params, {"namespace": "namespace"})], given)), _RECORDS]
    page = "\n".join(lines) + "\n"
    return page if beside_generic else _GENERIC_LINK.sub(r"\g<name>", _MORE.sub("", page))


def task_sample(action: CatalogAction, task: Json) -> str:
    """Return a TaskRun of a typed Task, as a dry run."""
    name = str(task["metadata"]["name"])
    required = [str(param["name"]) for param in task["spec"]["params"] if "default" not in param]
    run: Json = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"generateName": f"{name}-"},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "taskRef": {"name": name},
            "params": [
                *({"name": field, "value": value} for field, value in _example(action, required).items()),
                {"name": "dryRun", "value": "true"},
            ],
        },
    }
    capitals = f" {_CAPITALS}" if required and not action.entry["examples"] else ""
    return f"# {action.title}: a dry run.{capitals}\n{dump_yaml(run)}"


def pipeline_page(incident: IncidentPipeline, document: Json, actions: Mapping[str, CatalogAction]) -> str:
    """Return the README of a Pipeline."""
    spec, name = document["spec"], incident.name
    needed = list(dict.fromkeys(task["taskRef"]["name"] for task in spec["tasks"]))
    workspaces = [str(one["name"]) for one in spec.get("workspaces", ())]
    lines = [f"# {name}", "", _GENERATED, "", incident.description, ""]
    lines += ["## When to use it", "", incident.use_when, "", "## When not to", "", incident.not_when, ""]
    lines += ["## If it fails", "", incident.on_failure, "", "## How to run it", "", "It needs these Tasks:", ""]
    lines += [*(f"- [{task}](../../../task/{task}/0.1)" for task in needed), ""]
    files = [f"../../../task/{task}/0.1/{task}.yaml" for task in needed]
    secrets = [f"--workspace=name={one},secret={one}" for one in workspaces]
    lines += _console(name, "pipeline", incident.example, secrets, files)
    lines += ["or `kubectl create -f samples/run.yaml`. Without `dryRun=true` the changes are made.", ""]
    lines += ["## Parameters", "", *_params_table(spec["params"]), _MISSPELT.format(kind="Pipeline"), ""]
    if workspaces:
        lines += [
            "## Workspaces",
            "",
            "Each is a Secret whose files the Tasks may read; leave out what needs none.",
            "",
        ]
        lines += [*(f"- `{one}` (optional): {_SECRETS[one]}." for one in workspaces), ""]
    lines += ["## Results", "", *_results_table(spec["results"])]
    params = {param["name"]: param for param in spec["params"]}
    entries = [actions[stage.action_type].entry for stage in incident.stages]
    kubernetes = [
        (params, stage.takes)
        for stage, entry in zip(incident.stages, entries, strict=True)
        if cluster_role(name, [entry])
    ]
    records = _RECORDS.replace("../../", "../../../task/")
    lines += [*_access(name, entries, _namespaces(kubernetes, incident.example)), records]
    return "\n".join(lines) + "\n"


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
            "taskRunTemplate": {"serviceAccountName": ACCOUNT},
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
            "Images are named by digest. In a checkout the digest is all zeros, and a release has the real ones. Each page says how to",
            "install and run one; `kubectl apply --namespace NAMESPACE -f catalog.yaml`, with the file of a release, installs all.",
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


def _console(
    name: str, kind: str, given: Mapping[str, str], workspaces: list[str], tasks: Iterable[str] = ()
) -> list[str]:
    """Return the commands that install and start a Task or Pipeline, as a dry run."""
    apply = "".join(f" -f {file}" for file in (*tasks, f"{name}.yaml"))
    options = ["--use-param-defaults", "--skip-optional-workspace", "--showlog", f"--serviceaccount={ACCOUNT}"]
    params = [f"--param={field}={_shell_word(value)}" for field, value in {**given, "dryRun": "true"}.items()]
    return [
        "```console",
        f"$ kubectl apply{apply}".replace(" -f ", " \\\n    -f ") if tasks else f"$ kubectl apply{apply}",
        f"$ tkn {kind} start {name} {' '.join(options)} \\",
        "    " + " \\\n    ".join([*workspaces, *params]),
        "```",
        "",
    ]


def _namespaces(stages: Iterable[tuple[Mapping[str, Json], Mapping[str, str]]], given: Mapping[str, str]) -> list[str]:
    """Return the namespaces that actions act in, by the examples of their params, or the defaults.

    Args:
        stages: For each action the params, and its inputs with the param that each is taken from.
        given: The example.
    """
    taken = ((params, takes["namespace"]) for params, takes in stages if takes.get("namespace") in params)
    return [str(given.get(name) or params[name].get("default", "default")) for params, name in taken]


def _access(name: str, entries: list[Mapping[str, Any]], namespaces: list[str]) -> list[str]:
    """Return the section about permissions: what they are, and how to grant those of Kubernetes."""
    lines = list(dict.fromkeys(line for entry in entries for line in permission_lines(entry)))
    granted = grant_commands(name, entries, namespaces)
    return [
        "## Permissions",
        "",
        "What the ServiceAccount, or the Secret's identity, must be allowed to do:",
        "",
        *lines,
        "",
        "Here the run is in the namespace `default`:",
        "",
        "```console",
        *granted,
        "```",
        "",
    ]


def _example(action: CatalogAction, required: Iterable[str]) -> dict[str, str]:
    """Return the texts of the params of the action's first example; without one, NAME in capitals for each required one."""
    examples = action.entry["examples"]
    if not examples:
        return {name: name.upper() for name in required}
    return {name: _text(action, name, value) for name, value in examples[0].items()}


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
