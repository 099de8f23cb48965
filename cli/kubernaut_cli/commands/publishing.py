"""`kubernaut publish`: an action image in a registry, by its digest."""

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import click

from kubernaut_cli.terminal import echo
from kubernaut_sdk import InvalidInputs

__all__ = ["publish"]


@click.command()
@click.argument("image")
@click.argument("reference", required=False)
@click.option("--registry", metavar="HOST[/PATH]", help="Where it goes under its own name.")
@click.option(
    "--sbom", "bill", type=click.Path(path_type=Path, dir_okay=False), help="Keep the bill of materials here."
)
@click.option("--key", help="What cosign signs with, such as a file or a KMS's address. By default keyless.")
@click.option("--require-sbom", is_flag=True, help="Publish nothing without a bill of materials.")
@click.option("--require-signature", is_flag=True, help="Publish nothing where it cannot be signed.")
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

    It goes to REFERENCE; to --registry; to the registry that IMAGE names; or, where the git remote `origin` is on
    GitHub, to ghcr.io under that repository's name. Credentials are Docker's own (`docker login`).

    Where syft is on PATH, a bill of materials (SPDX) is made; where cosign is, it is attached, and the image signed.

    Exit code: 2 the image or a name cannot be used, 3 no engine, no registry or no right, 1 anything else.
    """
    # libraries that `kubernaut --help` need not pay for
    from kubernaut_cli.images import engine as engines  # noqa: PLC0415
    from kubernaut_cli.images import evidence  # noqa: PLC0415
    from kubernaut_cli.images.destination import destination  # noqa: PLC0415
    from kubernaut_cli.images.origin import origin_of  # noqa: PLC0415
    from kubernaut_cli.images.push import push  # noqa: PLC0415

    target = destination(image, reference, registry, origin_of(Path.cwd()))
    signed, listed = shutil.which("cosign") is not None, shutil.which("syft") is not None
    if require_signature or key:
        evidence.required("cosign", "a signature")
    if require_sbom or bill:
        evidence.required("syft", "a bill of materials")
    if require_sbom and bill is None:
        evidence.required("cosign", "attaching a bill of materials (--sbom=FILE only keeps it)")
    with engines.opened() as engine, tempfile.TemporaryDirectory(prefix="kubernaut-publish-") as folder:
        found = engines.image_here(engine, image)
        _require_stamp(image, dict(found.labels or {}))
        kept = None
        if listed and (signed or bill):
            kept = (bill or Path(folder) / "sbom.spdx.json").absolute()
            evidence.bill_of_materials(image, target.repository, kept)
        digest = push(engine, found, target, say=lambda line: echo(line, err=True))
        name = str(target.at(digest))
        if signed:
            evidence.sign(name, kept, key)
    _tell(listed=listed, signed=signed, bill=bill)
    echo(name)


def _require_stamp(image: str, labels: dict[str, str]) -> None:
    from kubernaut_conformance.image import ActionImage  # noqa: PLC0415
    from kubernaut_conformance.spec import LABEL, PATH  # noqa: PLC0415

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


def _tell(*, listed: bool, signed: bool, bill: Path | None) -> None:
    """What was not done, and why."""
    if not listed:
        echo("no bill of materials: syft is not on PATH (--require-sbom makes this an error)", err=True)
    elif not signed and bill is None:
        echo("no bill of materials: cosign, which attaches it, is not on PATH (--sbom=FILE keeps it)", err=True)
    if not signed:
        echo("not signed: cosign is not on PATH (--require-signature makes this an error)", err=True)
