"""The action kubernetes/patch_configmap."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from kubernaut_kubectl.cluster.kubectl import Name, get, list_all
from kubernaut_kubectl.cluster.patches import Operation, add, expect, pointer, swap, unchanged
from kubernaut_kubectl.cluster.swapping import compare_and_swap
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.owners.controllers import display_name
from kubernaut_kubectl.owners.fields import ResultWithNote, check_owners, ownership_note
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_kubectl.workloads.kinds import OwnedInputs
from kubernaut_sdk import Action, ActionError, Change, Context, PreconditionFailed

__all__ = ["patch_configmap", "uses_until_restart"]

LARGEST = 16 * 1024
WORKLOADS = "daemonsets.apps,deployments.apps,statefulsets.apps"


def _at_most_16_kib(text: str) -> str:
    if (size := len(text.encode())) > LARGEST:
        raise ValueError(f"it has {size} bytes, more than {LARGEST}")
    return text


class PatchConfigMapInputs(OwnedInputs):
    """The inputs of kubernetes/patch_configmap."""

    namespace: Name
    configmap: Name
    key: Annotated[
        str, Field(pattern=r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=253, description="The key to set.")
    ]
    value: Annotated[
        str,
        Field(max_length=LARGEST, description="Its whole new value, at most 16 KiB."),
        AfterValidator(_at_most_16_kib),
    ]


class PatchConfigMapResult(ResultWithNote):
    """The result of kubernetes/patch_configmap: the workloads that see the value only after a restart."""

    restart_needed: list[str] | None = None


patch_configmap = Action(
    "kubernetes/patch_configmap",
    permissions={
        "apps/daemonsets: list": "to name the DaemonSets that only a restart will tell",
        "apps/deployments: list": "the same of Deployments",
        "apps/statefulsets: list": "the same of StatefulSets",
        "configmaps: get, patch, watch": "the ConfigMap itself",
    },
    tools=["kubectl"],
    risk="medium",
    examples=[{"namespace": "shop", "configmap": "checkout", "key": "LOG_LEVEL", "value": "info"}],
)


@patch_configmap.plan
def plan(ctx: Context, inputs: PatchConfigMapInputs) -> Change:
    """Set one key of a ConfigMap, and watch for 5 s that the value stands.

    The result names the workloads that use the ConfigMap by environment variables or by a subPath: their pods see the
    value only after a restart (`kubernetes/restart_deployment`). Mounted files follow by themselves, within a minute or
    so. An immutable ConfigMap, and a key that holds binary data, are refused; so is a key that Argo CD, Flux or an
    operator owns, unless `when_owned` is `proceed`; then it is watched for a minute, and a revert fails the step. The
    values before and after are part of the record.
    """
    found = get(ctx, "configmap", inputs.configmap, inputs.namespace)
    before = (found.get("data") or {}).get(inputs.key)
    if before != inputs.value and ctx.undoing is None:
        if found.get("immutable"):
            raise PreconditionFailed(
                f"ConfigMap {inputs.configmap} is immutable; make a new one, and let the workload name that.",
                reason="Immutable",
            )
        if inputs.key in (found.get("binaryData") or {}):
            raise PreconditionFailed(
                f"the key {inputs.key} of ConfigMap {inputs.configmap} holds binary data, not text.", reason="Binary"
            )
        tracker_of(ctx).owners = check_owners(ctx, found, ("data", inputs.key), inputs.value, inputs.when_owned)
    return Change({"value": before}, {"value": inputs.value})


@patch_configmap.apply
def apply(ctx: Context, inputs: PatchConfigMapInputs, change: Change) -> PatchConfigMapResult:
    """Set the key with a patch that fails if somebody else has set it since it was read."""
    tracker = tracker_of(ctx)
    tracker.remember_write(_set(ctx, inputs, change.before["value"], inputs.value))
    try:
        workloads = list_all(ctx, WORKLOADS, inputs.namespace)
    except ActionError as error:
        ctx.log.warning("it is not known which workloads need a restart: %s", error.message)
        return PatchConfigMapResult(note=ownership_note(tracker.owners))
    names = [
        f"{display_name(item)} ({', '.join(uses)})"
        for item in workloads
        if (uses := sorted(set(uses_until_restart(item["spec"]["template"]["spec"], inputs.configmap))))
    ]
    more = [f"a restart is needed for {', '.join(names)}."] if names else []
    return PatchConfigMapResult(restart_needed=names, note=ownership_note(tracker.owners, more))


@patch_configmap.verify
def verify(ctx: Context, inputs: PatchConfigMapInputs, change: Change) -> bool | str:
    """Return True once the value has stood for a while."""
    watch(ctx, "configmap", inputs.configmap, inputs.namespace)
    found = get(ctx, "configmap", inputs.configmap, inputs.namespace)
    tracker = tracker_of(ctx)
    now = (found.get("data") or {}).get(inputs.key)
    shortfall = tracker.require_own_value(
        found,
        ("data", inputs.key),
        _short(now),
        before=_short(change.before["value"]),
        wanted=_short(inputs.value),
        what=f"the key {inputs.key}",
    )
    return shortfall or tracker.check_settled(ctx)


@patch_configmap.undo
def undo(ctx: Context, inputs: PatchConfigMapInputs, change: Change) -> None:
    """Set the value before, or remove the key if there was none."""
    _set(ctx, inputs, change.after["value"], change.before["value"])


register_object(patch_configmap, "ConfigMap", "configmap")


def uses_until_restart(pod: dict[str, Any], name: str) -> Iterator[str]:
    """Yield how a pod uses a ConfigMap so that it sees a new value only after a restart: `env` or `subPath`."""
    volumes = {
        volume["name"]
        for volume in pod.get("volumes") or ()
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ()))
        if (source.get("configMap") or {}).get("name") == name
    }
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        sources = [source.get("configMapRef") for source in container.get("envFrom") or ()]
        sources += [(variable.get("valueFrom") or {}).get("configMapKeyRef") for variable in container.get("env") or ()]
        if any(source and source.get("name") == name for source in sources):
            yield "env"
        for mount in container.get("volumeMounts") or ():
            if mount["name"] in volumes and (mount.get("subPath") or mount.get("subPathExpr")):
                yield "subPath"


def _set(ctx: Context, inputs: PatchConfigMapInputs, before: str | None, after: str | None) -> dict[str, Any]:
    def operations(found: dict[str, Any]) -> list[Operation]:
        first = [] if found.get("data") else [expect("/data", None), add("/data", {})]
        return [*unchanged(found), *first, *swap(pointer("data", inputs.key), before, after)]

    return compare_and_swap(ctx, "configmap", inputs.configmap, inputs.namespace, operations)


def _short(value: str | None) -> str | None:
    """Return a value for comparison and for a message, where a long one would hide the sentence."""
    if value is None or len(value) <= 80:
        return value
    return f"{value[:60]}… ({len(value)} characters, {hash(value) & 0xFFFFFFFF:08x})"
