"""The controller's settings, from its command line and environment."""

from dataclasses import dataclass, field
from pathlib import Path

from kubernaut_controller.reconciling.policy import Policy

__all__ = ["ControllerSettings"]


@dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """The settings of one controller.

    Attributes:
        policy: What decisions depend on.
        namespace: The controller's own, where locks are.
        watched: The namespaces to serve; all, where there are none.
        data_storage_url: Where records go, or None.
        data_storage_token_file: Its bearer token.
        host: Where health and metrics are served.
        port: The same; 0 serves them nowhere.
    """

    policy: Policy = field(default_factory=Policy)
    namespace: str = "kubernaut-system"
    watched: tuple[str, ...] = ()
    data_storage_url: str | None = None
    data_storage_token_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8081
