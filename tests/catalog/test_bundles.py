"""`kubernaut catalog push`: Tekton bundles in a real registry on loopback, beside those that tkn makes."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_cli.errors import exit_code_of
from kubernaut_cli.images.ociregistry import OciRegistry
from kubernaut_cli.images.reference import Reference
from kubernaut_cli.program import program
from kubernaut_cli.taskcatalog.bundles import CatalogObject, build_bundle, pin_tasks, read_catalog
from kubernaut_sdk import ActionError, InvalidInputs
from tests.conftest import registry

CATALOG = Path(__file__).parents[2] / "tekton" / "catalog"
TASK = CATALOG / "task/kubernetes-scale-deployment/0.1/kubernetes-scale-deployment.yaml"
MEDIA = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
PASSWORD = "canary-password"


def push(where: str, folder: Path = CATALOG) -> Result:
    return CliRunner().invoke(program, ["catalog", "push", where, str(folder)])


def manifest_of(name: str) -> Any:
    """Return the manifest of an image `HOST/PATH@DIGEST` or `HOST/PATH:TAG` in a registry on loopback."""
    host, _, rest = name.partition("/")
    path, _, reference = rest.partition("@") if "@" in rest else rest.rpartition(":")
    return _get(f"http://{host}/v2/{path}/manifests/{reference}").json()


def objects_in(name: str) -> list[Any]:
    """Return the objects of a bundle."""
    host, _, rest = name.partition("/")
    path = rest.partition("@")[0].rpartition(":")[0] if "@" not in rest else rest.partition("@")[0]
    found = []
    for layer in manifest_of(name)["layers"]:
        content = gzip.decompress(_get(f"http://{host}/v2/{path}/blobs/{layer['digest']}").content)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            [file] = tar.getmembers()
            read = tar.extractfile(file)
            assert read is not None
            found.append(yaml.safe_load(read.read()))
    return found


def _get(url: str) -> httpx.Response:
    return httpx.get(url, headers={"Accept": MEDIA}, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("bundles") / "registry") as address:
        yield address


@pytest.fixture(scope="module")
def pushed(here: str) -> dict[str, str]:
    """The bundles of this tree's catalogue: name → name by digest."""
    ended = push(f"{here}/catalog")
    assert ended.exit_code == 0, ended.output
    return {line.partition("@")[0].rpartition("/")[2]: line for line in ended.stdout.splitlines()}


def test_every_object_is_in_the_bundle_of_its_name(pushed: dict[str, str]) -> None:
    objects = read_catalog(CATALOG)

    assert set(pushed) == {one.name for one in objects}
    for name in ("kubernetes-scale-deployment", "kubernaut-action", "scale-out-and-persist"):
        found = objects_in(pushed[name])
        wanted = [one.document for one in objects if one.name == name]
        assert [one["kind"] for one in found] == [one["kind"] for one in wanted]
        assert [one["metadata"] for one in found] == [one["metadata"] for one in wanted]
        if name != "scale-out-and-persist":
            assert found == wanted


def test_the_annotations_are_those_of_tektons_contract(pushed: dict[str, str], here: str) -> None:
    manifest = manifest_of(pushed["kubernaut-action"])

    assert [layer["annotations"] for layer in manifest["layers"]] == [
        {
            "dev.tekton.image.apiVersion": version,
            "dev.tekton.image.kind": kind,
            "dev.tekton.image.name": "kubernaut-action",
        }
        for version, kind in (("tekton.dev/v1", "task"), ("tekton.dev/v1beta1", "stepaction"))
    ]
    assert manifest == manifest_of(f"{here}/catalog/kubernaut-action:0.1")


def test_a_pipeline_takes_its_tasks_from_their_bundles_by_digest(pushed: dict[str, str]) -> None:
    [pipeline] = objects_in(pushed["scale-out-and-persist"])

    for task in pipeline["spec"]["tasks"]:
        params = {one["name"]: one["value"] for one in task["taskRef"]["params"]}
        assert task["taskRef"]["resolver"] == "bundles"
        assert params == {"kind": "task", "name": params["name"], "bundle": pushed[params["name"]]}


def test_a_signed_pipeline_is_pushed_as_it_is(pushed: dict[str, str]) -> None:
    [found] = [one for one in read_catalog(CATALOG) if one.name == "scale-out-and-persist"]
    metadata = {**found.document["metadata"], "annotations": {"tekton.dev/signature": "c2lnbmVk"}}
    signed = CatalogObject(found.kind, found.name, found.version, {**found.document, "metadata": metadata})
    bundles = {(name, "0.1"): line for name, line in pushed.items()}

    assert pin_tasks(signed, bundles) == signed
    assert pin_tasks(found, bundles) != found


def test_the_same_catalogue_has_the_same_digests_again_and_elsewhere(pushed: dict[str, str], here: str) -> None:
    tasks = {name: line.partition("@")[2] for name, line in pushed.items() if name.startswith("kubernetes-")}
    ended = push(f"{here}/other")
    again = {line.partition("@")[0].rpartition("/")[2]: line.partition("@")[2] for line in ended.stdout.splitlines()}

    assert push(f"{here}/catalog").stdout.splitlines() == list(pushed.values())
    assert {name: again[name] for name in tasks} == tasks


