"""Jobs and CronJobs, on the real API server."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubectl_cluster import IMAGE, Cluster, Json, message_of, reason_of

from kubernaut_kubectl.jobs.recreate import manifest_of
from kubernaut_kubectl.jobs.trigger import job_name, job_of
from kubernaut_sdk import Change
from kubernaut_sdk.ids import mint

FAIL = "echo reading; echo no database at orders-db; exit 3"
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?", fullmatch=True)


def job_spec(script: str, **more: Any) -> Json:
    """The spec of a Job of one container that runs a shell script once."""
    container = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", script]}
    pod = {"containers": [container], "restartPolicy": "Never", "hostNetwork": True, "terminationGracePeriodSeconds": 0}
    return {"backoffLimit": 0, "template": {"spec": pod}, **more}


def make_job(cluster: Cluster, script: str, until: str | None = None, **metadata: Any) -> str:
    """Make a Job, and wait for a condition of it."""
    name = f"job-{uuid4().hex[:6]}"
    document = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **metadata}}
    cluster.make({**document, "spec": job_spec(script)})
    if until:
        cluster.kubectl("wait", "job", name, f"--for={until}", "--timeout=60s")
    return name


def make_cronjob(cluster: Cluster, script: str, **spec: Any) -> str:
    """Make a CronJob whose time never comes by itself."""
    name = f"cron-{uuid4().hex[:6]}"
    document = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}}
    template = {"metadata": {"labels": {"made-by": name}}, "spec": job_spec(script)}
    cluster.make({**document, "spec": {"schedule": "0 0 30 2 *", "jobTemplate": template, **spec}})
    return name


@pytest.fixture
def endless(cluster: Cluster) -> Iterator[str]:
    name = make_job(cluster, "sleep 1000", "jsonpath={.status.ready}=1")
    yield name
    cluster.delete("job", name)


@given(NAMES, st.uuids())
def test_a_triggered_jobs_name_is_never_too_long_for_the_label_of_its_pods(cronjob: str, record: Any) -> None:
    name = job_name(cronjob, str(record))

    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name)
    assert name.endswith(record.hex[-10:])


def test_a_triggered_job_is_what_kubectl_would_make_and_says_who_made_it() -> None:
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"template": {}}}
    cronjob = {"metadata": {"name": "report", "uid": "u"}, "spec": {"jobTemplate": template}}
    job = job_of(cronjob, "report-1", "r")

    assert job["spec"] == {"template": {}}
    assert job["metadata"]["annotations"] == {
        "c": "d",
        "cronjob.kubernetes.io/instantiate": "manual",
        "kubernaut.io/triggered-by": "r",
    }
    [owner] = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CronJob", "u", True)


def test_a_job_is_made_again_without_what_kubernetes_added() -> None:
    generated = {"controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "a", "app": "x"}
    job = {
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "labels": generated},
        "spec": {"selector": {"matchLabels": {}}, "template": {"metadata": {"labels": generated}, "spec": {}}},
        "status": {"failed": 1},
    }
    manifest = manifest_of(job, "r")

    assert manifest["metadata"] == {
        "name": "a",
        "labels": {"app": "x"},
        "annotations": {"kubernaut.io/recreated-by": "r"},
    }
    assert manifest["spec"] == {"template": {"metadata": {"labels": {"app": "x"}}, "spec": {}}}
    assert manifest_of({**job, "spec": {**job["spec"], "manualSelector": True}}, "r")["spec"]["selector"]  # type: ignore[dict-item]


@pytest.mark.cluster
class TestSuspend:
    """Suspend and resume."""

    def test_both_are_applied_repeated_and_undone(self, cluster: Cluster) -> None:
        name = make_cronjob(cluster, "exit 0")
        suspended, again = (cluster.run("suspend_cronjob", cronjob=name) for _ in range(2))
        resumed = cluster.run("resume_cronjob", cronjob=name)
        back = cluster.undo(resumed, "resume_cronjob", cronjob=name)
        states = [cluster.get("cronjob", name)["spec"]["suspend"]]
        undone = cluster.undo(suspended, "suspend_cronjob", cronjob=name)
        states.append(cluster.get("cronjob", name)["spec"]["suspend"])

        assert [ran.status for ran in (suspended, again, resumed)] == ["succeeded", "unchanged", "succeeded"]
        assert [ran.exit_code for ran in (back, undone)] == [0, 0]
        assert states == [True, False]

    @pytest.mark.slow
    def test_what_still_runs_is_named(self, cluster: Cluster) -> None:
        name = make_cronjob(cluster, "sleep 1000")
        started = cluster.run("trigger_cronjob", cronjob=name, minutes=1)
        ended = cluster.run("suspend_cronjob", cronjob=name)
        cluster.delete("cronjob", name)

        assert started.change is not None
        assert ended.output is not None
        assert ended.output["note"] == f"still running, and not ended by this: {started.change.after['job']}."

    def test_an_owner_is_named_and_a_revert_is_told(self, cluster: Cluster) -> None:
        name = make_cronjob(cluster, "exit 0")
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "controller": True}
        owner["uid"] = cluster.get("configmap", "kube-root-ca.crt")["metadata"]["uid"]
        cluster.patch("cronjob", name, {"op": "add", "path": "/metadata/ownerReferences", "value": [owner]})
        refused = cluster.run("suspend_cronjob", cronjob=name)
        lift = {"op": "replace", "path": "/spec/suspend", "value": False}
        reverted = cluster.run_with(
            "suspend_cronjob",
            lambda argv: argv[1] == "get",
            3,
            lambda: cluster.patch("cronjob", name, lift),
            cronjob=name,
            when_owned="proceed",
        )

        assert reason_of(refused) == (3, "Owned")
        assert reason_of(reverted) == (4, "TakenBack")
        assert "suspend of" in message_of(reverted)


@pytest.mark.cluster
class TestTrigger:
    """A Job of a CronJob, now."""

    def test_one_record_makes_one_job_and_waits_for_it(self, cluster: Cluster) -> None:
        name, record = make_cronjob(cluster, "exit 0", suspend=True), mint()
        first, again = (cluster.run("trigger_cronjob", cronjob=name, record=record) for _ in range(2))
        jobs = cluster.kubectl("get", "jobs", f"--selector=made-by={name}", "--output=name").split()

        assert (first.status, again.status) == ("succeeded", "unchanged"), first
        assert first.output == {"job": f"{name}-{str(record)[-10:]}"}
        assert jobs == [f"job.batch/{first.output['job']}"]

    def test_a_job_that_fails_is_told_with_its_last_lines(self, cluster: Cluster) -> None:
        ended = cluster.run("trigger_cronjob", cronjob=make_cronjob(cluster, FAIL))

        assert reason_of(ended) == (4, "JobFailed")
        assert "BackoffLimitExceeded" in message_of(ended)
        assert "container app ended with exit code 3. Its last lines: reading / no database at orders-db" in message_of(
            ended
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("policy", ["Forbid", "Replace"])
    def test_one_that_runs_is_not_joined_unless_asked(self, cluster: Cluster, policy: str) -> None:
        name = make_cronjob(cluster, "sleep 1000", concurrencyPolicy=policy)
        running = cluster.run("trigger_cronjob", cronjob=name, minutes=1)
        refused = cluster.run("trigger_cronjob", cronjob=name)
        joined = cluster.run("trigger_cronjob", cronjob=name, minutes=1, even_if_running=True)
        cluster.delete("cronjob", name)

        assert running.exit_code == joined.exit_code == 4  # their time is over before they end
        assert "runs: " in message_of(joined)
        assert reason_of(refused) == (3, "Running")
        assert f"concurrencyPolicy is {policy}" in message_of(refused)

    def test_a_quota_refuses_it_before_anything_is_made(self, cluster: Cluster) -> None:
        name, quota = make_cronjob(cluster, "exit 0"), f"quota-{uuid4().hex[:6]}"
        document = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": quota}}
        cluster.make({**document, "spec": {"hard": {"count/jobs.batch": "0"}}})
        cluster.kubectl("wait", "resourcequota", quota, "--for=jsonpath={.status.hard}", "--timeout=30s")
        try:
            refused = cluster.run("trigger_cronjob", cronjob=name)
        finally:
            cluster.delete("resourcequota", quota)

        assert refused.exit_code == 3
        assert "exceeded quota" in message_of(refused)

    def test_pods_that_cannot_start_end_the_wait(self, cluster: Cluster) -> None:
        name = make_cronjob(cluster, "exit 0")
        path = "/spec/jobTemplate/spec/template/spec/containers/0"
        cluster.patch(
            "cronjob",
            name,
            {"op": "replace", "path": f"{path}/image", "value": "cluster.local/none:1"},
            {"op": "add", "path": f"{path}/imagePullPolicy", "value": "Never"},
        )
        ended = cluster.run("trigger_cronjob", cronjob=name)

        assert reason_of(ended) == (4, "JobStuck")
        assert "ErrImageNeverPull" in message_of(ended)


@pytest.mark.cluster
class TestDeleteJob:
    """Deleting a Job."""

    def test_a_finished_job_goes_with_its_pods(self, cluster: Cluster) -> None:
        name = make_job(cluster, "exit 0", "condition=complete")
        planned = cluster.runner("delete_job").dry_run({"namespace": cluster.namespace, "job": name})
        ended = cluster.run("delete_job", job=name)
        again = cluster.run("delete_job", job=name)

        assert (planned.status, ended.status) == ("planned", "succeeded"), ended
        assert cluster.kubectl("get", "pods", f"--selector=job-name={name}", "--output=name") == ""
        assert message_of(again) == f"there is no Job {name} in {cluster.namespace}."

    def test_one_that_runs_is_refused_unless_asked(self, cluster: Cluster, endless: str) -> None:
        refused = cluster.run("delete_job", job=endless)
        ended = cluster.run("delete_job", job=endless, even_if_running=True)

        assert reason_of(refused) == (3, "Running")
        assert "still runs (1 active pods)" in message_of(refused)
        assert ended.exit_code == 0

    @pytest.mark.slow
    @pytest.mark.parametrize("action", ["delete_job", "recreate_job"])
    def test_one_that_an_operator_made_is_refused_by_its_name(self, cluster: Cluster, action: str) -> None:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "controller": True}
        owner["uid"] = cluster.get("configmap", "kube-root-ca.crt")["metadata"]["uid"]
        name = make_job(cluster, "exit 0", "condition=complete", ownerReferences=[owner])
        refused = cluster.run(action, job=name)
        ended = cluster.run(action, job=name, when_owned="proceed")

        assert reason_of(refused) == (3, "Owned")
        assert f"Job {name} belongs to ConfigMap kube-root-ca.crt" in message_of(refused)
        assert ended.exit_code == 0, ended

    @pytest.mark.slow
    def test_a_finalizer_that_holds_it_is_named(self, cluster: Cluster) -> None:
        name = make_job(cluster, "exit 0", "condition=complete", finalizers=["example.com/hold"])
        held = cluster.run("delete_job", job=name, minutes=1)
        recreated = cluster.run("recreate_job", job=name)
        cluster.patch("job", name, {"op": "remove", "path": "/metadata/finalizers"})

        assert held.exit_code == 4
        assert "finalizers hold it: example.com/hold" in message_of(held)
        assert recreated.exit_code == 3
        assert "example.com/hold" in message_of(recreated)


@pytest.mark.cluster
class TestRecreateJob:
    """Making a Job again."""

    @pytest.mark.slow
    def test_a_failed_job_is_made_again_once_a_record(self, cluster: Cluster) -> None:
        settings = f"settings-{uuid4().hex[:6]}"
        cluster.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": settings}, "data": {"MODE": "bad"}})
        name, record = f"job-{uuid4().hex[:6]}", mint()
        spec = job_spec('[ "$MODE" = good ] || exit 3')
        spec["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": settings}}]
        cluster.make({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
        cluster.kubectl("wait", "job", name, "--for=condition=failed", "--timeout=60s")
        before = cluster.get("job", name)["metadata"]["uid"]
        still = cluster.run("recreate_job", job=name)
        cluster.patch("configmap", settings, {"op": "replace", "path": "/data/MODE", "value": "good"})
        first, again = (cluster.run("recreate_job", job=name, record=record) for _ in range(2))
        after = cluster.get("job", name)["metadata"]

        assert reason_of(still) == (4, "JobFailed")
        assert (first.status, again.status) == ("succeeded", "unchanged"), first
        assert first.output == {"uid": after["uid"]}
        assert before != after["uid"]
        assert after["annotations"]["kubernaut.io/recreated-by"] == str(record)

    @pytest.mark.slow
    def test_one_that_runs_is_stopped_first_if_asked(self, cluster: Cluster, endless: str) -> None:
        refused = cluster.run("recreate_job", job=endless)
        before = cluster.kubectl("get", "pods", f"--selector=job-name={endless}", "--output=name").split()
        ended = cluster.run("recreate_job", job=endless, even_if_running=True, minutes=1)
        after = cluster.kubectl("get", "pods", f"--selector=job-name={endless}", "--output=name").split()

        assert reason_of(refused) == (3, "Running")
        assert ended.exit_code == 4  # it runs for longer than the step may take
        assert f"Job {endless} runs" in message_of(ended)
        assert not cluster.get("job", endless)["spec"].get("suspend", False)
        assert not set(before) & set(after)

    def test_what_the_api_server_would_refuse_is_not_deleted(self, cluster: Cluster) -> None:
        name, quota = make_job(cluster, "exit 0", "condition=complete"), f"quota-{uuid4().hex[:6]}"
        document = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": quota}}
        cluster.make({**document, "spec": {"hard": {"count/jobs.batch": "0"}}})
        cluster.kubectl("wait", "resourcequota", quota, "--for=jsonpath={.status.hard}", "--timeout=30s")
        try:
            refused = cluster.run("recreate_job", job=name)
        finally:
            cluster.delete("resourcequota", quota)

        assert refused.exit_code == 3
        assert "exceeded quota" in message_of(refused)
        assert cluster.get("job", name)["status"]["succeeded"] == 1

    @pytest.mark.slow
    def test_a_job_whose_making_fails_is_made_by_the_next_attempt(self, cluster: Cluster) -> None:
        name = make_job(cluster, "exit 0", "condition=complete")
        ended = cluster.run_failing("recreate_job", lambda argv: argv[1] == "create", 2, retries=1, job=name)

        assert ended.exit_code == 0, ended
        assert ended.change == Change({"recreated_by": None}, {"recreated_by": str(ended.record_id)})
        assert cluster.get("job", name)["metadata"]["annotations"]["kubernaut.io/recreated-by"] == str(ended.record_id)
