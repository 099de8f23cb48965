"""The Pipeline fail-over-database on a real Tekton: Aurora's API is played by moto, the Deployment is real."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import CatalogNamespace

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.slow]

PIPELINE = "fail-over-database"


@pytest.fixture
def cluster() -> str:
    """The name of a database cluster; its instances are NAME-1, the writer, and NAME-2."""
    return f"orders-{os.urandom(3).hex()}"


@pytest.fixture
def lag(aws: Callable[[str], Any], cluster: str) -> Callable[[float], None]:
    """Makes that Aurora cluster, whose reader lags so many seconds."""

    def make(seconds: float) -> None:
        rds = aws("rds")
        user = {"MasterUsername": "u", "MasterUserPassword": "orders-1234"}
        rds.create_db_cluster(DBClusterIdentifier=cluster, Engine="aurora-mysql", **user)
        for name in (f"{cluster}-1", f"{cluster}-2"):
            kind = {"DBInstanceClass": "db.t3.small", "Engine": "aurora-mysql", "DBClusterIdentifier": cluster}
            rds.create_db_instance(DBInstanceIdentifier=name, **kind)
        figure = {
            "MetricName": "AuroraReplicaLag",
            "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": f"{cluster}-2"}],
            "Value": seconds * 1000,
            "Unit": "Milliseconds",
            "Timestamp": datetime.now(UTC) - timedelta(seconds=90),
        }
        aws("cloudwatch").put_metric_data(Namespace="AWS/RDS", MetricData=[figure])

    return make


@pytest.fixture
def fail_over(catalog: CatalogNamespace, cluster: str, granted: Callable[..., str]) -> Callable[[str], dict[str, str]]:
    """Runs the Pipeline with what its page grants, and tells how each Task ended."""

    def run(deployment: str) -> dict[str, str]:
        database = {"region": "eu-central-1", "cluster": cluster, "instance": f"{cluster}-2"}
        params = {**database, "namespace": catalog.name, "deployment": deployment}
        account = granted("pipeline", PIPELINE, shop=catalog.name)
        catalog.start("pipeline", PIPELINE, params, "--workspace=name=aws,secret=aws", account=account)
        return catalog.ended(PIPELINE)

    return run


@pytest.fixture
def writer(aws: Callable[[str], Any], cluster: str) -> Callable[[], str]:
    """Tells which of the two instances is the writer: 1 or 2."""

    def find() -> str:
        [found] = aws("rds").describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
        [name] = [one["DBInstanceIdentifier"] for one in found["DBClusterMembers"] if one["IsClusterWriter"]]
        return str(name.removeprefix(f"{cluster}-"))

    return find


def test_the_reader_is_the_writer_and_the_pods_connect_anew(
    catalog: CatalogNamespace, writer: Any, lag: Callable[[float], None], deployment: str, fail_over: Any
) -> None:
    lag(0.02)
    [before] = catalog.get("pods", f"--selector=app={deployment}")["items"]
    states = fail_over(deployment)
    [after] = [pod for pod in catalog.get("pods", f"--selector=app={deployment}")["items"] if not deleted(pod)]

    assert states == {"fail-over": "succeeded", "reconnect": "succeeded"}
    assert catalog.results("pipeline", PIPELINE) == {"fail-over-status": "succeeded", "reconnect-status": "succeeded"}
    assert writer() == "2"
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert all(one["ready"] for one in after["status"]["containerStatuses"])


def deleted(pod: Any) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_a_reader_that_lags_behind_is_refused_and_nothing_is_restarted(
    catalog: CatalogNamespace, writer: Any, lag: Callable[[float], None], cluster: str, deployment: str, fail_over: Any
) -> None:
    lag(31)
    before = catalog.get("deployment", deployment)
    states = fail_over(deployment)
    error = catalog.error("aws-failover-db-cluster")

    assert states == {"fail-over": "failed"}
    assert (error["code"], error["reason"]) == (3, "Lag")
    assert error["message"].startswith(f"max_lag_seconds is 30, and {cluster}-2 lags 31 s")
    assert writer() == "1"
    assert catalog.get("deployment", deployment)["metadata"]["generation"] == before["metadata"]["generation"]


def test_where_the_restart_fails_the_new_writer_stays(
    catalog: CatalogNamespace, writer: Any, lag: Callable[[float], None], fail_over: Any
) -> None:
    lag(0.02)
    states = fail_over("nobody")

    assert states == {"fail-over": "succeeded", "reconnect": "failed"}
    assert catalog.error("kubernetes-restart-deployment")["reason"] == "NotFound"
    assert writer() == "2"
