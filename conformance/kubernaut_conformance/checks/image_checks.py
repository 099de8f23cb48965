"""Checks of an image's spec, label, user and files."""

from hashlib import sha256

from kubernaut_conformance import spec as specs
from kubernaut_conformance.checks.check import CheckFailed, CheckSkipped, ConformanceCheck, register_in, require
from kubernaut_conformance.compatibility import find_breaking_changes
from kubernaut_conformance.examination import ImageExamination
from kubernaut_conformance.runtime import ImageRuntime
from kubernaut_sdk.portable import shorten

__all__ = ["IMAGE_CHECKS"]

IMAGE_CHECKS: list[ConformanceCheck[ImageExamination]] = []
_check = register_in(IMAGE_CHECKS)


def _spec(image: ImageExamination) -> specs.ImageSpec:
    if isinstance(image.spec, str):
        raise CheckSkipped(f"the spec cannot be read: {image.spec}")
    return image.spec


def _image(examination: ImageExamination) -> ImageRuntime:
    if examination.image is None:
        raise CheckSkipped("these are processes; only an image has labels, a user and a root")
    return examination.image


@_check(
    "spec-offline",
    "Catalogues and workflow validation read the spec before anything is reachable.",
    "Let `kubernaut-action spec` print its JSON with no network, no inputs and no environment, and exit 0.",
)
def _(image: ImageExamination) -> None:
    ended = image.spec_run
    require(ended.exit_code == 0, f"`spec` ended with {ended.exit_code}: {shorten(ended.stderr.strip()[-300:], 300)}")
    require(ended.stdout.strip().startswith("{"), f"`spec` printed {shorten(ended.stdout)}")


@_check(
    "spec-valid",
    "Inputs are checked against these schemas long before the action runs.",
    "Give the spec all fields, JSON Schemas of objects that refuse unknown inputs, and valid examples.",
)
def _(image: ImageExamination) -> None:
    if image.spec_run.exit_code != 0 and image.spec_file is None:
        raise CheckSkipped("there is no spec")
    if isinstance(image.spec, str):
        raise CheckFailed(image.spec)
    for problem in specs.find_spec_faults(image.spec):
        raise CheckFailed(problem)


@_check(
    "spec-label",
    "The label shows, without pulling the image, if the spec has changed.",
    f"Write the output of `spec` to {specs.PATH} and label the image {specs.LABEL}=sha256:<digest of that file>; `kubernaut build` does both.",
)
def _(image: ImageExamination) -> None:
    file, label = image.spec_file, _image(image).labels.get(specs.LABEL)
    require(file is not None, f"there is no {specs.PATH}")
    require(label, f"there is no label {specs.LABEL}")
    digest = f"sha256:{sha256(file or b'').hexdigest()}"
    require(label == digest, f"the label says {label}, the file is {digest}")
    if not isinstance(image.spec, str) and image.spec_run.exit_code == 0:
        require(specs.parse_spec(file or b"") == image.spec, f"{specs.PATH} and the verb `spec` say different things")


@_check(
    "spec-compatible",
    "Workflows written for the previous image must still run with this one.",
    "Add only optional inputs and keep the results; or give the new behaviour an action type of its own.",
)
def _(image: ImageExamination) -> None:
    if image.previous is None:
        raise CheckSkipped("no earlier image was named (--previous)")
    problems = list(find_breaking_changes(image.previous, _spec(image)))
    require(not problems, "; ".join(problems))


@_check(
    "non-root",
    "Clusters with Pod Security `restricted` start no container as root.",
    "Set `USER 65532:65532` in the Dockerfile: a number, because the kubelet cannot check a name before the start.",
)
def _(image: ImageExamination) -> None:
    user = _image(image).user.partition(":")[0]
    require(user.isdigit() and int(user) != 0, f"its user is {user or 'root, since none is set'}")


@_check(
    "no-shell",
    "An attacker who gets into the container can use its programs. (The contract does not forbid a shell.)",
    "Use a base image without one, such as a distroless image.",
    advice=True,
)
def _(image: ImageExamination) -> None:
    require(not _image(image).holds("/bin/sh"), "it holds /bin/sh")
