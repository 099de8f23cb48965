"""A controller whose PipelineRuns Tekton keeps pending: a thousand at once need no thousand pods.

It changes what is sent to the API server, so that it does not depend on where the controller renders a PipelineRun.
"""

from typing import Any

from kubernaut_controller.operator.__main__ import main
from kubernaut_controller.operator.api import Api, Kind

create = Api.create


async def create_pending(self: Api, kind: Kind, namespace: str | None, document: dict[str, Any]) -> dict[str, Any]:
    """Create an object; a PipelineRun as pending (Tekton's `spec.status`)."""
    if kind == "pipelineruns":
        document = {**document, "spec": {**document["spec"], "status": "PipelineRunPending"}}
    return await create(self, kind, namespace, document)


Api.create = create_pending  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
