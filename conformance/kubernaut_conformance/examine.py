"""Examining an image: every check, of the image and of each of its actions."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS, CheckResult, ConformanceCheck, run_check
from kubernaut_conformance.environment import scenario_environment
from kubernaut_conformance.examination import ActionExamination, ImageExamination
from kubernaut_conformance.memory_store import MemoryStore
from kubernaut_conformance.runtime import ActionRuntime
from kubernaut_conformance.scenario import Scenario
from kubernaut_conformance.spec import ActionSpec, ImageSpec
from kubernaut_sdk import InvalidInputs

__all__ = ["examine"]


def examine(
    subject: ActionRuntime,
    scenarios: Sequence[Scenario] = (),
    *,
    cwd: Path | None = None,
    previous: ImageSpec | None = None,
    only: Collection[str] = (),
    jobs: int = 4,
) -> Iterator[CheckResult]:
    """Every judgement, as soon as it is known.

    An action of an image without a scenario is examined only as far as its inputs go; of the installed actions, which
    may be of many packages, only those with scenarios are examined.

    Args:
        subject: What is examined.
        scenarios: How its actions can be tried.
        cwd: Where the scenarios' commands run.
        previous: What an earlier image of the same name said of itself.
        only: The names of the checks that are made; all by default.
        jobs: How many scenarios take place at once.

    Raises:
        InvalidInputs: if there is no such check, or a scenario cannot take place.
    """
    image_checks, action_checks = _chosen(IMAGE_CHECKS, only), _chosen(ACTION_CHECKS, only)
    _require_checks(only)
    whole = ImageExamination(subject, previous)
    actions = whole.spec.actions if isinstance(whole.spec, ImageSpec) else []
    _require_known(scenarios, actions)
    for image_check in image_checks:
        yield run_check(image_check, whole, "image")
    tries: list[tuple[ActionSpec, Scenario | None]] = []
    for action in actions if action_checks else ():
        storage_unreachable_run: list[tuple[ActionSpec, Scenario | None]] = [(action, None)] if whole.image else []
        tries += [(action, item) for item in scenarios if item.action == action.action_type] or storage_unreachable_run

    with _running_store() as store, ThreadPoolExecutor(jobs) as pool:

        def results(action: ActionSpec, scenario: Scenario | None) -> list[CheckResult]:
            title = scenario.title if scenario else action.action_type
            with _examination(subject, action, store, scenario, cwd or Path.cwd()) as examination:
                return [run_check(check, examination, title) for check in action_checks]

        for found in pool.map(results, *zip(*tries, strict=True)) if tries else ():
            yield from found


@contextmanager
def _examination(
    subject: ActionRuntime, action: ActionSpec, store: str, scenario: Scenario | None, cwd: Path
) -> Iterator[ActionExamination]:
    with ExitStack() as stack:
        world = None
        if scenario is not None:
            # what containers wrote there may belong to another user
            temporary = tempfile.TemporaryDirectory(prefix="kubernaut-conform-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(temporary))
            folder.chmod(0o755)
            world = stack.enter_context(scenario_environment(scenario, cwd, folder, subject))
        examination = ActionExamination(subject, action, store, world)
        _ = examination.first_run  # it tells whether the others need a writable root
        yield examination


@contextmanager
def _running_store() -> Iterator[str]:
    """Run the Data Storage Service, or the kit's own small one where that is not installed; yield its address."""
    if find_spec("kubernaut_datastorage") is None:
        store = MemoryStore()
        try:
            yield store.url
        finally:
            store.close()
        return
    from kubernaut_datastorage import embedded  # noqa: PLC0415 – the extra `[store]`, and half a second of libraries

    with tempfile.TemporaryDirectory(prefix="kubernaut-conform-") as folder, embedded(Path(folder)) as service:
        yield service.url


def _chosen(checks: "Sequence[ConformanceCheck[Any]]", only: Collection[str]) -> "list[ConformanceCheck[Any]]":
    return [check for check in checks if not only or check.name in only]


def _require_checks(names: Collection[str]) -> None:
    known = {check.name for check in IMAGE_CHECKS} | {check.name for check in ACTION_CHECKS}
    if unknown := sorted(set(names) - known):
        raise InvalidInputs(f"there is no check {', '.join(unknown)}; `kubernaut conform --list` prints all.")


def _require_known(scenarios: Sequence[Scenario], actions: Sequence[ActionSpec]) -> None:
    known = [action.action_type for action in actions]
    for scenario in scenarios:
        if actions and scenario.action not in known:
            raise InvalidInputs(f"a scenario is of {scenario.action}; there is {', '.join(known)}.")
