"""The kit as a pytest plugin: `pytest conformance.yaml --conform-image IMAGE`, or `--conform-installed`.

Every check of every scenario becomes a test of its own. Loaded by pytest wherever this package is installed, so what it
needs is imported only when it is asked for.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kubernaut_conformance.checks import CheckResult
    from kubernaut_conformance.runtime import ActionRuntime

__all__ = ["ScenarioFile", "pytest_addoption", "pytest_collect_file"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("kubernaut", "conformance of action images")
    group.addoption("--conform-image", metavar="IMAGE", help="examine this image by the conformance.yaml files")
    group.addoption("--conform-installed", action="store_true", help="examine the installed actions by them")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Takes conformance.yaml files, where there is something to examine by them."""
    asked = parent.config.getoption("--conform-image") or parent.config.getoption("--conform-installed")
    if file_path.name != "conformance.yaml" or not asked:
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A file of scenarios; examined once, when the first of its checks is run."""

    def collect(self) -> Iterator["CheckItem"]:
        """A test for each check of the image and of each of its actions."""
        from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS  # noqa: PLC0415
        from kubernaut_conformance.scenario import read_scenarios  # noqa: PLC0415
        from kubernaut_sdk import InvalidInputs  # noqa: PLC0415

        try:
            titles = [scenario.title for scenario in read_scenarios(self.path)]
        except InvalidInputs as error:
            raise self.CollectError(error.message) from None
        subjects = [("image", check.name) for check in IMAGE_CHECKS]
        subjects += [(title, check.name) for title in titles for check in ACTION_CHECKS]
        for subject, check in subjects:
            yield CheckItem.from_parent(self, name=f"{check}[{subject}]", subject=subject, check=check)

    @cached_property
    def results(self) -> "dict[tuple[str, str], CheckResult]":
        """What the kit found by the checks that were selected, by subject and check."""
        from kubernaut_conformance.examine import examine  # noqa: PLC0415
        from kubernaut_conformance.scenario import read_scenarios  # noqa: PLC0415

        only = {item.check for item in self.session.items if isinstance(item, CheckItem) and item.parent is self}
        found = examine(self._examined(), read_scenarios(self.path), cwd=self.path.parent, only=only)
        return {(result.subject, result.check.name): result for result in found}

    def _examined(self) -> "ActionRuntime":
        from kubernaut_conformance.image import ActionImage  # noqa: PLC0415
        from kubernaut_conformance.installed import InstalledActions  # noqa: PLC0415

        image = self.config.getoption("--conform-image")
        return ActionImage(image) if image else InstalledActions()


class CheckItem(pytest.Item):
    """One check.

    Args:
        subject: The image, or a scenario's title.
        check: Its name.
    """

    def __init__(self, *, subject: str, check: str, **known: Any) -> None:
        super().__init__(**known)
        self.subject, self.check = subject, check

    def runtest(self) -> None:
        """Passes, fails with what was found, why it matters and what to do, or is skipped with the reason."""
        from kubernaut_sdk import ActionError  # noqa: PLC0415

        assert isinstance(self.parent, ScenarioFile)
        try:
            result = self.parent.results[self.subject, self.check]
        except ActionError as error:
            pytest.fail(error.message, pytrace=False)
        match result.outcome:
            case "failed":
                check = result.check
                pytest.fail(f"{result.message}\n  why  {check.reason}\n  fix  {check.fix}", pytrace=False)
            case "skipped":
                pytest.skip(result.message)
            case "advice":
                self.add_report_section("call", "advice", f"{result.message}. {result.check.fix}")

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands."""
        return self.path, None, self.name
