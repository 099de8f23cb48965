"""The kinds of Kubernetes' own objects: their short names, and their scope.

They make one target of `Deployment`, `deploy` and `deployments.apps`. For other kinds, letter case, group, version and
the plural's ending are ignored. This prefers a false match, which makes a workflow wait, to a false difference, which
lets two workflows act on one object.
"""

__all__ = ["is_cluster_wide", "kind_word"]

# singular: short names
_NAMESPACED = {
    "configmap": "cm",
    "controllerrevision": "",
    "cronjob": "cj",
    "daemonset": "ds",
    "deployment": "deploy",
    "endpoints": "ep",
    "endpointslice": "",
    "event": "ev",
    "horizontalpodautoscaler": "hpa",
    "ingress": "ing",
    "job": "",
    "lease": "",
    "limitrange": "limits",
    "networkpolicy": "netpol",
    "persistentvolumeclaim": "pvc",
    "pod": "po",
    "poddisruptionbudget": "pdb",
    "podtemplate": "",
    "replicaset": "rs",
    "replicationcontroller": "rc",
    "resourcequota": "quota",
    "role": "",
    "rolebinding": "",
    "secret": "",
    "service": "svc",
    "serviceaccount": "sa",
    "statefulset": "sts",
}
_CLUSTER_WIDE = {
    "apiservice": "",
    "certificatesigningrequest": "csr",
    "clusterrole": "",
    "clusterrolebinding": "",
    "csidriver": "",
    "csinode": "",
    "customresourcedefinition": "crd",
    "ingressclass": "",
    "mutatingwebhookconfiguration": "",
    "namespace": "ns",
    "node": "no",
    "persistentvolume": "pv",
    "priorityclass": "pc",
    "runtimeclass": "",
    "storageclass": "sc",
    "validatingadmissionpolicy": "",
    "validatingadmissionpolicybinding": "",
    "validatingwebhookconfiguration": "",
    "volumeattachment": "",
}
_SHORT = {short: kind for kinds in (_NAMESPACED, _CLUSTER_WIDE) for kind, short in kinds.items() if short}


def kind_word(kind: str) -> str:
    """Return the canonical spelling of a kind: singular, in lower case, without group and version.

    Args:
        kind: The kind as a person wrote it: `Deployment`, `deployments.apps`, `deployments.v1.apps`,
            `apps/v1/Deployment`.
    """
    word = kind.strip().lower().rpartition("/")[2].partition(".")[0]
    return _SHORT.get(word) or _singular(word)


def is_cluster_wide(kind: str) -> bool | None:
    """Return True if objects of a kind are cluster-scoped; None where that is not known.

    Args:
        kind: The spelling that `kind_word` returns.
    """
    if kind in _CLUSTER_WIDE:
        return True
    return False if kind in _NAMESPACED else None


def _singular(word: str) -> str:
    if word in _NAMESPACED or word in _CLUSTER_WIDE:
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
