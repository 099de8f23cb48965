"""The manifests of a release: what `kubectl apply -f` installs without a clone, each image by digest.

`python release/manifests.py DIGESTS FOLDER` reads the names of the images from the file DIGESTS, one
`registry/name@sha256:…` a line, and writes `install.yaml`, `install-postgresql.yaml`, `catalog.yaml` and the folders
`catalog` and `policy` into FOLDER. The release workflow runs it with what it has published, and the tests with what
they have built.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["INSTALLATIONS", "ManifestError", "main", "pin", "read_images", "write_manifests"]

ROOT = Path(__file__).resolve().parents[1]
INSTALLATIONS = {"install.yaml": "controller/deploy", "install-postgresql.yaml": "controller/deploy/postgresql"}
"""File of the release → the kustomization that it is built from."""
_OURS = re.compile(r"ghcr\.io/kubernaut/(?:actions/)?(?P<name>[a-z-]+)(?::dev|@sha256:0{64})?(?![\w@:./-])")
_DIGEST = re.compile(r"(?P<repository>[\w.:/-]+/(?P<name>[a-z-]+))@sha256:[0-9a-f]{64}")

_GITHUB = re.compile(r"ghcr\.io/(?P<repository>[\w.-]+/[\w.-]+)")


class ManifestError(Exception):
    """The manifests cannot be made, for the reason in the message."""


def read_images(text: str) -> dict[str, str]:
    """Return the last part of an image's name → the image by digest.

    Raises:
        ManifestError: for a line that is no image by digest, and for two images of one name.
    """
    images: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        found = _DIGEST.fullmatch(line)
        if found is None:
            raise ManifestError(f"{line}: not an image by digest, such as ghcr.io/kubernaut/controller@sha256:….")
        if images.setdefault(found["name"], line) != line:
            raise ManifestError(f"{found['name']}: two images have this name: {images[found['name']]} and {line}.")
    return images


def pin(text: str, images: Mapping[str, str]) -> str:
    """Return a manifest with each of our images by digest.

    Raises:
        ManifestError: if it names one that `images` does not have.
    """

    def digest(found: re.Match[str]) -> str:
        if found["name"] not in images:
            raise ManifestError(
                f"{found[0]}: no digest is given for it; there is {', '.join(sorted(images)) or 'none'}."
            )
        return images[found["name"]]

    return _OURS.sub(digest, text)


def trust_publisher(text: str, images: Mapping[str, str]) -> str:
    """Return a policy that is about the repository of these images, and trusts that alone, if they are GitHub's."""
    places = {image.rpartition("/")[0] for image in images.values()}
    published = _GITHUB.fullmatch(places.pop()) if len(places) == 1 else None
    if published is None:
        return text
    # an image's name is in lower case, and GitHub's names are not told apart by case
    subject = rf"(?i:https://github\.com/{re.escape(published['repository'])})/"
    text = text.replace("ghcr.io/kubernaut/**", f"{published[0]}/**")
    return text.replace(r"https://github\.com/kubernaut/[^/]+/", subject)


def build(kustomization: str) -> str:
    """Return the manifest of a kustomization of this repository, as kubectl builds it.

    Raises:
        ManifestError: if kubectl cannot build it.
    """
    words = ["kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", str(ROOT / kustomization)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise ManifestError(f"{kustomization}: {ended.stderr.strip()}")
    return ended.stdout


def write_manifests(images: Mapping[str, str], folder: Path) -> list[Path]:
    """Write all manifests of a release into a folder, and return their files.

    Raises:
        ManifestError: see `build` and `pin`.
    """
    texts = {name: pin(build(kustomization), images) for name, kustomization in INSTALLATIONS.items()}
    catalog = ROOT / "tekton" / "catalog"
    files = {path.relative_to(catalog): path.read_text(encoding="utf-8") for path in _catalog_files(catalog)}
    pinned = {path: pin(text, images) if path.suffix == ".yaml" else text for path, text in sorted(files.items())}
    objects = [text for path, text in pinned.items() if path.name == f"{path.parent.parent.name}.yaml"]
    texts["catalog.yaml"] = "---\n".join(objects)
    written = []
    policy = ROOT / "tekton" / "policy"
    texts |= {
        f"policy/{path.name}": trust_publisher(path.read_text(encoding="utf-8"), images)
        for path in sorted(policy.iterdir())
    }
    for name, text in {**texts, **{f"catalog/{path}": text for path, text in pinned.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _catalog_files(catalog: Path) -> list[Path]:
    return [path for path in catalog.rglob("*") if path.is_file() and path.name != "kustomization.yaml"]


def main(arguments: list[str]) -> int:
    """Run the program; see the module's description."""
    if len(arguments) != 2:
        sys.stderr.write("usage: manifests.py DIGESTS FOLDER\n")
        return 2
    try:
        written = write_manifests(read_images(Path(arguments[0]).read_text(encoding="utf-8")), Path(arguments[1]))
    except (OSError, ManifestError) as error:
        sys.stderr.write(f"manifests: {error}\n")
        return 1
    sys.stdout.write(f"{arguments[1]}: {len(written)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
