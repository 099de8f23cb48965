"""The samples of policies: they cover what a release makes, and have the form that their programs ask for."""

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kubernaut_cli.taskcatalog.files import IMAGES

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "tekton" / "policy"
WORKFLOWS = ROOT / ".github" / "workflows"


def sample(name: str) -> Any:
    return yaml.safe_load((POLICY / name).read_text())


def closed(schema: Any) -> Any:
    """Return a schema of a custom resource in which a field that it does not have is a fault."""
    if isinstance(schema, dict):
        inner = {name: closed(value) for name, value in schema.items()}
        return {**inner, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else inner
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def test_the_image_policy_has_its_programs_form() -> None:
    if (path := os.environ.get("POLICY_CONTROLLER_CRD")) is None:
        pytest.skip("POLICY_CONTROLLER_CRD names no config/300-clusterimagepolicy.yaml of sigstore/policy-controller")
    versions = {one["name"]: one for one in yaml.safe_load(Path(path).read_text())["spec"]["versions"]}
    policy = sample("cluster-image-policy.yaml")
    schema = closed(versions[policy["apiVersion"].partition("/")[2]]["schema"]["openAPIV3Schema"]["properties"]["spec"])

    jsonschema.validate(policy["spec"], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**policy["spec"], "image": []}, schema)


def test_the_image_policy_covers_every_image_of_a_release() -> None:
    [images] = sample("cluster-image-policy.yaml")["spec"]["images"]
    services = [f"ghcr.io/kubernaut/{name}" for name in ("controller", "data-storage", "monitor")]

    for image in (*IMAGES.values(), *services):
        assert fnmatch.fnmatchcase(image, images["glob"].replace("**", "*")), image


@pytest.mark.parametrize(
    ("identity", "trusted"),
    [
        ("https://github.com/kubernaut/kubernaut/.github/workflows/images.yml@refs/tags/v1.2.3", True),
        ("https://github.com/kubernaut/kubernaut/.github/workflows/release.yml@refs/tags/v1.2.3rc1", True),
        ("https://github.com/kubernaut/kubernaut/.github/workflows/images.yml@refs/heads/main", False),
        ("https://github.com/kubernaut/kubernaut/.github/workflows/test.yml@refs/tags/v1.2.3", False),
        ("https://github.com/kubernaut-x/kubernaut/.github/workflows/release.yml@refs/tags/v1.2.3", False),
        ("https://github.com/kubernaut/kubernaut/.github/workflows/release.yml@refs/tags/v1.2.3/x", False),
        ("https://evil.example/?https://github.com/kubernaut/kubernaut/.github/workflows/release.yml", False),
    ],
)
def test_only_the_workflows_of_a_release_are_trusted(identity: str, trusted: bool) -> None:
    [authority] = sample("cluster-image-policy.yaml")["spec"]["authorities"]
    [known] = authority["keyless"]["identities"]

    assert bool(re.search(known["subjectRegExp"], identity)) is trusted
    assert known["issuer"] == "https://token.actions.githubusercontent.com"
    for name in ("images.yml", "release.yml"):
        assert "cosign" in (WORKFLOWS / name).read_text()


def test_the_verification_policy_asks_for_a_key_and_enforces_it() -> None:
    policy = sample("verification-policy.yaml")
    [resource] = policy["spec"]["resources"]

    assert policy["spec"]["mode"] == "enforce"
    # Tekton matches the whole name of the bundle, without tag and digest
    assert re.fullmatch(resource["pattern"], "registry.example.com/signed/kubernetes-scale-deployment")
    assert not re.fullmatch(resource["pattern"], "evil.example/registry.example.com/signed/x")
    assert not re.fullmatch(resource["pattern"], "registry-example.com/signed/x")
