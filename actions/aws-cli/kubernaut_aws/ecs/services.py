"""ECS services as the actions read them."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.session import Aws
from kubernaut_sdk import NotFound, PreconditionFailed

__all__ = ["ServiceInputs", "find_service", "last_event", "primary_of"]


class ServiceInputs(AwsInputs):
    """The inputs of every action for an ECS service."""

    cluster: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]{1,255}$", max_length=255, description="The ECS cluster.")
    ] = "default"
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,255}$", max_length=255, description="The service.")]


def find_service(aws: Aws, cluster: str, service: str) -> dict[str, Any]:
    """Return an active service that ECS itself deploys, with replicas.

    Raises:
        NotFound: if there is none.
        PreconditionFailed: if something else deploys it, or it runs one task on every machine.
    """
    what = f"describe the service {service} of cluster {cluster}"
    answer = aws.call(what, "ecs", "describe_services", cluster=cluster, services=[service])
    found: dict[str, Any] | None = next(iter(answer.get("services", ())), None)
    if found is None or found["status"] != "ACTIVE":
        state = f"is {found['status']}" if found else "does not exist"
        raise NotFound(f"the service {service} of cluster {cluster} in {aws.region} {state}.")
    controller = found.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        raise PreconditionFailed(
            f"the service {service} is deployed by {controller}, not by ECS; deploy it there.", reason="Owned"
        )
    if found.get("schedulingStrategy") == "DAEMON":
        raise PreconditionFailed(f"the service {service} is a DAEMON: it has a task on every machine, and no number.")
    return found


def primary_of(service: dict[str, Any]) -> dict[str, Any]:
    """Return the deployment that ECS rolls out, or has."""
    listed: list[dict[str, Any]] = service.get("deployments", [])
    found = next((item for item in listed if item["status"] == "PRIMARY"), None)
    if found is None:
        raise PreconditionFailed(f"the service {service['serviceName']} has no primary deployment.")
    return found


def last_event(service: dict[str, Any]) -> str:
    """Return what ECS last told of a service, as the rest of a sentence, or nothing."""
    events = sorted(service.get("events", ()), key=lambda event: event["createdAt"])
    return f"; ECS says: {events[-1]['message'].rstrip('.')}" if events else ""
