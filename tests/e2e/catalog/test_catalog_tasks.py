"""The catalogue's Tasks and StepAction on a real Tekton, started as their READMEs say."""

import json
import os
import pty
import select
import signal
import time
from typing import Any

import pytest

from ..conftest import finished  # noqa: TID252 – tests/ is no package to name it by
from .conftest import ACCOUNT, CatalogNamespace, environment

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

CURSOR = "\x1b[6n"
VALUES = {
    "a $ alone": "costs 5$, $HOME ${HOME} $y",
    "doubled $": "$$ $$$",
    "a variable of the container": "$$ $(HOME)",
    "a variable of the cluster": "$(KUBERNETES_SERVICE_HOST)",
    "an open parenthesis": "$$(HOME $(HOME",
    "a command": "$(date)",
    "quotes": 'it\'s "so" `here` \\ \\n',
    "newlines": "one\ntwo\n\n\tthree\n",
    "unicode": "naïve – 日本語 🚀",
    "an option": "--all",
    "commas": "a,b, c",
    "a param of the Task": "$(params.namespace)",
    "parentheses": "f(x) and (y)",
    "nothing": "",
}


@pytest.fixture
def configmap(catalog: CatalogNamespace) -> str:
    catalog.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}, "data": {"text": "before"}})
    return "flags"


def patch(catalog: CatalogNamespace, value: str) -> str:
    params = {"namespace": catalog.name, "configmap": "flags", "key": "text", "value": value}
    return catalog.start("task", "kubernetes-patch-configmap", params)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_arrives_to_the_byte(catalog: CatalogNamespace, configmap: str, value: str) -> None:
    log = patch(catalog, value)

    assert catalog.get("configmap", configmap)["data"]["text"] == value, log
    assert catalog.results("task", "kubernetes-patch-configmap")["status"] == "succeeded"


@pytest.mark.parametrize("value", ["f(x) $$", "f(x) $(KUBERNETES_SERVICE_HOST)"])
def test_a_value_that_may_be_altered_is_refused_and_the_last_line_says_why(
    catalog: CatalogNamespace, configmap: str, value: str
) -> None:
    log = patch(catalog, value)

    assert catalog.get("configmap", configmap)["data"]["text"] == "before"
    assert "a $ or a service's address after a ) may be what Kubernetes made of $$" in log.strip().splitlines()[-1]
    assert catalog.results("task", "kubernetes-patch-configmap")["status"] == "failed"


def test_a_value_that_names_a_param_that_is_not_there_is_refused_by_tekton(
    catalog: CatalogNamespace, configmap: str
) -> None:
    patch(catalog, "$(params.nosuch)")
    [condition] = catalog.last("task", "kubernetes-patch-configmap")["status"]["conditions"]

    assert catalog.get("configmap", configmap)["data"]["text"] == "before"
    assert 'non-existent variable in "$(:$(params.nosuch))"' in condition["message"]


