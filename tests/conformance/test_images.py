"""The kit on real images: a good one conforms, and one that breaks a requirement fails the check for it."""

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import docker
import pytest

from kubernaut_conformance.checks import CheckResult
from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.spec import LABEL, PATH, ImageSpec, parse_spec

from .conftest import ACTION_CHECK_NAMES, BROKEN, IMAGE_CHECK_NAMES, messages, scenarios

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.docker]
ExamineVariant = Callable[..., list[CheckResult]]


@pytest.fixture(scope="module")
def flag_image(base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build an image with the SDK and the action of `broken/flag.py`, which keeps the contract unless BROKEN is set."""
    context, name = tmp_path_factory.mktemp("flag"), "kubernaut-test/flag:base"
    for path in [*BROKEN.glob("*.py"), *(ROOT / "build" / "wheels").glob("*.whl")]:
        (context / path.name).write_bytes(path.read_bytes())
    lines = [
        f"FROM {base}",
        "COPY *.whl /wheels/",
        'RUN ["python3", "-m", "venv", "/app"]',
        'RUN ["/app/bin/pip", "install", "--no-index", "--find-links=/wheels", "kubernaut-sdk"]',
        "COPY *.py /app/",
        "ENV ACTION_MODULES=/app/flag.py PATH=/app/bin:/usr/bin:/bin",
        "USER 65532:65532",
        'ENTRYPOINT ["kubernaut-action"]',
    ]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    argv = ["docker", "build", "--quiet", "--network=none", "--tag", name, str(context)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return name


@pytest.fixture(scope="module")
def make_variant(flag_image: str) -> Callable[[str], ActionImage]:
    """Return a function that makes an image which breaks one check; the empty name breaks none.

    A variant is the image with other settings and another spec file, committed from a container: a build takes longer.
    """
    engine = docker.from_env()
    spec = ActionImage(flag_image).ask("spec").stdout.encode()

    def make(broken: str) -> ActionImage:
        spec_bytes = spec
        if broken == "spec-compatible":
            document = json.loads(spec)
            document["actions"][0]["inputs"]["properties"]["comment"]["maxLength"] = 10
            spec_bytes = json.dumps(document).encode()
        digest = "0" * 64 if broken == "spec-label" else sha256(spec_bytes).hexdigest()
        changes = [
            f"ENV BROKEN={broken}",
            f"LABEL {LABEL}=sha256:{digest}",
            f"USER {'root' if broken == 'non-root' else '65532:65532'}",
        ]
        container = engine.containers.create(flag_image, command=["-"], network_mode="none")  # never started
        try:
            container.put_archive("/", _archive(PATH, spec_bytes))
            container.commit("kubernaut-test/flag", broken or "good", changes="\n".join(changes))
        finally:
            container.remove(force=True)
        return ActionImage(f"kubernaut-test/flag:{broken or 'good'}")

    return make


@pytest.fixture(scope="module")
def examine_variant(make_variant: Callable[[str], ActionImage]) -> ExamineVariant:
    """Return a function that examines the variant that breaks a check, with the given scenarios.

    The good image's spec is that of the earlier version, with which `spec-compatible` compares.
    """
    good = parse_spec(make_variant("").read(PATH) or b"")
    assert isinstance(good, ImageSpec)
    return lambda broken, scenarios, only=(): list(
        examine(make_variant(broken), scenarios, cwd=BROKEN, previous=good, only=only, jobs=1)
    )


def test_a_good_image_passes_what_only_an_image_can_show(examine_variant: ExamineVariant) -> None:
    found = examine_variant("", scenarios(""), [*IMAGE_CHECK_NAMES, "read-only-root", "record-complete"])

    assert messages(found, "failed") == {}
    assert messages(found, "skipped") == {}


@pytest.mark.slow
def test_the_good_image_conforms(examine_variant: ExamineVariant) -> None:
    found = examine_variant("", scenarios(""))

    assert messages(found, "failed") == {}
    assert set(messages(found, "skipped")) - {"killed-while-applying"} == {"not-applied-twice", "unchanged-verified"}
    assert messages(found, "advice") == {"no-shell": "it holds /bin/sh"}


@pytest.fixture(scope="module")
def found(examine_variant: ExamineVariant) -> dict[str, list[CheckResult]]:
    """Examine each broken image: for image checks all that needs no scenario, for the others only the check itself.

    That the other checks still pass is shown on processes.
    """
    with ThreadPoolExecutor(4) as pool:
        jobs = {check: pool.submit(examine_variant, check, ()) for check in IMAGE_CHECK_NAMES}
        jobs |= {check: pool.submit(examine_variant, check, scenarios(check), [check]) for check in ACTION_CHECK_NAMES}
        return {check: job.result() for check, job in jobs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("check", [*IMAGE_CHECK_NAMES, *ACTION_CHECK_NAMES])
def test_a_broken_image_fails_exactly_its_check(found: dict[str, list[CheckResult]], check: str) -> None:
    failed = messages(found[check], "failed")

    assert set(failed) == {check}, failed
    assert failed[check]


def _archive(path: str, content: bytes) -> bytes:
    """Return a tar archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode = len(content), 0o644
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
