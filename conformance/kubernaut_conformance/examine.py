"""The examination of an image: every check, of the image and of each of its actions."""

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
    runtime: ActionRuntime,
    scenarios: Sequence[Scenario] = (),
    *,
    cwd: Path | None = None,
    previous: ImageSpec | None = None,
    only: Collection[str] = (),
    jobs: int = 4,
) -> Iterator[CheckResult]:
    """Yield the result of every check, as soon as it is known.

    For an image's action without a scenario, only the handling of inputs is checked. Of the installed actions, which
    may come from many packages, only those with scenarios are examined.

    Args:
        runtime: The image, or the installed actions.
        scenarios: The scenarios for its actions.
        cwd: The folder in which the scenarios' commands run; by default the current one.
        previous: The spec of an earlier image of the same name.
        only: The names of the checks to make; by default all.
        jobs: The number of scenarios that run at once.

    Raises:
        InvalidInputs: if there is no such check, or a scenario cannot be set up.
    """
    image_checks, action_checks = _select(IMAGE_CHECKS, only), _select(ACTION_CHECKS, only)
    _require_checks(only)
    image = ImageExamination(runtime, previous)
    actions = image.spec.actions if isinstance(image.spec, ImageSpec) else []
    _require_known(scenarios, actions)
    for image_check in image_checks:
        yield run_check(image_check, image, "image")
    pairs: list[tuple[ActionSpec, Scenario | None]] = []
    for action in actions if action_checks else ():
        without_scenario: list[tuple[ActionSpec, Scenario | None]] = [(action, None)] if image.image else []
        pairs += [(action, item) for item in scenarios if item.action == action.action_type] or without_scenario

    with _running_store() as store, ThreadPoolExecutor(jobs) as pool:

        def check_action(action: ActionSpec, scenario: Scenario | None) -> list[CheckResult]:
            title = scenario.title if scenario else action.action_type
            with _examination(runtime, action, store, scenario, cwd or Path.cwd()) as examination:
                return [run_check(check, examination, title) for check in action_checks]

        for found in pool.map(check_action, *zip(*pairs, strict=True)) if pairs else ():
            yield from found


@contextmanager
def _examination(
    runtime: ActionRuntime, action: ActionSpec, store: str, scenario: Scenario | None, cwd: Path
) -> Iterator[ActionExamination]:
    with ExitStack() as stack:
        environment = None
        if scenario is not None:
            # files that containers wrote may belong to another user
            temporary = tempfile.TemporaryDirectory(prefix="kubernaut-conform-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(temporary))
            folder.chmod(0o755)
            environment = stack.enter_context(scenario_environment(scenario, cwd, folder, runtime))
        examination = ActionExamination(runtime, action, store, environment)
        _ = examination.first_run  # shows if the other runs need a writable root
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


def _select(checks: "Sequence[ConformanceCheck[Any]]", only: Collection[str]) -> "list[ConformanceCheck[Any]]":
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
