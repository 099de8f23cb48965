"""The kit as a pytest plugin: `pytest conformance.yaml --conform-image IMAGE`, or `--conform-installed`.

Every check of every scenario becomes a test of its own. pytest loads this module in every run wherever the kit is
installed, so the kit is imported only when a scenario file is collected.
"""

from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kubernaut_conformance.checks import CheckResult
    from kubernaut_conformance.runtime import ActionRuntime

__all__ = ["ScenarioFile", "pytest_addoption", "pytest_collect_file"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("kubernaut", "conformance of action images")
    group.addoption("--conform-image", metavar="IMAGE", help="examine this image by the conformance.yaml files")
    group.addoption("--conform-installed", action="store_true", help="examine the installed actions by them")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Collect conformance.yaml files, if one of the options says what to examine."""
    asked = parent.config.getoption("--conform-image") or parent.config.getoption("--conform-installed")
    if file_path.name != "conformance.yaml" or not asked:
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A file of scenarios; the examination is made once, when the first of its checks runs."""

    def collect(self) -> Iterator["CheckItem"]:
        """Yield a test for each check of the image and of each scenario."""
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
        """The results of the selected checks, by subject and name."""
        from kubernaut_conformance.examine import examine  # noqa: PLC0415
        from kubernaut_conformance.scenario import read_scenarios  # noqa: PLC0415

        only = {item.check for item in self.session.items if isinstance(item, CheckItem) and item.parent is self}
        found = examine(self._runtime(), read_scenarios(self.path), cwd=self.path.parent, only=only)
        return {(result.subject, result.check.name): result for result in found}

    def _runtime(self) -> "ActionRuntime":
        image = self.config.getoption("--conform-image")
        if not image:
            from kubernaut_conformance.installed import InstalledActions  # noqa: PLC0415

            return InstalledActions()
        if find_spec("docker") is None:
            from kubernaut_sdk import PreconditionFailed  # noqa: PLC0415

            raise PreconditionFailed(
                "an image is examined by the Docker client, which is not installed; "
                "`pip install 'kubernaut-conformance[docker]'` brings it."
            )
        from kubernaut_conformance.image import ActionImage  # noqa: PLC0415

        return ActionImage(image)


class CheckItem(pytest.Item):
    """One check as a test.

    Args:
        subject: The image, or a scenario's title.
        check: The name of the check.
    """

    def __init__(self, *, subject: str, check: str, **known: Any) -> None:
        super().__init__(**known)
        self.subject, self.check = subject, check

    def runtest(self) -> None:
        """Pass; fail with the finding, the reason and the fix; or skip with the reason."""
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
        """Return the place that pytest reports."""
        return self.path, None, self.name
