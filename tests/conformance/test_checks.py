"""Every way of breaking the contract fails exactly its own check. Shown on processes, which are quick."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS, CheckResult
from kubernaut_conformance.checks.run_checks import undeclared
from kubernaut_conformance.examine import examine
from kubernaut_conformance.installed import InstalledActions
from kubernaut_sdk import InvalidInputs

from .conftest import ACTION_CHECK_NAMES, BROKEN, MORE_WAYS, messages, scenarios

SHOWN = [check for check in ACTION_CHECK_NAMES if check != "read-only-root"]  # processes have no root of their own
WAYS = [*SHOWN, *MORE_WAYS]
QUICK = ["unknown-input", "plan-writes-nothing", "output-valid", "record-complete", "sigterm"]
"""A way to break one check of each kind; the slow test shows them all."""


def run_checks(broken: str, **options: object) -> list[CheckResult]:
    env = {"ACTION_MODULES": str(BROKEN / "flag.py"), "BROKEN": broken, "PATH": os.environ["PATH"]}
    return list(examine(InstalledActions(env), scenarios(broken), cwd=BROKEN, jobs=1, **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def results() -> dict[str, list[CheckResult]]:
    """The results of all checks for each way: over a thousand processes."""
    with ThreadPoolExecutor(8) as pool:  # most of the time they wait: for deadlines, and for a store that is away
        return dict(zip(WAYS, pool.map(run_checks, WAYS), strict=True))


def test_the_good_action_conforms() -> None:
    results = run_checks("")

    assert messages(results, "failed") == {}
    # the action is too quick to be killed while it applies, most of the time
    assert set(messages(results, "skipped")) - {"killed-while-applying"} == {
        "no-shell", "non-root", "not-applied-twice", "read-only-root", "spec-compatible", "spec-label",
        "unchanged-verified",
    }  # fmt: skip


OF_READING = {"dry-run-writes-nothing", "plan-writes-nothing", "scenario-runs", "second-run-unchanged"}


def reading(**inputs: object) -> list[CheckResult]:
    """Examine the action by a scenario that says that it only reads."""
    env = {"ACTION_MODULES": str(BROKEN / "flag.py"), "PATH": os.environ["PATH"]}
    [scenario] = scenarios("")
    only_reads = scenario.model_copy(update={"changes": False, "inputs": {**scenario.inputs, **inputs}})
    return list(examine(InstalledActions(env), [only_reads], cwd=BROKEN, jobs=1, only=[*OF_READING, "sigterm"]))


def test_an_action_that_only_reads_conforms() -> None:
    results = reading(on=False)  # as it is

    assert messages(results, "failed") == {}
    assert set(messages(results, "passed")) == OF_READING
    assert messages(results, "skipped") == {"sigterm": "the action only reads"}


def test_an_action_that_changes_something_does_not_only_read() -> None:
    failed = messages(reading(), "failed")

    assert failed == {"scenario-runs": "it changed something, and its scenario says that it only reads"}


@pytest.mark.parametrize(
    ("used", "declared", "left"),
    [
        ({"pods: get"}, {"pods: get"}, []),
        ({"pods: get", "apps/deployments: get"}, {"pods: get", "the object's own resource: get"}, []),
        (
            {"configmaps: get", "configmaps: patch"},
            {"the object's own resource: get"},
            ["configmaps: get", "configmaps: patch"],
        ),
        ({"configmaps: get", "secrets: get"}, {"the object's own resource: get"}, ["configmaps: get", "secrets: get"]),
        ({"ec2:RebootInstances"}, {"the object's own resource: get"}, ["ec2:RebootInstances"]),
    ],
)
def test_one_resource_may_stand_for_the_objects_own(used: set[str], declared: set[str], left: list[str]) -> None:
    assert undeclared(used, declared) == left


@pytest.mark.parametrize("way", QUICK)
def test_a_broken_action_fails_its_check(way: str) -> None:
    failed = messages(run_checks(way, only=[way.partition(":")[0]]), "failed")

    assert list(failed) == [way.partition(":")[0]]
    assert all(failed.values())


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_broken_action_fails_its_check_and_no_other(results: dict[str, list[CheckResult]], way: str) -> None:
    failed = messages(results[way], "failed")

    assert list(failed) == [way.partition(":")[0]]


def test_checks_can_be_chosen() -> None:
    assert [judgement.check.name for judgement in run_checks("", only=["unknown-input"])] == ["unknown-input"]
    with pytest.raises(InvalidInputs, match="there is no check unknwon-input"):
        run_checks("", only=["unknwon-input"])


def test_every_check_says_why_and_what_to_do() -> None:
    checks = {check.name: (check.reason, check.fix) for check in IMAGE_CHECKS}
    checks |= {check.name: (check.reason, check.fix) for check in ACTION_CHECKS}
    assert len(checks) == len(IMAGE_CHECKS) + len(ACTION_CHECKS)
    assert all(text.endswith((".", ".)")) and len(text) > 30 for texts in checks.values() for text in texts)