def test_a_misspelt_param_of_a_run_is_ignored_as_the_pages_say(catalog: CatalogNamespace, configmap: str) -> None:
    values = {"namespace": catalog.name, "configmap": configmap, "key": "text", "value": "after", "dryrun": "true"}
    spec = {
        "serviceAccountName": ACCOUNT,
        "taskRef": {"name": "kubernetes-patch-configmap"},
        "params": [{"name": name, "value": value} for name, value in values.items()],
    }
    catalog.apply({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": "misspelt"}, "spec": spec})
    finished(catalog.kubectl, "taskrun/misspelt", catalog.name)

    assert catalog.get("configmap", configmap)["data"]["text"] == "after"


def test_a_deployment_is_scaled_and_tkn_describes_the_results(catalog: CatalogNamespace, deployment: str) -> None:
    params = {"namespace": catalog.name, "deployment": deployment, "replicas": "2"}
    log = catalog.start("task", "kubernetes-scale-deployment", params)
    *_, line = log.strip().splitlines()
    assert line.startswith("[action] {"), log
    last = json.loads(line.removeprefix("[action] "))
    run = catalog.last("task", "kubernetes-scale-deployment")["metadata"]["name"]
    described = catalog.describe(run)

    assert (last["status"], last["change"]) == ("succeeded", {"before": {"replicas": 1}, "after": {"replicas": 2}})
    assert catalog.get("deployment", deployment)["status"]["readyReplicas"] == 2
    for name, value in (("status", "succeeded"), ("changed", "true"), ("output", '{"replicas":2}')):
        assert any(line.split() == [name, value] for line in described.splitlines()), described


def test_tkn_asks_for_every_param_and_shows_defaults(catalog: CatalogNamespace) -> None:
    questions = asked(catalog)

    assert [name for name, _ in questions] == [
        *("namespace", "deployment", "replicas", "when_owned", "allow_zero", "dryRun", "timeout", "retries")
    ]
    assert dict(questions)["when_owned"] == "refuse"


def test_with_defaults_tkn_asks_only_for_what_has_none(catalog: CatalogNamespace) -> None:
    assert [name for name, _ in asked(catalog, "--use-param-defaults")] == ["namespace", "deployment", "replicas"]


def asked(catalog: CatalogNamespace, *options: str) -> list[tuple[str, str]]:
    """Return the params that tkn asks for at a terminal, with the defaults that it shows; nothing is started."""
    words = ["tkn", "task", "start", "kubernetes-scale-deployment", f"--namespace={catalog.name}"]
    words += ["--dry-run", "--skip-optional-workspace", f"--serviceaccount={ACCOUNT}", *options]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, environment())
    text, answered, found, deadline = "", 0, list[tuple[str, str]](), time.monotonic() + 60
    while time.monotonic() < deadline:
        question = text.rpartition("Value for param `")[2]
        if not select.select([terminal], [], [], 0.3)[0]:  # nothing more is printed: it waits for an answer
            if "?" in question:
                shown = question.partition("(Default is `")[2].partition("`")[0]
                found.append((question.partition("`")[0], shown))
                os.write(terminal, b"\r" if shown else b"3\r")
            continue
        try:
            text += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # the program has ended
            break
        while CURSOR in text[answered:]:  # the program asks where the cursor is
            os.write(terminal, b"\x1b[1;1R")
            answered = text.index(CURSOR, answered) + len(CURSOR)
    os.close(terminal)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return list(dict.fromkeys(found))


def test_the_step_action_is_a_step_of_somebody_elses_task(catalog: CatalogNamespace, deployment: str) -> None:
    log, results = run_step_action(catalog, {"namespace": catalog.name, "deployment": deployment, "replicas": 2})

    assert results["scale"]["status"] == "succeeded"
    assert results["scale"]["output"] == '{"replicas":2}'
    assert "the step ended as succeeded" in log
    assert catalog.get("deployment", deployment)["spec"]["replicas"] == 2


def test_a_step_that_fails_ends_the_task_with_its_results(catalog: CatalogNamespace) -> None:
    log, results = run_step_action(catalog, {"namespace": catalog.name, "deployment": "nobody", "replicas": 2})

    assert (results["scale"]["status"], results["scale"]["changed"]) == ("failed", "false")
    assert json.loads(results["scale"]["error"])["reason"] == "NotFound"
    assert "the step ended as" not in log


def run_step_action(catalog: CatalogNamespace, inputs: dict[str, Any]) -> tuple[str, dict[str, dict[str, str]]]:
    given = {"actionType": "kubernetes/scale_deployment", "actionImage": catalog.images["kubectl"]}
    params = [{"name": name, "value": value} for name, value in {**given, "inputs": json.dumps(inputs)}.items()]
    report = {
        "name": "report",
        "image": catalog.images["kubectl"],
        "command": ["python3", "-c", "import sys; print(*sys.argv[1:])"],
        "args": ["the step ended as", "$(steps.scale.results.status)"],
    }
    steps = [{"name": "scale", "ref": {"name": "kubernaut-action"}, "params": params}, report]
    spec = {"description": "Somebody else's.", "steps": steps}
    catalog.apply({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "theirs"}, "spec": spec})
    log = catalog.start("task", "theirs", {})
    ended = catalog.last("task", "theirs")["status"]["steps"]
    return log, {step["name"]: {one["name"]: one["value"] for one in step.get("results", [])} for step in ended}
