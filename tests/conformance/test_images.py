"""The kit on real images: ours conform, and each that breaks one thing fails by the check for that, and by no other."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from kubernaut_cli.conformance.checks import ACTION_CHECKS, IMAGE_CHECKS, Judgement
from kubernaut_cli.conformance.examine import examine
from kubernaut_cli.conformance.image import Image
from kubernaut_cli.conformance.scenario import read_scenarios
from kubernaut_cli.conformance.spec import PATH, ImageSpec, parse

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).parent / "broken"
FAILING = [check.name for check in IMAGE_CHECKS if not check.advice] + [check.name for check in ACTION_CHECKS]
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("conformance")]


def docker_build(context: Path, name: str, lines: list[str]) -> None:
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["docker", "build", "--quiet", "--network=none", "--tag", name, str(context)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def variant(base: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Builds the image that breaks one check, or none."""
    folder = tmp_path_factory.mktemp("broken")
    wheels = ROOT / "build" / "wheels"
    whole = folder / "whole"
    whole.mkdir()
    for path in [*BROKEN.glob("*.py"), *wheels.glob("*.whl")]:
        (whole / path.name).write_bytes(path.read_bytes())
    lines = [
        f"FROM {base}",
        "COPY *.whl /wheels/",
        'RUN ["python3", "-m", "venv", "/app"]',
        'RUN ["/app/bin/pip", "install", "--no-index", "--find-links=/wheels", "kubernaut-sdk"]',
        "COPY *.py /app/",
        "ENV ACTION_MODULES=/app/flag.py PATH=/app/bin:/usr/bin:/bin",
    ]
    docker_build(whole, "kubernaut-test/flag:whole", lines)

    def build(check: str) -> str:
        name = f"kubernaut-test/flag:{check or 'good'}"
        env = {"ACTION_MODULES": str(BROKEN / "flag.py"), "BROKEN": check, "ACTION_TYPE": "feature/set_flag"}
        told = subprocess.run([sys.executable, "-m", "kubernaut_sdk", "spec"], env=env, capture_output=True, check=True)
        context = folder / (check or "good")
        context.mkdir()
        (context / "spec.json").write_bytes(told.stdout)
        digest = sha256(told.stdout).hexdigest() if check != "spec-label" else "0" * 64
        lines = [
            "FROM kubernaut-test/flag:whole",
            "COPY spec.json /kubernaut/spec.json",
            f"ENV BROKEN={check}",
            f"LABEL io.kubernaut.spec.digest=sha256:{digest}",
            f"USER {'root' if check == 'non-root' else '65532:65532'}",
            'ENTRYPOINT ["kubernaut-action"]',
        ]
        docker_build(context, name, lines)
        return name

    return build


@pytest.fixture(scope="module")
def judged(variant: Callable[[str], str]) -> dict[str, list[Judgement]]:
    """What the kit finds in the good image (the empty name) and in each broken one."""
    names = {check: variant(check) for check in ["", *FAILING]}
    good = parse(Image(names[""]).read(PATH) or b"")
    assert isinstance(good, ImageSpec)

    def one(name: str) -> list[Judgement]:
        scenarios = read_scenarios(BROKEN / "conformance.yaml")
        return list(examine(Image(name), scenarios, cwd=BROKEN, previous=good, jobs=1))

    with ThreadPoolExecutor(8) as pool:  # most of the time they wait: for deadlines, and for a store that is away
        return dict(zip(names, pool.map(one, names.values()), strict=True))


def told(judgements: list[Judgement], outcome: str) -> dict[str, str]:
    return {judgement.check.name: judgement.message for judgement in judgements if judgement.outcome == outcome}


def test_the_good_image_conforms(judged: dict[str, list[Judgement]]) -> None:
    assert told(judged[""], "failed") == {}
    assert set(told(judged[""], "skipped")) == {"not-applied-twice"}
    assert told(judged[""], "advice") == {"no-shell": "it holds /bin/sh"}


@pytest.mark.parametrize("check", FAILING)
def test_a_broken_image_fails_exactly_its_check(judged: dict[str, list[Judgement]], check: str) -> None:
    failed = told(judged[check], "failed")

    assert set(failed) == {check}, failed
    assert failed[check]
