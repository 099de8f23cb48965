"""What an image says of itself, and how it is made."""

from hashlib import sha256

from kubernaut_cli.conformance import spec as specs
from kubernaut_cli.conformance.checks.check import Check, NotApplicable, Unmet, adds_to, unless
from kubernaut_cli.conformance.compatibility import breaks
from kubernaut_cli.conformance.examination import ImageExamination
from kubernaut_cli.conformance.image import Image
from kubernaut_sdk.portable import shorten

__all__ = ["IMAGE_CHECKS"]

IMAGE_CHECKS: list[Check[ImageExamination]] = []
_check = adds_to(IMAGE_CHECKS)


def _spec(image: ImageExamination) -> specs.ImageSpec:
    if isinstance(image.spec, str):
        raise NotApplicable(f"the spec cannot be read: {image.spec}")
    return image.spec


def _image(examination: ImageExamination) -> Image:
    if examination.image is None:
        raise NotApplicable("these are processes; only an image has labels, a user and a root")
    return examination.image


@_check(
    "spec-offline",
    "Catalogues and workflow validation read what an image can do before anything is reachable.",
    "Let `kubernaut-action spec` print its JSON with no network, no inputs and no environment, and exit 0.",
)
def _(image: ImageExamination) -> None:
    ended = image.offline
    unless(ended.exit_code == 0, f"`spec` ended with {ended.exit_code}: {shorten(ended.stderr.strip()[-300:], 300)}")
    unless(ended.stdout.strip().startswith("{"), f"`spec` printed {shorten(ended.stdout)}")


@_check(
    "spec-valid",
    "Inputs are checked against these schemas long before the action runs.",
    "Mend the spec: all fields, JSON Schemas of objects that refuse unknown inputs, examples that are valid.",
)
def _(image: ImageExamination) -> None:
    if image.offline.exit_code != 0 and image.file is None:
        raise NotApplicable("there is no spec")
    if isinstance(image.spec, str):
        raise Unmet(image.spec)
    for problem in specs.faults(image.spec):
        raise Unmet(problem)


@_check(
    "spec-label",
    "Who has only the image's name can tell by the label whether what it offers has changed.",
    f"Write the output of `spec` to {specs.PATH} and label the image {specs.LABEL}=sha256:<digest of that file>; `kubernaut build` does both.",
)
def _(image: ImageExamination) -> None:
    file, label = image.file, _image(image).labels.get(specs.LABEL)
    unless(file is not None, f"there is no {specs.PATH}")
    unless(label, f"there is no label {specs.LABEL}")
    digest = f"sha256:{sha256(file or b'').hexdigest()}"
    unless(label == digest, f"the label says {label}, the file is {digest}")
    if not isinstance(image.spec, str) and image.offline.exit_code == 0:
        unless(specs.parse(file or b"") == image.spec, f"{specs.PATH} and the verb `spec` say different things")


@_check(
    "spec-compatible",
    "Workflows that were written for the image before must still run with this one.",
    "Add optional inputs instead, keep what results say; or give what is new an action type of its own.",
)
def _(image: ImageExamination) -> None:
    if image.previous is None:
        raise NotApplicable("no earlier image was named (--previous)")
    problems = list(breaks(image.previous, _spec(image)))
    unless(not problems, "; ".join(problems))


@_check(
    "non-root",
    "Clusters with Pod Security `restricted` start no container as root.",
    "Set `USER 65532:65532` in the Dockerfile: a number, since names cannot be checked before the start.",
)
def _(image: ImageExamination) -> None:
    user = _image(image).user.partition(":")[0]
    unless(user.isdigit() and int(user) != 0, f"its user is {user or 'root, since none is set'}")


@_check(
    "no-shell",
    "What is not in the image cannot be used by who breaks into it. (The contract does not forbid it.)",
    "Take a base without one, such as a distroless image.",
    advice=True,
)
def _(image: ImageExamination) -> None:
    unless(not _image(image).holds("/bin/sh"), "it holds /bin/sh")
