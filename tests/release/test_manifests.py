"""The manifests, versions and notes of a release."""

import re
import shutil
import tomllib
from pathlib import Path

import manifests
import notes
import pytest
import versions
import yaml

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "tekton" / "policy" / "cluster-image-policy.yaml"
NAMES = ("kubectl", "argocd", "aws-cli", "controller", "data-storage", "monitor")
IMAGES = {name: f"registry.example.com:5000/you/{name}@sha256:{number:064x}" for number, name in enumerate(NAMES, 1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl is here to build kustomizations")
    made = tmp_path_factory.mktemp("manifests")
    manifests.write_manifests(IMAGES, made)
    return made


def images_in(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["image"]] if isinstance(value.get("image"), str) else []
        return own + [image for item in value.values() for image in images_in(item)]
    return [image for item in value for image in images_in(item)] if isinstance(value, list) else []


def documents(path: Path) -> list[dict[str, object]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("name", manifests.INSTALLATIONS)
def test_an_installation_is_one_file_whose_images_are_by_digest(folder: Path, name: str) -> None:
    found = documents(folder / name)
    images = {image for document in found for image in images_in(document)} - {"$(params.actionImage)"}

    assert images == {IMAGES["controller"], IMAGES["data-storage"]}
    assert {"Namespace", "CustomResourceDefinition", "Deployment", "Task"} <= {str(one["kind"]) for one in found}


def test_the_catalogue_is_whole_and_its_images_are_by_digest(folder: Path) -> None:
    source = ROOT / "tekton" / "catalog"
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    images = {image for one in documents(folder / "catalog.yaml") for image in images_in(one)}
    written = "".join(path.read_text() for path in (folder / "catalog").rglob("*.yaml"))

    assert {path for path in files if path.name != "kustomization.yaml"} == {
        path.relative_to(folder / "catalog") for path in (folder / "catalog").rglob("*") if path.is_file()
    }
    assert images == {"$(params.actionImage)", *(IMAGES[name] for name in ("kubectl", "argocd", "aws-cli"))}
    assert "ghcr.io/kubernaut/" not in written
    assert (
        len(documents(folder / "catalog.yaml")) == len(list(source.glob("*/*/*/*.yaml"))) - 1
    )  # but kustomization.yaml


def test_an_image_without_a_digest_is_refused() -> None:
    text = "image: ghcr.io/kubernaut/controller # by digest\n"

    assert manifests.pin(text, IMAGES) == f"image: {IMAGES['controller']} # by digest\n"
    with pytest.raises(manifests.ManifestError) as refused:
        manifests.pin(text, {"monitor": IMAGES["monitor"]})
    assert str(refused.value) == "ghcr.io/kubernaut/controller: no digest is given for it; there is monitor."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghcr.io/a/b:1.0", "ghcr.io/a/b:1.0: not an image by digest, such as ghcr.io/kubernaut/controller@sha256:…."),
        (
            "\n".join([IMAGES["kubectl"], IMAGES["kubectl"].replace("you", "me")]),
            "kubectl: two images have this name: ",
        ),
    ],
)
def test_a_list_of_images_that_is_not_one_is_refused(text: str, message: str) -> None:
    with pytest.raises(manifests.ManifestError) as refused:
        manifests.read_images(text)

    assert str(refused.value).startswith(message)


def test_the_program_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "digests").write_text("nonsense\n")

    assert manifests.main([str(tmp_path / "digests"), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("manifests: nonsense: not an image by digest")


def test_all_parts_have_the_one_version() -> None:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    members = {path.parent for pattern in workspace for path in ROOT.glob(f"{pattern}/pyproject.toml")}

    assert {ROOT / part for part in versions.PARTS} == members
    assert versions.problems(ROOT) == []


def test_another_version_of_a_part_or_a_tag_is_named(tmp_path: Path) -> None:
    for part in (".", *versions.PARTS):
        (tmp_path / part).mkdir(parents=True, exist_ok=True)
        (tmp_path / part / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    (tmp_path / "cli" / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    found = versions.problems(tmp_path, "v0.3.0")
    versions.write_version(tmp_path, "0.3.0")

    assert found == [
        "cli: its version is 0.2.0, not 0.1.0; run `python release/versions.py set 0.1.0`.",
        "The tag v0.3.0 is not v0.1.0, the version in pyproject.toml; tag the commit that sets it.",
    ]
    assert versions.problems(tmp_path, "v0.3.0") == []


def test_notes_are_the_versions_section_and_no_more() -> None:
    changelog = "# Changelog\n\n## Unreleased\n\n- new\n\n## [0.2.0] - 2026-11-29\n\n- this\n\n## 0.1.0\n\n- old\n"

    assert notes.notes_of("0.2.0", changelog) == "- this\n"
    assert notes.notes_of("0.1.0", changelog) == "- old\n"
    assert notes.notes_of("0.3.0", changelog) is None


@pytest.mark.parametrize(
    ("identity", "trusted"),
    [
        ("https://github.com/You/Fleet.x/.github/workflows/release.yml@refs/tags/v1.2.3", True),
        ("https://github.com/you/other/.github/workflows/release.yml@refs/tags/v1.2.3", False),
        ("https://github.com/you/fleetyx/.github/workflows/release.yml@refs/tags/v1.2.3", False),
        ("https://github.com/kubernaut/kubernaut/.github/workflows/release.yml@refs/tags/v1.2.3", False),
        ("https://github.com/you/fleet.x/.GITHUB/workflows/release.yml@refs/tags/v1.2.3", False),
    ],
)
def test_the_image_policy_of_a_release_trusts_the_repository_that_made_it(identity: str, trusted: bool) -> None:
    names = ("controller", "kubectl")
    images = {name: f"ghcr.io/you/fleet.x/{name}@sha256:{'1' * 64}" for name in names}
    text = manifests.trust_publisher(POLICY.read_text(), images)
    spec = yaml.safe_load(text)["spec"]

    assert spec["images"] == [{"glob": "ghcr.io/you/fleet.x/**"}]
    assert bool(re.search(spec["authorities"][0]["keyless"]["identities"][0]["subjectRegExp"], identity)) is trusted


def test_the_image_policy_of_images_from_elsewhere_stays_a_sample() -> None:
    text = POLICY.read_text()
    images = {"kubectl": "registry.example.com/kubectl@sha256:1", "controller": "ghcr.io/you/x/controller@sha256:1"}

    assert manifests.trust_publisher(text, images) == text
