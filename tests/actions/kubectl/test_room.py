"""The room for a pod: LimitRanges, ResourceQuotas, nodes, and what it requests in all."""

from typing import Any

import pytest

from kubernaut_kubectl.cluster.quantities import parse_quantity
from kubernaut_kubectl.workloads.capacity import (
    is_selected,
    limit_range_fault,
    node_fault,
    pod_fault,
    pod_limit_fault,
    quota_fault,
)
from kubernaut_kubectl.workloads.totals import pod_totals

Json = dict[str, Any]


MEMORY = {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}}


def test_a_limit_range_a_quota_and_the_nodes_leave_room_or_not() -> None:
    limits = {"metadata": {"name": "lr"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}}
    assert limit_range_fault(limits, MEMORY) == "requests.memory 2Gi, and LimitRange lr has max 1Gi"
    limits["spec"]["limits"][0] = {"type": "Pod", "max": {"memory": "1Gi"}}  # type: ignore[index]
    assert limit_range_fault(limits, MEMORY) is None

    status = {"hard": {"requests.memory": "8Gi"}, "used": {"requests.memory": "6Gi"}}
    quota = {"metadata": {"name": "q"}, "spec": {}, "status": status}
    assert quota_fault(quota, {"requests": {"memory": "1Gi"}}, MEMORY, 2) is None
    assert quota_fault(quota, {"requests": {"memory": "1Gi"}}, MEMORY, 4) == (
        "requests.memory 2Gi for 4 pods, and ResourceQuota q has 8Gi with 6Gi used"
    )
    assert quota_fault({**quota, "spec": {"scopes": ["BestEffort"]}}, {}, MEMORY, 9) is None

    nodes = [{"spec": {}, "status": {"allocatable": {"memory": size}}} for size in ("1Gi", "1500Mi")]
    assert node_fault(nodes, MEMORY) == "requests.memory 2Gi, and the largest node has 1500Mi"
    assert node_fault([*nodes, {"spec": {"unschedulable": True}, "status": {"allocatable": {"memory": "9Gi"}}}], MEMORY)
    assert node_fault([], MEMORY) is None


def container(cpu: str, **more: Any) -> Json:
    return {"name": f"c{cpu}", "resources": {"requests": {"cpu": cpu}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("pod", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, "1500m"),
        ({"containers": [{"name": "a", "resources": {"limits": {"cpu": "2"}}}]}, "2"),  # a limit is a request, too
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, "3"),
        ({"containers": [container("1")], "initContainers": [container("1", **SIDECAR)]}, "2"),
        ({"containers": [container("1")], "initContainers": [container("1", **SIDECAR), container("3")]}, "4"),
        ({"containers": [container("1")], "initContainers": [container("3"), container("1", **SIDECAR)]}, "3"),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1250m"),
    ],
)
def test_what_a_pod_requests_in_all(pod: Json, cpu: str) -> None:
    assert pod_totals(pod, "requests") == {"cpu": parse_quantity(cpu)}


def test_the_containers_of_a_pod_need_room_together() -> None:
    pod = {"containers": [container("3"), container("2", **SIDECAR)], "nodeSelector": {"pool": "web"}}
    large, small = ({"metadata": {"labels": {"pool": pool}}, "spec": {}} for pool in ("batch", "web"))
    large["status"] = {"allocatable": {"cpu": "64"}}
    small["status"] = {"allocatable": {"cpu": "4", "memory": "1Gi"}}
    assert [is_selected(node, pod) for node in (large, small)] == [False, True]
    assert pod_fault([small], pod) == (
        "its pods would request cpu 5 in all, and no node that they may be put on has that"
    )
    assert pod_fault([large, small], pod) is None
    assert pod_fault([], pod) is None
    both = {"containers": [{"resources": {"requests": {"cpu": "8", "memory": "2Gi"}}}]}
    tall = {"spec": {}, "status": {"allocatable": {"cpu": "2", "memory": "8Gi"}}}
    wide = {"spec": {}, "status": {"allocatable": {"cpu": "8", "memory": "1Gi"}}}
    assert pod_fault([tall, wide], both) == (
        "its pods would request cpu 8 and memory 2Gi in all, and no node that they may be put on has that"
    )


def test_a_limit_range_for_whole_pods_and_for_the_ratio_of_limit_and_request() -> None:
    whole: Json = {"type": "Pod", "max": {"cpu": "4"}, "min": {"cpu": "1"}}
    limits: Json = {"metadata": {"name": "lr"}, "spec": {"limits": [whole]}}
    pod = {"containers": [container("3"), container("2")]}
    assert pod_limit_fault(limits, pod) == "requests.cpu 5 in a whole pod, and LimitRange lr has max 4"
    assert pod_limit_fault(limits, {"containers": [container("3")]}) is None
    assert pod_limit_fault(limits, {"containers": [container("500m")]}) == (
        "requests.cpu 500m in a whole pod, and LimitRange lr has min 1"
    )
    limits["spec"]["limits"] = [{"type": "Container", "maxLimitRequestRatio": {"memory": "2"}}]
    assert limit_range_fault(limits, {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}) is None
    assert limit_range_fault(limits, {"requests": {"memory": "1Gi"}, "limits": {"memory": "3Gi"}}) == (
        "limits.memory 3Gi for requests.memory 1Gi, and LimitRange lr has maxLimitRequestRatio 2"
    )
