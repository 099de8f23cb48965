"""The container of the local engine and of the kit is confined as the Task says: both are read from the Task's YAML."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernaut_conformance.confinement import confinement_of, generic_task

ROOT = Path(__file__).parents[2]
TASK = yaml.safe_load((ROOT / "tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml").read_text())
STEP = TASK["spec"]["steps"][0]
MEBI = 1024 * 1024


def test_the_kit_brings_the_catalogues_task() -> None:
    assert generic_task() == TASK


def test_each_setting_of_the_task_is_an_option_of_docker() -> None:
    security = STEP["securityContext"]
    options = confinement_of(TASK).docker_options()

    assert options == {
        "entrypoint": STEP["command"],
        "user": f"{security['runAsUser']}:{security['runAsGroup']}",
        "read_only": security["readOnlyRootFilesystem"],
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,uid=65532,gid=65532,mode=0700,size={256 * MEBI}"},
        "cap_drop": security["capabilities"]["drop"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": int(STEP["computeResources"]["limits"]["memory"].removesuffix("Mi")) * MEBI,
    }
    assert security["allowPrivilegeEscalation"] is False


def test_what_the_task_changes_changes_the_container() -> None:
    task = copy.deepcopy(TASK)
    step = task["spec"]["steps"][0]
    step["securityContext"] |= {"runAsUser": 1001, "runAsGroup": 1002}
    step["computeResources"]["limits"]["memory"] = "1Gi"
    task["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = "1Mi"
    options = confinement_of(task).docker_options()

    assert (options["user"], options["mem_limit"]) == ("1001:1002", 1024 * MEBI)
    assert options["tmpfs"]["/tmp"].endswith(f"uid=1001,gid=1002,mode=0700,size={MEBI}")


def test_the_environment_and_the_folders_are_the_tasks() -> None:
    confinement = confinement_of(TASK)

    assert (confinement.results, confinement.secrets) == ("/tekton/results", "/kubernaut/secrets")
    assert dict(confinement.env) == {
        "RESULTS_DIR": "/tekton/results",
        "SECRETS_DIR": "/kubernaut/secrets",
        "WORKSPACE_PATH": "/tmp",
        "HOME": "/tmp/home",
        "TMPDIR": "/tmp",
    }


def _add_sysctl(task: Any) -> None:
    task["spec"]["steps"][0]["securityContext"]["procMount"] = "Unmasked"


def _loosen_root(task: Any) -> None:
    task["spec"]["steps"][0]["securityContext"]["readOnlyRootFilesystem"] = False


def _add_capability(task: Any) -> None:
    task["spec"]["steps"][0]["securityContext"]["capabilities"]["add"] = ["NET_RAW"]


def _add_host_path(task: Any) -> None:
    task["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    task["spec"]["steps"][0]["volumeMounts"].append({"name": "host", "mountPath": "/host"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_add_sysctl, "the Task's securityContext is not translated for Docker: it has procMount"),
        (_add_capability, "the Task's securityContext is not translated for Docker: it has add"),
        (_loosen_root, "the Task's securityContext is not translated for Docker: it loosens readOnlyRootFilesystem"),
        (_add_host_path, "the Task's volumes are not translated for Docker: host"),
    ],
)
def test_a_setting_that_docker_would_not_get_is_refused(change: Any, message: str) -> None:
    task = copy.deepcopy(TASK)
    change(task)

    with pytest.raises(ValueError, match="not translated") as refused:
        confinement_of(task)
    assert str(refused.value) == message
