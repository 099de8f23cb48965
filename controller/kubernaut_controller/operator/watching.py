"""The watches, which are kopf's: it resumes them and handles bookmarks, 410 and stalled connections.

Only kopf's low-level handlers (`on.event`) are used: they write no finalizer and no annotation, and need no state.
Label selectors apply in the API server, so that only our pods and TaskRuns are sent.
"""

import logging
from typing import Any

import kopf

from kubernaut_controller.crd import GROUP, VERSION
from kubernaut_controller.operator.api import ApiError
from kubernaut_controller.operator.connection import Logins
from kubernaut_controller.operator.logfilter import RepeatFilter
from kubernaut_controller.operator.remediationrequests import RemediationController
from kubernaut_controller.operator.workflows import WorkflowController

__all__ = ["kopf_settings", "registry_of"]

_OURS = "kubernaut.io/workflow"
_TALKATIVE = (
    "kopf.activities.startup",
    "kopf.activities.authentication",
    "kopf._cogs.aiokits.aiotasks",
    "kopf._cogs.clients.api",
    "kopf._cogs.clients.watching",
    "kopf._core.actions.execution",
    "kopf._core.actions.throttlers",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.queueing",
)
"""The loggers of kopf that report an API server that is away; a parent's filter does not apply to them."""


class _Nothing(kopf.DiffBaseStorage, kopf.ProgressStorage):
    """A storage for kopf that stores nothing and copies no object, since there are no handlers of changes."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return None, since nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Purge nothing."""

    def touch(self, **_: Any) -> None:
        """Touch no object."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence unchanged."""
        return essence


def kopf_settings(*, whole_cluster: bool = True) -> kopf.OperatorSettings:
    """Return kopf's settings with everything turned off that would write to the cluster.

    Args:
        whole_cluster: True to watch all namespaces. Otherwise kopf looks for no other namespaces, nor for kinds that
            are installed later, so that it lists nothing cluster-scoped.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = not whole_cluster
    settings.persistence.diffbase_storage = _Nothing()
    settings.persistence.progress_storage = _Nothing()
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = 75.0  # the API server sends a bookmark a minute
    settings.watching.connect_timeout = 10.0
    settings.watching.reconnect_backoff = 0.5
    settings.networking.request_timeout = 60.0
    settings.networking.enforce_retry_after = True
    settings.queueing.idle_timeout = 0.05  # a handler here takes no time, so a worker need not wait for more
    settings.queueing.exit_timeout = 2.0
    for kind in ("pipelineruns.tekton.dev", "taskruns.tekton.dev", "pods"):
        settings.watching.label_selectors[kind] = _OURS
    return settings


def registry_of(workflows: WorkflowController, remediations: RemediationController) -> kopf.OperatorRegistry:
    """Return the registry of kopf's handlers."""
    registry = kopf.OperatorRegistry()
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    quiet = RepeatFilter()
    for name in ("kopf", *_TALKATIVE):
        logger = logging.getLogger(name)
        logger.filters = [old for old in logger.filters if not isinstance(old, RepeatFilter)] + [quiet]

    logins = Logins()

    @kopf.on.login(registry=registry)
    async def login(settings: kopf.OperatorSettings, **_: Any) -> kopf.AiohttpSession:
        return await logins(settings)

    @kopf.on.startup(registry=registry, backoff=2)
    async def list_existing(**_: Any) -> None:
        try:
            await workflows.list_existing()
        except ApiError as error:
            raise kopf.TemporaryError(f"the workflows cannot be listed yet: {error}", delay=2) from None

    @kopf.on.event(GROUP, VERSION, "workflowexecutions", registry=registry)
    async def workflow(event: Any, **_: Any) -> None:
        workflows.on_event(event["type"], event["object"])

    @kopf.on.event(GROUP, VERSION, "remediationrequests", registry=registry)
    async def remediation(event: Any, **_: Any) -> None:
        remediations.on_event(event["type"], event["object"])

    @kopf.on.event("tekton.dev", "v1", "pipelineruns", registry=registry)
    async def pipeline_run(event: Any, **_: Any) -> None:
        workflows.on_child_event("PipelineRun", event["type"], event["object"])

    @kopf.on.event("tekton.dev", "v1", "taskruns", registry=registry)
    async def task_run(event: Any, **_: Any) -> None:
        workflows.on_child_event("TaskRun", event["type"], event["object"])

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pod(event: Any, **_: Any) -> None:
        workflows.on_child_event("Pod", event["type"], event["object"])

    return registry
