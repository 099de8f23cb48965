"""Images of one's own: written by the docs alone, or in Go by hand; conforming, and run by a real Tekton.

The image of the docs is pushed to a real registry, and the cluster's node pulls it from there by its digest.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from loopback import free_port

from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.scenario import read_scenarios
from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage
from tests.conftest import listens, registry

from .conftest import ROOT, finished, manifest, sh

NAMESPACE = "kubernaut-e2e-custom"
TASK = ROOT / "tekton" / "catalog" / "task" / "kubernaut-action" / "0.1" / "kubernaut-action.yaml"
CUSTOM = Path(__file__).parent / "custom"
pytestmark = [pytest.mark.docker]


@pytest.fixture(scope="module")
def pushed_to(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real registry on loopback."""
    with registry(tmp_path_factory.mktemp("registry") / "here") as address:
        yield address


@pytest.fixture
def flags() -> Iterator[str]:
    """The address of the service whose flag the custom action sets."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(CUSTOM / "flags_server.py"), str(port)])
    try:
        while not listens(f"127.0.0.1:{port}"):
            assert process.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/dark"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def readme_image(base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of a custom action, built with the Dockerfile of docs/writing-actions.md."""
    folder, name = tmp_path_factory.mktemp("custom"), "kubernaut-test/custom:1"
    text = (ROOT / "docs" / "writing-actions.md").read_text()
    [dockerfile] = re.findall(r"^```dockerfile\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (folder / "Dockerfile").write_text(dockerfile)
    shutil.copy(CUSTOM / "my_action.py", folder)
    shutil.copytree(ROOT / "build" / "wheels", folder / "build" / "wheels")
    sh(sys.executable, "-m", "kubernaut_cli", "build", str(folder), f"--tag={name}", f"--build-arg=BASE_IMAGE={base}")
    return name


@pytest.fixture(scope="module")
def go_image(base: str) -> str:
    """The image of examples/go-action. It needs no base image, but `base` skips the test where none can be built."""
    if shutil.which("go") is None:
        pytest.skip("no Go compiler is here to build examples/go-action")
    sh(str(ROOT / "examples" / "go-action" / "build"), "kubernaut-test/go-action:1")
    return "kubernaut-test/go-action:1"


@pytest.fixture(scope="module")
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    kubectl("apply", "-f", "-", stdin=manifest("Namespace", NAMESPACE))
    kubectl("apply", f"--namespace={NAMESPACE}", "-f", str(TASK))
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "folder"),
    [("readme_image", CUSTOM), ("go_image", ROOT / "examples" / "go-action")],
    ids=["readme", "go"],
)
def test_it_conforms(request: pytest.FixtureRequest, image: str, folder: Path) -> None:
    examined = ActionImage(request.getfixturevalue(image))
    judgements = list(examine(examined, read_scenarios(folder / "conformance.yaml"), cwd=folder))

    assert [(each.check.name, each.message) for each in judgements if each.outcome == "failed"] == []
    assert {each.check.name: each.outcome for each in judgements}["scenario-runs"] == "passed"


@pytest.mark.slow
@pytest.mark.cluster
def test_tekton_runs_it_by_the_digest_that_was_pushed(
    readme_image: str, pushed_to: str, flags: str, kubectl: Callable[..., str], namespace: str
) -> None:
    sh("docker", "tag", readme_image, f"{pushed_to}/custom:1")
    [digest] = re.findall(r"digest: (sha256:[0-9a-f]{64})", sh("docker", "push", f"{pushed_to}/custom:1"))
    image = f"{pushed_to}/custom@{digest}"
    params = {"actionType": "feature/set_remote_flag", "actionImage": image, "inputs": f'{{"url":"{flags}","on":true}}'}
    name = started(kubectl, namespace, params)
    run = finished(kubectl, name, namespace)
    results = {result["name"]: result["value"] for result in run["status"].get("results", [])}

    assert run["status"]["conditions"][0]["reason"] == "Succeeded", run["status"]["conditions"]
    assert (results["status"], results["changed"], results["output"]) == ("succeeded", "true", '{"on":true}')
    assert httpx.get(flags, trust_env=False).json() is True


@pytest.mark.cluster
def test_tekton_runs_the_one_in_go(
    go_image: str, pushed_to: str, kubectl: Callable[..., str], namespace: str, tmp_path: Path
) -> None:
    sh("docker", "tag", go_image, f"{pushed_to}/go-action:1")
    [digest] = re.findall(r"digest: (sha256:[0-9a-f]{64})", sh("docker", "push", f"{pushed_to}/go-action:1"))
    with embedded(tmp_path / "data") as storage:
        config = manifest("ConfigMap", "kubernaut-data-storage", data={"url": storage.url, "policy": "require"})
        kubectl("apply", f"--namespace={namespace}", "-f", "-", stdin=config)
        inputs = '{"file":"/nowhere/flags.json","name":"dark-mode","on":true}'
        image = f"{pushed_to}/go-action@{digest}"
        name = started(kubectl, namespace, {"actionType": "feature/set_flag", "actionImage": image, "inputs": inputs})
        run = finished(kubectl, name, namespace)
        kubectl("delete", f"--namespace={namespace}", "configmap", "kubernaut-data-storage")
        history = DataStorage(storage.url)
        [record] = history.get_action_history("feature/set_flag")
        history.close()
    results = {result["name"]: result["value"] for result in run["status"].get("results", [])}

    assert (results["status"], results["changed"], results["record-status"]) == ("failed", "false", "stored")
    assert json.loads(results["error"])["reason"] == "NotFound"
    assert (record.state, record.error and record.error.code) == ("failed", 3)


def started(kubectl: Callable[..., str], namespace: str, params: dict[str, str]) -> str:
    """Start a TaskRun of the generic Task: with `tkn task start` if tkn is installed, otherwise in tkn's form."""
    if shutil.which("tkn"):
        told = [f"--param={name}={value}" for name, value in params.items()]
        options = ["--use-param-defaults", "--workspace=name=secrets,emptyDir=", f"--namespace={namespace}"]
        said = sh("tkn", "task", "start", "kubernaut-action", *options, *told)
        return "taskrun/" + said.partition("TaskRun started: ")[2].split()[0]
    spec = {
        "taskRef": {"name": "kubernaut-action"},
        "params": [{"name": name, "value": value} for name, value in params.items()],
        "workspaces": [{"name": "secrets", "emptyDir": {}}],
    }
    meta = {"generateName": "custom-", "namespace": namespace}
    taskrun = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": meta, "spec": spec}
    return kubectl("create", "-f", "-", "--output=name", stdin=taskrun).strip()
