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
    from kubernaut_cli.conformance.checks import Judgement
    from kubernaut_cli.conformance.subject import Subject

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
        from kubernaut_cli.conformance.checks import ACTION_CHECKS, IMAGE_CHECKS  # noqa: PLC0415
        from kubernaut_cli.conformance.scenario import read_scenarios  # noqa: PLC0415
        from kubernaut_controller import InvalidWorkflow  # noqa: PLC0415

        try:
            titles = [scenario.title for scenario in read_scenarios(self.path)]
        except InvalidWorkflow as error:
            raise self.CollectError("\n".join(str(fault) for fault in error.faults)) from None
        subjects = [("image", check.name) for check in IMAGE_CHECKS]
        subjects += [(title, check.name) for title in titles for check in ACTION_CHECKS]
        for subject, check in subjects:
            yield CheckItem.from_parent(self, name=f"{check}[{subject}]", subject=subject, check=check)

    @cached_property
    def judgements(self) -> "dict[tuple[str, str], Judgement]":
        """What the kit found by the checks that were selected, by subject and check."""
        from kubernaut_cli.conformance.examine import examine  # noqa: PLC0415
        from kubernaut_cli.conformance.scenario import read_scenarios  # noqa: PLC0415

        only = {item.check for item in self.session.items if isinstance(item, CheckItem) and item.parent is self}
        found = examine(self._examined(), read_scenarios(self.path), cwd=self.path.parent, only=only)
        return {(judgement.subject, judgement.check.name): judgement for judgement in found}

    def _examined(self) -> "Subject":
        from kubernaut_cli.conformance.image import Image  # noqa: PLC0415
        from kubernaut_cli.conformance.installed import Installed  # noqa: PLC0415

        image = self.config.getoption("--conform-image")
        return Image(image) if image else Installed()


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
            judgement = self.parent.judgements[self.subject, self.check]
        except ActionError as error:
            pytest.fail(error.message, pytrace=False)
        match judgement.outcome:
            case "failed":
                check = judgement.check
                pytest.fail(f"{judgement.message}\n  why  {check.reason}\n  fix  {check.fix}", pytrace=False)
            case "skipped":
                pytest.skip(judgement.message)
            case "advice":
                self.add_report_section("call", "advice", f"{judgement.message}. {judgement.check.fix}")

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands."""
        return self.path, None, self.name
