"""Actions that change AWS.

The names are imported when they are first used: a step imports the module of its action alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernaut_aws.autoscaling import set_desired_capacity
    from kubernaut_aws.instances import reboot_instances

__all__ = ["reboot_instances", "set_desired_capacity"]

_MODULES = {
    "reboot_instances": "instances",
    "set_desired_capacity": "autoscaling",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
