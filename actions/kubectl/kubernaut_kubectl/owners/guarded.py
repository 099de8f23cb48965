"""The objects and fields that no action may touch, whatever its ServiceAccount could do."""

from kubernaut_sdk import PreconditionFailed

__all__ = ["require_free_field", "require_free_kind", "require_readable_kind"]

_GROUPS = (
    "rbac.authorization.k8s.io",
    "authorization.k8s.io",
    "authentication.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    # OpenShift's own
    "authorization.openshift.io",
    "oauth.openshift.io",
    "security.openshift.io",
    "user.openshift.io",
)
_KINDS = {
    "apiservice",
    "certificatesigningrequest",
    "clusterrole",
    "clusterrolebinding",
    "crd",
    "csr",
    "customresourcedefinition",
    "mutatingadmissionpolicy",
    "mutatingadmissionpolicybinding",
    "mutatingwebhookconfiguration",
    "role",
    "rolebinding",
    "secret",
    "serviceaccount",
    "validatingadmissionpolicy",
    "validatingadmissionpolicybinding",
    "validatingwebhookconfiguration",
}
_OWN_GROUPS = {"", "v1"}


def require_free_kind(kind: str, api_version: str | None = None) -> None:
    """Raise PreconditionFailed for a kind that holds secrets or decides who may do what.

    Args:
        kind: The kind as it was asked for, singular or plural, perhaps with its group; or an object's own kind.
        api_version: The object's own `apiVersion`, where it has been read: an alias cannot hide what it is.

    Raises:
        PreconditionFailed: with the kind.
    """
    name, _, group = kind.lower().partition(".")
    if api_version is not None:
        group = api_version.rpartition("/")[0]
    names = {name, name.removesuffix("s"), name.removesuffix("ies") + "y"}
    if group.endswith(_GROUPS) or (names & _KINDS and _may_be_own(group)):
        raise PreconditionFailed(
            f"{kind} is a kind that no action changes: it holds secrets, or decides who may do what.", reason="Guarded"
        )


def require_readable_kind(kind: str, api_version: str | None = None) -> None:
    """Raise PreconditionFailed for a Secret, whose values would appear in messages.

    Raises:
        PreconditionFailed: if it is one.
    """
    name, _, group = kind.lower().partition(".")
    if api_version is not None:
        group = api_version.rpartition("/")[0]
    if name in {"secret", "secrets"} and _may_be_own(group):
        raise PreconditionFailed("a Secret is not read: its values would appear in messages.", reason="Guarded")


def require_free_field(pointer: str) -> None:
    """Raise PreconditionFailed for a field that is not for people to set.

    Raises:
        PreconditionFailed: for a status, metadata but one label or annotation, apiVersion, kind, or a whole part.
    """
    parts = pointer.split("/")[1:]
    if parts[0] == "metadata":
        if len(parts) != 3 or parts[1] not in {"labels", "annotations"}:
            raise PreconditionFailed(
                f"{pointer} is metadata; of that only one label (/metadata/labels/…) or annotation can be set.",
                reason="Guarded",
            )
        return
    if parts[0] in {"status", "apiVersion", "kind"}:
        raise PreconditionFailed(f"{pointer} is not for people to set.", reason="Guarded")
    if len(parts) < 2:
        raise PreconditionFailed(f"{pointer} is a whole part of the object; name one field in it.", reason="Guarded")


def _may_be_own(group: str) -> bool:
    """Return True if a kind of this group may be Kubernetes' own: the group is missing, or one of its own."""
    return group in _OWN_GROUPS or group.startswith("v1.") or group.endswith(_GROUPS)