@pytest.mark.skipif(shutil.which("tkn") is None, reason="no tkn is installed (https://tekton.dev/docs/cli)")
def test_tkn_reads_it_as_its_own_and_writes_the_same_object(pushed: dict[str, str], here: str) -> None:
    theirs = f"{here}/theirs:1"
    subprocess.run(["tkn", "bundle", "push", theirs, f"--filenames={TASK}"], check=True, capture_output=True)
    words = ["tkn", "bundle", "list", pushed["kubernaut-action"], "--no-cache"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    [layer] = manifest_of(theirs)["layers"]
    [ours] = manifest_of(pushed["kubernetes-scale-deployment"])["layers"]

    assert listed.split() == ["task.tekton.dev/kubernaut-action", "stepaction.tekton.dev/kubernaut-action"]
    assert objects_in(theirs) == objects_in(pushed["kubernetes-scale-deployment"])
    # tkn leaves the group out of the version; Tekton's contract has it
    assert {**layer["annotations"], "dev.tekton.image.apiVersion": "tekton.dev/v1"} == ours["annotations"]


def test_images_without_a_digest_are_told(here: str, tmp_path: Path) -> None:
    whole = push(f"{here}/told")
    folder = tmp_path / "task" / "a" / "1"
    folder.mkdir(parents=True)
    image = f"example.com/a@sha256:{'1' * 64}"
    task = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": {"name": "a"},
        "spec": {"steps": [{"image": image}]},
    }
    (folder / "a.yaml").write_text(json.dumps(task))
    released = push(f"{here}/told", tmp_path)

    assert "objects name images whose digest is all zeros, as in a checkout: they cannot run." in whole.stderr
    assert (released.exit_code, released.stderr) == (0, "")
    assert objects_in(released.stdout.strip()) == [task]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, ": no catalogue is there (KIND/NAME/VERSION/NAME.yaml); `kubernaut catalog write` makes one"),
        ({"task/a/1/a.yaml": "kind: Task\n"}, "a.yaml: not the task a of tekton.dev that its path says."),
        (
            {"task/a/1/a.yaml": "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: b}\n"},
            "a.yaml: not the task a of tekton.dev that its path says.",
        ),
        (
            {
                f"{kind.lower()}/a/1/a.yaml": f"apiVersion: tekton.dev/v1\nkind: {kind}\nmetadata: {{name: a}}\n"
                for kind in ("Task", "Pipeline")
            },
            ": a is a Pipeline and a Task; a bundle has one of them, so rename one.",
        ),
    ],
)
def test_a_folder_that_is_no_catalogue_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputs) as refused:
        read_catalog(tmp_path)

    assert message in refused.value.message


def test_more_objects_than_tekton_reads_are_refused() -> None:
    one = CatalogObject("task", "a", "1", {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "a"}})
    with pytest.raises(InvalidInputs, match="a: 21 objects; a Tekton bundle has at most 20"):
        build_bundle([one] * 21)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300_000 // 4))
def test_a_layer_is_gzip_whatever_its_size(text: str) -> None:
    document = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "a"}, "spec": {"description": text}}
    bundle = build_bundle([CatalogObject("task", "a", "1", document)])
    [layer] = json.loads(bundle.manifest)["layers"]
    content = gzip.decompress(bundle.blobs[layer["digest"]])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        read = tar.extractfile("a")
        assert read is not None
        assert yaml.safe_load(read.read()) == document


def small(tmp_path: Path) -> Path:
    """A catalogue of one Task."""
    shutil.copytree(TASK.parent, tmp_path / "task" / TASK.stem / "0.1")
    return tmp_path


def failure_of(ended: Result) -> tuple[int | None, str]:
    """Return the exit code and the message of a command that raised an error of its own."""
    assert isinstance(ended.exception, ActionError), ended.exception
    return exit_code_of(ended.exception), ended.exception.message


def test_a_registry_that_is_not_there_is_an_error_for_later(tmp_path: Path, closed_port: str) -> None:
    address = closed_port.removeprefix("http://")
    code, message = failure_of(push(f"{address}/c", small(tmp_path)))

    assert code == 75
    assert message.startswith(f"{address}/c/kubernetes-scale-deployment:0.1 is not published: ")
    assert message.endswith(f"look whether {address} is right and reachable from here.")


def test_without_a_path_the_bundles_are_at_the_registrys_root(here: str, tmp_path: Path) -> None:
    ended = push(here, small(tmp_path))

    assert ended.exit_code == 0, ended.output
    assert [line.partition("@")[0] for line in ended.stdout.splitlines()] == [f"{here}/{TASK.stem}"]


def test_a_name_without_a_registry_is_refused(tmp_path: Path) -> None:
    code, message = failure_of(push("catalog/", small(tmp_path)))

    assert (code, message) == (2, "catalog/ names no registry; write REGISTRY/PATH, such as ghcr.io/you/catalog.")


def test_a_registry_with_a_scheme_is_refused(tmp_path: Path) -> None:
    code, message = failure_of(push("https://ghcr.io/you", small(tmp_path)))

    assert code == 2
    assert message.startswith("https://ghcr.io/you/")
    assert "is no name of an image; write [REGISTRY/]PATH[:TAG] without https://, the path in lower case" in message


def send_one(host: str) -> str:
    bundle = build_bundle(read_catalog(CATALOG)[:1])
    with OciRegistry(host) as client:
        name = Reference(host, "you/a", "1")
        return client.push(name, bundle.manifest, "application/vnd.oci.image.manifest.v1+json", bundle.blobs)


def test_a_server_that_is_no_registry_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), _FileHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        with pytest.raises(ActionError) as refused:
            send_one(host)
        server.shutdown()

    assert (exit_code_of(refused.value), refused.value.message) == (
        1,
        f"{host}/you/a:1 is not published: the registry answers 501.",
    )


class _FileHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass
