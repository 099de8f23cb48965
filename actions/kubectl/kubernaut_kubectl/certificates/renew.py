"""The action kubernetes/renew_certificate."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.errors import NO_SUCH_KIND
from kubernaut_kubectl.cluster.kubectl import Name, find, get, patch_status
from kubernaut_kubectl.cluster.patches import Operation, add, expect, pointer
from kubernaut_kubectl.cluster.targets import register_object
from kubernaut_kubectl.cluster.watching import watch
from kubernaut_kubectl.rollouts.tracker import tracker_of
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed, Result, VerifyFailed
from kubernaut_sdk.times import utcnow

__all__ = ["condition_of", "issuing_operations", "renew_certificate"]

CERTIFICATES = "certificates.cert-manager.io"
_ISSUERS = {"Issuer": "issuers.cert-manager.io", "ClusterIssuer": "clusterissuers.cert-manager.io"}
_GROUP = "cert-manager.io"


class RenewCertificateInputs(Inputs):
    """The inputs of kubernetes/renew_certificate."""

    namespace: Name
    certificate: Name


class RenewCertificateResult(Result):
    """The result of kubernetes/renew_certificate."""

    not_after: Annotated[
        str | None, Field(max_length=40, description="Until when the certificate before is valid, if there is one.")
    ]


renew_certificate = Action(
    "kubernetes/renew_certificate",
    permissions={
        "cert-manager.io/certificates/status: get, patch": "to set the condition Issuing, as cmctl does",
        "cert-manager.io/certificates: get, watch": "the Certificate itself",
        "cert-manager.io/clusterissuers: get": "to refuse a renewal that its issuer cannot make",
        "cert-manager.io/issuers: get": "the same, of an issuer of the namespace",
    },
    tools=["kubectl"],
    idempotent=False,
    risk="medium",
    examples=[{"namespace": "shop", "certificate": "checkout-tls"}],
)


@renew_certificate.plan
def plan(ctx: Context, inputs: RenewCertificateInputs) -> Change:
    """Renew a Certificate of cert-manager now, and wait until it is ready with a later end than before.

    It sets the condition Issuing, as `cmctl renew` does. If cert-manager issues it already, this is waited for. Refused
    where the cluster has no cert-manager, or where the issuer is not ready: the renewal could only fail, and
    cert-manager would then wait for an hour. If the issuing fails, the step ends at once with cert-manager's reason;
    the certificate before stays in its Secret. Not idempotent: every record renews again, and public authorities limit
    how often. Pods that read the Secret only when they start must be restarted.
    """
    tracker, found = tracker_of(ctx), _read(ctx, inputs)
    before = _state(found)
    if tracker.planned is not None:
        is_new = before["revision"] != tracker.planned.before["revision"]
        return Change(tracker.planned.after, tracker.planned.after) if is_new else tracker.planned
    _require_issuer(ctx, inputs, found)
    tracker.owner = found
    tracker.planned = Change(before, {"revision": (before["revision"] or 0) + 1, "not_after": None})
    return tracker.planned


@renew_certificate.apply
def apply(ctx: Context, inputs: RenewCertificateInputs, change: Change) -> RenewCertificateResult:
    """Set the condition Issuing, unless cert-manager issues it already."""
    found = _read(ctx, inputs)
    if condition_of(found, "Issuing").get("status") != "True":
        patch_status(ctx, CERTIFICATES, inputs.certificate, issuing_operations(found), inputs.namespace)
    tracker_of(ctx).owner = found
    return RenewCertificateResult(not_after=change.before["not_after"])


@renew_certificate.verify
def verify(ctx: Context, inputs: RenewCertificateInputs, change: Change) -> bool | str:
    """Return True once the certificate was issued anew and is ready."""
    watch(ctx, CERTIFICATES, inputs.certificate, inputs.namespace)
    tracker, found = tracker_of(ctx), _read(ctx, inputs)
    assert tracker.planned is not None
    assert tracker.owner is not None
    before, now = tracker.planned.before, _state(found)
    issuing, ready = condition_of(found, "Issuing"), condition_of(found, "Ready")
    failed_at = found.get("status", {}).get("lastFailureTime")
    if failed_at is not None and failed_at != tracker.owner.get("status", {}).get("lastFailureTime"):
        why = ": ".join(str(issuing[part]) for part in ("reason", "message") if issuing.get(part))
        raise VerifyFailed(f"Certificate {inputs.certificate} could not be issued: {why}", reason="IssuingFailed")
    if issuing.get("status") == "True":
        return f"Certificate {inputs.certificate} is being issued: {issuing.get('message', '')}"
    if now["revision"] == before["revision"]:
        return f"cert-manager has not issued Certificate {inputs.certificate} anew yet."
    if ready.get("status") != "True":
        return f"Certificate {inputs.certificate} is not ready: {ready.get('message', '')}"
    if before["not_after"] is not None and not _is_later(now["not_after"], before["not_after"]):
        raise VerifyFailed(
            f"Certificate {inputs.certificate} was issued anew, but is valid until {now['not_after']}, no later than "
            f"before ({before['not_after']}); look at its duration, and at its issuer's own certificate.",
            reason="NotLater",
        )
    return True


register_object(renew_certificate, "Certificate", "certificate")


def condition_of(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a condition of an object; an empty one if it has none of that type."""
    conditions = found.get("status", {}).get("conditions") or ()
    return next((item for item in conditions if item.get("type") == kind), {})


