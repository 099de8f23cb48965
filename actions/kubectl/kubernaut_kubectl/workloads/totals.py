"""The requests and limits of a whole pod, as the scheduler and LimitRanges count them: pure functions.

Sidecars (init containers that are started again) run beside the containers; other init containers run one after the
other before them: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from kubernaut_kubectl.cluster.quantities import parse_quantity

__all__ = ["Part", "Totals", "pod_totals"]

Part = Literal["requests", "limits"]
Totals = dict[str, Fraction]


def pod_totals(pod: Mapping[str, Any], part: Part) -> Totals:
    """Return the total of each resource of a pod's spec; a resource without any value is missing."""
    sidecars: Totals = {}
    starting: Totals = {}
    for container in pod.get("initContainers") or ():
        own = _of(container, part)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum(sidecars, own)
            starting = _most(starting, sidecars)
        else:
            starting = _most(starting, _sum(sidecars, own))
    running = sidecars
    for container in pod.get("containers") or ():
        running = _sum(running, _of(container, part))
    overhead = {name: parse_quantity(value) for name, value in (pod.get("overhead") or {}).items()}
    return _sum(_most(running, starting), overhead)


def _of(container: Mapping[str, Any], part: Part) -> Totals:
    """Return a container's values; a request that is missing is its limit, as the API server sets it."""
    resources = container.get("resources") or {}
    values = {**((resources.get("limits") or {}) if part == "requests" else {}), **(resources.get(part) or {})}
    return {name: parse_quantity(value) for name, value in values.items()}


def _sum(one: Totals, other: Totals) -> Totals:
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in {**one, **other}}


def _most(one: Totals, other: Totals) -> Totals:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in {**one, **other}}
