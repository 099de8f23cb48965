"""Actions that change Kubernetes through kubectl.

The names are imported when they are first used: a step imports the module of its action alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernaut_kubectl.deployments import scale
    from kubernaut_kubectl.nodes import cordon, uncordon
    from kubernaut_kubectl.rollouts import restart, rollback

__all__ = ["cordon", "restart", "rollback", "scale", "uncordon"]

_MODULES = {
    "cordon": "nodes",
    "restart": "rollouts",
    "rollback": "rollouts",
    "scale": "deployments",
    "uncordon": "nodes",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
