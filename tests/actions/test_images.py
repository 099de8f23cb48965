"""Our three images: small, without a way to install more, named by what they offer, and compiled before they start."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.catalog import all_actions

pytestmark = [pytest.mark.docker]
DOMAINS = {
    "argocd": ("argocd/", "git/"),
    "aws-cli": ("aws/",),
    "kubectl": ("alertmanager/", "kubernetes/", "prometheus/"),
}
LEFT_OVER = """
import json, sys, pathlib
import kubernaut_sdk.program.verbs, kubernaut_sdk.execution.runner, kubernaut_sdk.recorder, {module}
cached = {{name: getattr(found, "__cached__", None) for name, found in sys.modules.items()}}
uncompiled = [name for name, path in cached.items() if path and not pathlib.Path(path).exists()]
installers = [path.name for path in pathlib.Path(sys.prefix).rglob("pip*") if path.name.split("-")[0] == "pip"]
print(json.dumps([uncompiled, installers]))
"""
ROOT = Path(__file__).parents[2]
CACHED = """
import sys, kubernaut_sdk.program.speccache as cache
import kubernaut_sdk.catalog as catalog
kept = cache._read(cache.spec_file(), cache.fingerprint(catalog.installed_entries().values()))
print(kept == [catalog.action_entry(action) for action in catalog.all_actions()])
"""


def inspected(name: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)[0]
    return document


@pytest.mark.parametrize(("part", "most"), [("argocd", 20), ("aws-cli", 32), ("kubectl", 20)])
def test_an_image_adds_few_megabytes_to_base_and_tool(images: dict[str, str], base: str, part: str, most: int) -> None:
    floor = inspected(base)["Size"] + (inspected("kubernaut-test/kubectl:1")["Size"] if part == "kubectl" else 0)

    assert inspected(images[part])["Size"] - floor <= most * 1_000_000


@pytest.mark.parametrize("part", ["argocd", "aws-cli", "kubectl"])
def test_an_image_says_what_it_is_and_offers_its_own_actions(images: dict[str, str], part: str) -> None:
    config = inspected(images[part])["Config"]
    command = ["docker", "run", "--rm", "--network=none", "--read-only", images[part], "spec"]
    spec = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    own = [action.action_type for action in all_actions() if action.action_type.startswith(DOMAINS[part])]

    assert [action["action_type"] for action in spec["actions"]] == own
    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["kubernaut-action"])
    assert set(config["Labels"]) >= {
        "io.kubernaut.spec.digest",
        *(f"org.opencontainers.image.{name}" for name in ("created", "description", "licenses", "revision", "title")),
    }


@pytest.mark.parametrize("part", ["argocd", "aws-cli", "kubectl"])
def test_nothing_is_left_to_compile_and_nothing_to_install_with(images: dict[str, str], part: str) -> None:
    module = {"argocd": "kubernaut_argocd", "aws-cli": "kubernaut_aws, boto3", "kubectl": "kubernaut_kubectl"}[part]
    run = ["docker", "run", "--rm", "--network=none", "--read-only", "--entrypoint=python3", images[part]]
    done = subprocess.run([*run, "-c", LEFT_OVER.format(module=module)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], []]


@pytest.mark.parametrize("part", ["argocd", "aws-cli", "kubectl"])
def test_the_spec_is_cached_in_an_image_as_its_actions_say_it(images: dict[str, str], part: str) -> None:
    run = ["docker", "run", "--rm", "--network=none", "--read-only", "--entrypoint=python3", images[part]]
    done = subprocess.run([*run, "-c", CACHED], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.slow
def test_all_actions_of_the_kubectl_image_add_less_than_five_megabytes(
    images: dict[str, str], base: str, tmp_path: Path
) -> None:
    dockerfile, name = tmp_path / "Dockerfile", f"{images['kubectl'].rpartition('/')[0]}/no-actions:dev"
    text = (ROOT / "actions" / "kubectl" / "Dockerfile").read_text()
    dockerfile.write_text(text.replace('"kubernaut-kubectl"]', '"kubernaut-sdk"]'))
    given = {"BASE_IMAGE": base, "TOOL_IMAGE": "kubernaut-test/kubectl:1", "TOOL_PATH": "/kubectl"}
    arguments = [f"--build-arg={key}={value}" for key, value in given.items()]
    command = ["docker", "build", "--quiet", f"--tag={name}", f"--file={dockerfile}", *arguments, str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    spec = subprocess.run(["docker", "run", "--rm", name, "spec"], check=True, capture_output=True).stdout
    added = inspected(images["kubectl"])["Size"] - inspected(name)["Size"]
    subprocess.run(["docker", "image", "rm", "--no-prune", name], check=True, capture_output=True)

    assert json.loads(spec)["actions"] == []
    assert 0 < added < 5_000_000