def issuing_operations(found: dict[str, Any]) -> list[Operation]:
    """Return the operations on the status that set the condition Issuing, only while the conditions are as read."""
    conditions = found.get("status", {}).get("conditions")
    now = utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered by Kubernaut",
        "lastTransitionTime": now,
        "observedGeneration": found["metadata"].get("generation", 0),
    }
    others = [item for item in conditions or () if item.get("type") != "Issuing"]
    path = pointer("status", "conditions")
    missing = [] if "status" in found else [add("/status", {})]
    return [
        expect(pointer("metadata", "uid"), found["metadata"]["uid"]),
        *missing,
        expect(path, conditions),
        add(path, [*others, issuing]),
    ]


def _read(ctx: Context, inputs: RenewCertificateInputs) -> dict[str, Any]:
    try:
        return get(ctx, CERTIFICATES, inputs.certificate, inputs.namespace)
    except NotFound as error:
        if error.reason != NO_SUCH_KIND:
            raise
        raise PreconditionFailed(
            "the cluster has no cert-manager: it does not know Certificates of cert-manager.io.", reason="NoCertManager"
        ) from None


def _state(found: dict[str, Any]) -> dict[str, Any]:
    status = found.get("status") or {}
    return {"revision": status.get("revision"), "not_after": status.get("notAfter")}


def _is_later(one: str | None, other: str) -> bool:
    return one is not None and datetime.fromisoformat(one) > datetime.fromisoformat(other)


def _require_issuer(ctx: Context, inputs: RenewCertificateInputs, found: dict[str, Any]) -> None:
    """Raise PreconditionFailed unless the issuer is ready; one of another group than cert-manager's is not looked at.

    Raises:
        PreconditionFailed: if it is not there, or not ready.
    """
    reference = found["spec"]["issuerRef"]
    kind = reference.get("kind", "Issuer")
    if reference.get("group", _GROUP) != _GROUP or kind not in _ISSUERS:
        return
    issuer = find(ctx, _ISSUERS[kind], reference["name"], inputs.namespace if kind == "Issuer" else None)
    if issuer is None:
        raise PreconditionFailed(
            f"{kind} {reference['name']} of Certificate {inputs.certificate} is not there.", reason="NoIssuer"
        )
    ready = condition_of(issuer, "Ready")
    if ready.get("status") != "True":
        raise PreconditionFailed(
            f"{kind} {reference['name']} of Certificate {inputs.certificate} is not ready, so it cannot be renewed: "
            f"{ready.get('message', 'it has no condition Ready')}",
            reason="IssuerNotReady",
        )
