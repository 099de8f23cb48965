"""The action kubernetes/set_image."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.patches import Operation, swap, unchanged
from kubernaut_kubectl.cluster.reasons import in_order
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.diagnosis import newest_pods
from kubernaut_kubectl.rollouts.goal import check_rollout, require_rollout
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.containers import (
    ContainerInputs,
    container_of,
    read_container,
    register_container_target,
)
from kubernaut_kubectl.workloads.daemons import note_unready_nodes
from kubernaut_kubectl.workloads.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET
from kubernaut_sdk import Action, Change, Context, VerifyFailed

__all__ = ["set_image"]


class SetImageInputs(ContainerInputs):
    """The inputs of kubernetes/set_image."""

    image: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.:/_-]*@sha256:[0-9a-f]{64}$",
            max_length=512,
            description="The image by digest: repository@sha256:<64 hex digits>; a tag may name another tomorrow.",
        ),
    ]


class SetImageResult(ResultWithNote):
    """The result of kubernetes/set_image: the image before, so that a later step may set it again."""

    image: str | None = None
    image_before: str | None = None


set_image = Action(
    "kubernetes/set_image",
    permissions=in_order(DEPLOYMENT.write, STATEFUL_SET.write, DAEMON_SET.write, DEPLOYMENT.pods, DAEMON_SET.pods),
    tools=["kubectl"],
    risk="high",
    examples=[
        {
            "namespace": "shop",
            "name": "checkout",
            "container": "app",
            "image": f"registry.example.com/shop/checkout@sha256:{'0' * 64}",
        }
    ],
)


@set_image.plan
def plan(ctx: Context, inputs: SetImageInputs) -> Change:
    """Set the image of one container of a Deployment, StatefulSet or DaemonSet, and wait for the rollout.

    The image is named by digest. It waits for as long as the step may take, until all pods are ready for 5 s without
    interruption and run that digest. An image that the registry does not have, or does not give, ends the wait within
    seconds, with the registry's words. If Argo CD, Flux or an operator would revert the image, the step is refused,
    unless `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step.
    """
    found, container = read_container(ctx, inputs)
    before = container.spec["image"]
    if before != inputs.image and ctx.undoing is None:
        require_rollout(found)
        note_unready_nodes(ctx, found)
        tracker_of(ctx).owners = check_owners(ctx, found, container.field("image"), inputs.image, inputs.when_owned)
    return Change({"image": before}, {"image": inputs.image})


@set_image.apply
def apply(ctx: Context, inputs: SetImageInputs, change: Change) -> SetImageResult:
    """Set the image with a patch that fails if the workload was changed since it was read."""
    tracker = tracker_of(ctx)
    tracker.remember_write(_set(ctx, inputs, change.before["image"], inputs.image))
    note = ownership_note(tracker.owners, tracker.notes)
    return SetImageResult(image=inputs.image, image_before=change.before["image"], note=note)


@set_image.verify
def verify(ctx: Context, inputs: SetImageInputs, change: Change) -> bool | str:
    """Return True once all pods run the image."""
    found, container = read_container(ctx, inputs)
    shortfall = tracker_of(ctx).require_own_value(
        found,
        container.field("image"),
        container.spec["image"],
        before=change.before["image"],
        wanted=inputs.image,
        what=f"the image of {inputs.container}",
    )
    if shortfall is not None:
        return shortfall
    reached = check_rollout(ctx, found)
    if reached is True:
        _require_digest(ctx, inputs, found)
    return reached


@set_image.undo
def undo(ctx: Context, inputs: SetImageInputs, change: Change) -> None:
    """Set the image before."""
    _set(ctx, inputs, inputs.image, change.before["image"])


register_container_target(set_image)


def _set(ctx: Context, inputs: SetImageInputs, before: str, after: str) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        container = container_of(found, inputs.container)
        return [*unchanged(found), container.same_name(), *swap(container.path("image"), before, after)]

    return compare_and_swap(ctx, inputs.resource, inputs.name, inputs.namespace, operations)


def _require_digest(ctx: Context, inputs: SetImageInputs, found: dict[str, Any]) -> None:
    """Raise VerifyFailed if a pod runs another digest, as the container runtime reports it.

    Raises:
        VerifyFailed: with the pod and the image that it runs.
    """
    wanted = inputs.image.rpartition("@")[2]
    for pod in newest_pods(ctx, found):
        status = pod.get("status", {})
        for container in (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())):
            running = container.get("imageID", "")
            # an imageID without a repository is the digest of the image's configuration, which is another one
            if container["name"] == inputs.container and "@" in running and running.rpartition("@")[2] != wanted:
                raise VerifyFailed(
                    f"pod {pod['metadata']['name']} runs {running}, and not {inputs.image}.", reason="OtherImage"
                )
