"""Diagnostics of a workload, on the real API server."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubectl_cluster import Cluster, message_of, reason_of

from kubernaut_kubectl.diagnostics.report import digest_of, events_text, fit, newest, plain_object
from kubernaut_sdk.ids import mint

App = Callable[..., str]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=400)


@given(TEXTS, st.integers(0, 300))
def test_the_newest_is_kept_within_its_bytes(text: str, largest: int) -> None:
    kept = newest(text, max(largest, 64))
    assert len(kept.encode()) <= max(largest, 64)
    assert kept == text or text.endswith(kept.partition("\n")[2])


@given(st.dictionaries(st.sampled_from("abcdef"), TEXTS, max_size=6), st.integers(600, 3000))
def test_parts_fit_together_and_small_ones_stay_whole(parts: dict[str, str], largest: int) -> None:
    fitted = fit(parts, largest)
    size = sum(len(name.encode()) + len(text.encode()) for name, text in fitted.items())

    assert fitted.keys() == parts.keys()
    assert size <= largest
    whole = sum(len(name.encode()) + len(text.encode()) for name, text in parts.items())
    assert whole > largest or fitted == parts


def test_values_of_variables_commands_and_copies_of_the_manifest_are_left_out() -> None:
    container = {
        "name": "app",
        "env": [{"name": "PASSWORD", "value": "hunter2"}, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
        "command": ["run", "--token=hunter2"],
        "args": ["hunter2"],
    }
    last = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "note": "kept"}
    found: dict[str, Any] = {
        "metadata": {"managedFields": ["hunter2"], "annotations": last},
        "spec": {"template": {"spec": {"containers": [container], "initContainers": [container]}}},
    }
    plain = json.dumps(plain_object(found))

    assert "hunter2" not in plain
    for kept in ("PASSWORD", "secretKeyRef", "kept"):
        assert kept in plain
    assert found["metadata"]["managedFields"]  # the object itself is left as it was


def test_events_are_lines_the_oldest_first() -> None:
    event: dict[str, Any] = {
        "metadata": {},
        "involvedObject": {"kind": "Pod", "name": "a"},
        "type": "Warning",
        "reason": "BackOff",
    }
    events = [
        {**event, "lastTimestamp": "2026-01-02T00:00:00Z", "message": "two\nlines", "count": 3},
        {**event, "eventTime": "2026-01-01T00:00:00Z", "message": "one"},
    ]
    assert events_text(events).splitlines() == [
        "2026-01-01T00:00:00Z Warning Pod/a BackOff x1 one",
        "2026-01-02T00:00:00Z Warning Pod/a BackOff x3 two lines",
    ]


def test_the_digest_is_one_that_anybody_can_compute() -> None:
    assert digest_of({"b": "ö", "a": "1"}) == digest_of({"a": "1", "b": "ö"})
    assert digest_of({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.cluster
class TestCollect:
    """Collecting."""

    def test_a_workload_that_crashes_is_collected_once_a_record(self, cluster: Cluster, app: App) -> None:
        script = "echo starting with $PASSWORD; echo no database at orders-db; exit 3"
        container = {"env": [{"name": "PASSWORD", "value": "correct-horse"}]}
        name, record = app(wait=False, script=script, container=container), mint()
        crashed = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        cluster.kubectl("wait", "pod", f"--selector=app={name}", crashed, "--timeout=60s")
        inputs = {"kind": "Deployment", "name": name}
        first, again = (cluster.run("collect_diagnostics", inputs, record=record) for _ in range(2))
        assert first.output is not None, first
        found = cluster.get("configmap", first.output["configmap"])
        [pod] = cluster.pods(name)
        undone = cluster.undo(first, "collect_diagnostics", inputs)

        assert (first.status, again.status, undone.exit_code) == ("succeeded", "unchanged", 0)
        data, pod_name = found["data"], pod["metadata"]["name"]
        assert first.output["digest"] == digest_of(data) == found["metadata"]["annotations"]["kubernaut.io/digest"]
        assert first.output["bytes"] == sum(len(part.encode()) for item in data.items() for part in item)
        assert f"Pod/{pod_name}" in data["events.txt"]
        assert any("no database at orders-db" in data[key] for key in data if key.startswith(f"log-{pod_name}-app"))
        assert f"deployment-{name}.json" in data
        assert "correct-horse" not in json.dumps({key: data[key] for key in data if not key.startswith("log-")})
        assert first.output["configmap"] not in cluster.kubectl("get", "configmaps", "--output=name")

    def test_each_kind_can_be_collected(self, cluster: Cluster, app: App) -> None:
        names = {kind: app(kind) for kind in ("StatefulSet", "DaemonSet")}
        names["Pod"] = cluster.pods(names["StatefulSet"])[0]["metadata"]["name"]
        for kind, name in names.items():
            ended = cluster.run("collect_diagnostics", kind=kind, name=name)
            assert ended.exit_code == 0, ended
            assert ended.output is not None
            data = cluster.get("configmap", ended.output["configmap"])["data"]
            assert f"{kind.lower()}-{name}.json" in data

    def test_too_many_pods_and_what_is_not_there_are_refused(self, cluster: Cluster, app: App) -> None:
        name = app(replicas=2)
        many = cluster.run("collect_diagnostics", kind="Deployment", name=name, max_pods=1)
        missing = cluster.run("collect_diagnostics", kind="Deployment", name="nobody")

        assert reason_of(many) == (3, "LimitReached")
        assert f"2 pods of Deployment {name} are more than max_pods 1" in message_of(many)
        assert reason_of(missing) == (3, "NotFound")

    def test_a_report_that_is_deleted_before_it_is_verified_is_told(self, cluster: Cluster, app: App) -> None:
        name = app()

        def lose() -> None:
            made = [cm for cm in cluster.kubectl("get", "configmaps", "--output=name").split() if "diagnostics-" in cm]
            cluster.kubectl("delete", *made)

        looks = "configmaps"
        ended = cluster.run_with(
            "collect_diagnostics", lambda argv: argv[-1] == looks, 2, lose, kind="Deployment", name=name
        )
        assert reason_of(ended) == (4, "Gone")
