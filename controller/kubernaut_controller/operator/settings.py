"""The controller's settings, from its command line and environment."""

from dataclasses import dataclass, field
from pathlib import Path

from kubernaut_controller.reconciling.policy import Policy

__all__ = ["ControllerSettings"]


@dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """The settings of one controller.

    Attributes:
        policy: The settings on which decisions depend.
        namespace: The controller's own namespace, which holds the locks.
        watched: The namespaces to watch; all, where there are none.
        data_storage_url: The address of Data Storage, or None.
        data_storage_token_file: The file with the bearer token for Data Storage.
        host: The address on which health and metrics are served.
        port: The port; 0 serves them nowhere.
    """

    policy: Policy = field(default_factory=Policy)
    namespace: str = "kubernaut-system"
    watched: tuple[str, ...] = ()
    data_storage_url: str | None = None
    data_storage_token_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8081
