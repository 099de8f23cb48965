"""The conformance kit: examines an action image from outside, as the generic Task runs it, in whatever language.

    from kubernaut_conformance import InstalledActions, examine, read_scenarios

    for result in examine(InstalledActions(), read_scenarios(Path("conformance.yaml"))):
        print(result.check.name, result.outcome, result.message)

Every name is imported on first use: pytest loads the kit's plugin in every run, and must not pay for the checks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernaut_conformance.checks import CheckResult
    from kubernaut_conformance.examine import examine
    from kubernaut_conformance.image import ActionImage
    from kubernaut_conformance.installed import InstalledActions
    from kubernaut_conformance.scenario import Scenario, read_scenarios

__all__ = ["ActionImage", "CheckResult", "InstalledActions", "Scenario", "examine", "read_scenarios"]

_MODULES = {
    "ActionImage": "image",
    "CheckResult": "checks",
    "InstalledActions": "installed",
    "Scenario": "scenario",
    "examine": "examine",
    "read_scenarios": "scenario",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
