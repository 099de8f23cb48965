"""The catalogue as bundles: taken from a real registry by Tekton's own resolver, and trusted only if signed."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.conftest import registry

from ..conftest import ROOT, finished, manifest, sh  # noqa: TID252 – tests/ is no package to name it by
from .conftest import ACCOUNT, CatalogNamespace
from .resolvers import tekton_resolvers
from .signing import signed as sign

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

sys.path.insert(0, str(ROOT / "tests" / "cluster"))

SCALE = "kubernetes-scale-deployment"
POLICY = ROOT / "tekton" / "policy" / "verification-policy.yaml"


@pytest.fixture(scope="module")
def address(kubectl: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry, from which Tekton's resolvers take bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    with registry(folder / "registry") as host, tekton_resolvers(kubectl, folder):
        yield host


def push(where: str, folder: Path) -> dict[str, str]:
    """Push a catalogue, and return its bundles by name."""
    lines = sh(sys.executable, "-m", "kubernaut_cli", "catalog", "push", where, str(folder)).splitlines()
    return {line.partition("@")[0].rpartition("/")[2]: line for line in lines}


@pytest.fixture(scope="module")
def bundles(catalog: CatalogNamespace, address: str) -> dict[str, str]:
    return push(f"{address}/catalog", catalog.folder)


def reference(kind: str, name: str, bundle: str) -> dict[str, Any]:
    params = {"kind": kind, "name": name, "bundle": bundle}
    return {"resolver": "bundles", "params": [{"name": key, "value": value} for key, value in params.items()]}


def run(catalog: CatalogNamespace, kind: str, name: str, bundle: str, params: dict[str, str]) -> Any:
    """Run a Task or Pipeline of a bundle to its end, and return the run."""
    account: dict[str, Any] = {"serviceAccountName": ACCOUNT}
    document = {
        "apiVersion": "tekton.dev/v1",
        "kind": f"{kind}Run",
        "metadata": {"generateName": "bundled-"},
        "spec": {
            f"{kind.lower()}Ref": reference(kind.lower(), name, bundle),
            "params": [{"name": key, "value": value} for key, value in params.items()],
            **({"taskRunTemplate": account} if kind == "Pipeline" else account),
        },
    }
    here = ("create", f"--namespace={catalog.name}", "-f", "-", "--output=name")
    return finished(catalog.kubectl, catalog.kubectl(*here, stdin=document).strip(), catalog.name)


def results(ended: Any) -> dict[str, str]:
    return {one["name"]: one["value"] for one in ended["status"].get("results", [])}


def condition(ended: Any, kind: str) -> dict[str, str]:
    return next((one for one in ended["status"]["conditions"] if one["type"] == kind), {})


def scaling(catalog: CatalogNamespace, deployment: str, replicas: str = "2") -> dict[str, str]:
    return {"namespace": catalog.name, "deployment": deployment, "replicas": replicas}


def test_a_task_of_a_bundle_runs_and_tekton_says_which(
    catalog: CatalogNamespace, bundles: dict[str, str], deployment: str
) -> None:
    ended = run(catalog, "Task", SCALE, bundles[SCALE], scaling(catalog, deployment))
    source = ended["status"]["provenance"]["refSource"]

    assert results(ended)["status"] == "succeeded", ended["status"]
    assert f"{source['uri']}@sha256:{source['digest']['sha256']}" == bundles[SCALE]
    assert catalog.get("deployment", deployment)["status"]["readyReplicas"] == 2


def test_a_pipeline_of_a_bundle_needs_nothing_installed(
    catalog: CatalogNamespace, bundles: dict[str, str], deployment: str, demo: Callable[[str], Any]
) -> None:
    name = "scale-out-and-persist"
    with demo("bundled") as world:
        where = {"repository": world.repository, "branch": "main", "path": "checkout.yaml", "field": "spec.replicas"}
        ended = run(catalog, "Pipeline", name, bundles[name], {**scaling(catalog, deployment), **where})
        shown = sh("git", f"--git-dir={world.bare}", "show", "main:checkout.yaml")
    taskruns = catalog.get("taskruns", f"--selector=tekton.dev/pipelineRun={ended['metadata']['name']}")["items"]

    assert results(ended) == {"scale-status": "succeeded", "persist-status": "succeeded"}, ended["status"]
    assert {one["spec"]["taskRef"]["resolver"] for one in taskruns} == {"bundles"}
    assert "  replicas: 2   # raised by hand in June\n" in shown


def test_the_controller_takes_the_generic_task_from_a_bundle(
    catalog: CatalogNamespace, bundles: dict[str, str], tmp_path: Path
) -> None:
    from realcluster import ControllerProcess, controller_kubeconfig, install, is_closed, phase_of, until, workflow

    install()
    catalog.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}, "data": {"dark": "off"}})
    inputs = {"namespace": catalog.name, "configmap": "flags", "key": "dark", "value": "on"}
    step = {
        "name": "set",
        "actionType": "kubernetes/patch_configmap",
        "image": catalog.images["kubectl"],
        "inputs": inputs,
        "timeout": "1m",
        "serviceAccountName": ACCOUNT,
    }
    name = f"bundled-{uuid4().hex[:6]}"
    options = [f"--watch-namespace={catalog.name}", "--cooldown=1s", f"--task-bundle={bundles['kubernaut-action']}"]
    with ControllerProcess(options, tmp_path / "log", controller_kubeconfig(tmp_path)):
        catalog.kubectl("create", "-f", "-", stdin=workflow(name, catalog.name, step))
        ended = until("the workflow's end", lambda: _closed(catalog.get("wfe", name), is_closed), 150)
        runs = catalog.get("pipelineruns")["items"]
        catalog.kubectl("delete", "wfe", name, f"--namespace={catalog.name}", "--timeout=60s")
    [owned] = [one for one in runs if one["metadata"].get("ownerReferences", [{}])[0].get("name") == name]
    [task] = owned["spec"]["pipelineSpec"]["tasks"]

    assert phase_of(ended) == "Succeeded", (ended["status"], (tmp_path / "log").read_text()[-2000:])
    assert catalog.get("configmap", "flags")["data"]["dark"] == "on"
    wanted = reference("task", "kubernaut-action", bundles["kubernaut-action"])
    assert {field: task["taskRef"][field] for field in wanted} == wanted


def _closed(document: Any, is_closed: Callable[[Any], bool]) -> Any:
    return document if is_closed(document) or document.get("status", {}).get("phase") == "Succeeded" else None


@pytest.fixture
def key(catalog: CatalogNamespace, address: str, tmp_path: Path) -> Iterator[Path]:
    """A private key, in a namespace whose policy asks for it in all bundles below `signed`."""
    key, public, secret = tmp_path / "key.pem", tmp_path / "key.pub", f"{catalog.name}-key"
    sh("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
    sh("openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public))
    policy = yaml.safe_load(POLICY.read_text())
    policy["spec"]["resources"] = [{"pattern": f"^{re.escape(address)}/signed/.*$"}]
    policy["spec"]["authorities"][0]["key"]["secretRef"] = {"name": secret, "namespace": catalog.name}
    catalog.apply(manifest("Secret", secret, stringData={"cosign.pub": public.read_text()}), policy)
    yield key
    catalog.kubectl("delete", "verificationpolicy", policy["metadata"]["name"], f"--namespace={catalog.name}")


def signed_copy(catalog: CatalogNamespace, kind: str, name: str, folder: Path, key: Path) -> Path:
    """Copy a Task or Pipeline of the catalogue into a folder, sign it, and return its file."""
    shutil.copytree(catalog.folder / kind / name, folder / kind / name)
    path = folder / kind / name / "0.1" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(sign(yaml.safe_load(path.read_text()), key), sort_keys=False))
    return path


@pytest.fixture
def signed(catalog: CatalogNamespace, key: Path, tmp_path: Path) -> Path:
    """A catalogue of one Task that the key has signed."""
    signed_copy(catalog, "task", SCALE, tmp_path / "catalog", key)
    return tmp_path / "catalog"


def test_a_signed_task_runs_and_an_edited_one_is_refused(
    catalog: CatalogNamespace, address: str, signed: Path, deployment: str
) -> None:
    bundle = push(f"{address}/signed", signed)[SCALE]
    trusted = run(catalog, "Task", SCALE, bundle, scaling(catalog, deployment))
    [path] = signed.glob("task/*/*/*.yaml")
    path.write_text(path.read_text().replace("runAsNonRoot: true", "runAsNonRoot: false"))
    edited = push(f"{address}/signed", signed)[SCALE]
    refused = run(catalog, "Task", SCALE, edited, scaling(catalog, deployment, "3"))

    assert edited != bundle
    assert results(trusted)["status"] == "succeeded", trusted["status"]
    assert condition(trusted, "TrustedResourcesVerified")["status"] == "True"
    assert condition(refused, "TrustedResourcesVerified")["status"] == "False"
    assert condition(refused, "Succeeded")["reason"] == "ResourceVerificationFailed"
    assert "podName" not in refused["status"] or refused["status"]["podName"] == ""
    assert catalog.get("deployment", deployment)["spec"]["replicas"] == 2


def test_a_task_that_nobody_signed_is_refused(
    catalog: CatalogNamespace, address: str, signed: Path, tmp_path: Path
) -> None:
    shutil.copytree(catalog.folder / "task" / SCALE, tmp_path / "plain" / "task" / SCALE)
    bundle = push(f"{address}/signed", tmp_path / "plain")[SCALE]
    refused = run(catalog, "Task", SCALE, bundle, scaling(catalog, "nobody"))

    assert condition(refused, "Succeeded")["reason"] == "ResourceVerificationFailed", refused["status"]


class TestSignedPipeline:
    """A Pipeline that is signed, of Tasks that are."""

    NAME = "roll-back-bad-release"
    TASKS = ("kubernetes-rollback-deployment", "prometheus-assert-query")

    @pytest.fixture
    def folder(self, catalog: CatalogNamespace, address: str, key: Path, tmp_path: Path) -> Path:
        """The catalogue of both: the Pipeline as its first push has made it, which names its Tasks' bundles, signed."""
        folder = tmp_path / "catalog"
        for task in self.TASKS:
            signed_copy(catalog, "task", task, folder, key)
        shutil.copytree(catalog.folder / "pipeline" / self.NAME, folder / "pipeline" / self.NAME)
        bundle = push(f"{address}/signed", folder)[self.NAME]
        pinned = yaml.safe_load(sh("tkn", "bundle", "list", bundle, "pipeline", self.NAME, "--output=yaml"))
        path = folder / "pipeline" / self.NAME / "0.1" / f"{self.NAME}.yaml"
        path.write_text(yaml.safe_dump(sign(pinned, key), sort_keys=False))
        return folder

    def run(self, catalog: CatalogNamespace, bundle: str) -> Any:
        """Plan a rollback by the Pipeline of a bundle."""
        watched = {"prometheus": "http://127.0.0.1:9", "query": "up", "op": ">=", "threshold": "1"}
        params = {"namespace": catalog.name, "deployment": "checkout", **watched, "dryRun": "true"}
        return run(catalog, "Pipeline", self.NAME, bundle, params)

    def test_it_runs_and_an_edited_one_is_refused(
        self, catalog: CatalogNamespace, address: str, folder: Path, deployment: str
    ) -> None:
        catalog.kubectl("set", "env", f"deployment/{deployment}", "RELEASE=2", f"--namespace={catalog.name}")
        bundle = push(f"{address}/signed", folder)[self.NAME]
        trusted = self.run(catalog, bundle)
        taskruns = catalog.get("taskruns", f"--selector=tekton.dev/pipelineRun={trusted['metadata']['name']}")["items"]
        path = folder / "pipeline" / self.NAME / "0.1" / f"{self.NAME}.yaml"
        path.write_text(path.read_text().replace("$(params.threshold)", "0"))
        edited = push(f"{address}/signed", folder)[self.NAME]
        refused = self.run(catalog, edited)

        assert condition(trusted, "TrustedResourcesVerified")["status"] == "True", trusted["status"]
        assert {condition(one, "TrustedResourcesVerified")["status"] for one in taskruns} == {"True"}
        assert results({"status": taskruns[0]["status"]})["status"] == "planned"
        assert edited != bundle
        failed = condition(refused, "Succeeded")
        assert (failed["status"], failed["reason"]) == ("False", "ResourceVerificationFailed")
        assert f"resource {self.NAME} in namespace" in failed["message"]
        assert "fails verification" in failed["message"]
        assert not refused["status"].get("childReferences")

    def test_one_with_a_task_that_nobody_signed_is_refused_before_any_runs(
        self, catalog: CatalogNamespace, address: str, folder: Path, key: Path, deployment: str
    ) -> None:
        catalog.kubectl("set", "env", f"deployment/{deployment}", "RELEASE=2", f"--namespace={catalog.name}")
        path = folder / "pipeline" / self.NAME / "0.1" / f"{self.NAME}.yaml"
        document = yaml.safe_load(path.read_text())
        plain = folder.parent / "plain"
        shutil.copytree(catalog.folder / "task" / self.TASKS[1], plain / "task" / self.TASKS[1])
        bundle = push(f"{address}/signed/later", plain)[self.TASKS[1]]
        document["spec"]["tasks"][1]["taskRef"] = reference("task", self.TASKS[1], bundle)
        del document["metadata"]["annotations"]["tekton.dev/signature"]
        path.write_text(yaml.safe_dump(sign(document, key), sort_keys=False))
        ended = self.run(catalog, push(f"{address}/signed", folder)[self.NAME])

        failed = condition(ended, "Succeeded")
        assert (failed["status"], failed["reason"]) == ("False", "ResourceVerificationFailed"), failed
        assert f"resource {self.TASKS[1]} in namespace" in failed["message"], failed
        assert not ended["status"].get("childReferences")
