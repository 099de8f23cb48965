"""Kinds of Kubernetes' own objects: how else people spell them, and whether they live in namespaces.

So that `Deployment`, `deploy` and `deployments.apps` are one target. Of kinds that are not listed, letter case, group,
version and a plural's ending are passed over: two kinds taken for one make a workflow wait, one kind taken for two lets
two workflows act on one thing.
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
    """Return the one spelling of a kind: singular, in lower case, without group and version.

    Args:
        kind: As a person wrote it: `Deployment`, `deployments.apps`, `deployments.v1.apps`, `apps/v1/Deployment`.
    """
    word = kind.strip().lower().rpartition("/")[2].partition(".")[0]
    return _SHORT.get(word) or _singular(word)


def is_cluster_wide(kind: str) -> bool | None:
    """Return whether objects of a kind live in no namespace; None where that is not known.

    Args:
        kind: As `kind_word` spells it.
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
