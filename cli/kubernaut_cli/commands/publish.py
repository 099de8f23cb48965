"""`kubernaut publish`: push an action image to a registry, and print its name by digest."""

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import click

from kubernaut_cli.images import attestations
from kubernaut_cli.images.destination import choose_destination
from kubernaut_cli.images.engine import find_image, open_docker
from kubernaut_cli.images.origin import read_origin
from kubernaut_cli.images.push import push
from kubernaut_cli.terminal import echo
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.spec import LABEL, PATH
from kubernaut_sdk import InvalidInputs

__all__ = ["publish"]


@click.command()
@click.argument("image")
@click.argument("reference", required=False)
@click.option("--registry", metavar="HOST[/PATH]", help="Push to this registry, by the last part of IMAGE's name.")
@click.option(
    "--sbom", "bill", type=click.Path(path_type=Path, dir_okay=False), help="Keep the bill of materials in this file."
)
@click.option("--key", help="The key that cosign signs with: a file or the address of a KMS. By default keyless.")
@click.option("--require-sbom", is_flag=True, help="Publish nothing without a bill of materials.")
@click.option("--require-signature", is_flag=True, help="Publish nothing without a signature.")
def publish(
    image: str,
    reference: str | None,
    registry: str | None,
    bill: Path | None,
    key: str | None,
    require_sbom: bool,
    require_signature: bool,
) -> None:
    """Push IMAGE, made by `kubernaut build`, and print its name by digest.

    It is pushed to REFERENCE, or to --registry, or to the registry in IMAGE's name; otherwise, if the git remote
    `origin` is on GitHub, to ghcr.io under that repository's name. The credentials are Docker's own (`docker login`).

    If syft is on PATH, it makes a bill of materials (SPDX); if cosign is, it attaches that and signs the image.

    Exit code: 2 the image or a name cannot be used, 3 no Docker engine, no such repository or no right to write, 75 the
    registry does not answer, 1 anything else.
    """
    target = choose_destination(image, reference, registry, read_origin(Path.cwd()))
    can_sign, can_list = shutil.which("cosign") is not None, shutil.which("syft") is not None
    if require_signature or key:
        attestations.require_program("cosign", "a signature")
    if require_sbom or bill:
        attestations.require_program("syft", "a bill of materials")
    if require_sbom and bill is None:
        attestations.require_program("cosign", "attaching a bill of materials (--sbom=FILE only keeps it)")
    with open_docker() as engine, tempfile.TemporaryDirectory(prefix="kubernaut-publish-") as folder:
        found = find_image(engine, image)
        _require_stamp(image, dict(found.labels or {}))
        kept = None
        if can_list and (can_sign or bill):
            kept = (bill or Path(folder) / "sbom.spdx.json").absolute()
            attestations.write_sbom(image, target.repository, kept)
        digest = push(engine, found, target, print_line=lambda line: echo(line, err=True))
        name = str(target.with_digest(digest))
        if can_sign:
            attestations.sign(name, kept, key)
    _print_omissions(listed=can_list, signed=can_sign, bill=bill)
    echo(name)


def _require_stamp(image: str, labels: dict[str, str]) -> None:

    label = labels.get(LABEL)
    content = ActionImage(image).read(PATH) if label else None
    if content is None:
        missing = LABEL if label is None else PATH
        raise InvalidInputs(f"{image} does not say what it offers (no {missing}); make it with `kubernaut build`.")
    if label != f"sha256:{sha256(content).hexdigest()}":
        raise InvalidInputs(
            f"{image} was changed after it was stamped: its {LABEL} is not the digest of its {PATH}; make it anew with "
            f"`kubernaut build`."
        )


def _print_omissions(*, listed: bool, signed: bool, bill: Path | None) -> None:
    """Print what was not done, and why."""
    if not listed:
        echo("no bill of materials: syft is not on PATH (--require-sbom makes this an error)", err=True)
    elif not signed and bill is None:
        echo("no bill of materials: cosign, which attaches it, is not on PATH (--sbom=FILE keeps it)", err=True)
    if not signed:
        echo("not signed: cosign is not on PATH (--require-signature makes this an error)", err=True)
