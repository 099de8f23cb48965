"""The incidents that the catalogue has a Pipeline for."""

from kubernaut_cli.taskcatalog.pipelines import IncidentPipeline, Stage

__all__ = ["INCIDENTS"]

_DEPLOYMENT = {"namespace": "namespace", "deployment": "deployment"}
_APPLICATION = {"application": "application", "namespace": "argocd_namespace"}
_SERVER = {"server": "server", "application": "application"}
_COMMIT = {"repository": "repository", "branch": "branch", "commit": "commit"}
_SHOP = {"namespace": "shop", "deployment": "checkout"}
_REPOSITORY = "https://git.example.com/shop/deploy.git"

INCIDENTS = (
    IncidentPipeline(
        name="scale-out-and-persist",
        title="Scale out, and persist it in git",
        description="Scales a Deployment out and, once its pods are ready, commits the same number to git.",
        use_when="A Deployment has too few replicas for its load, git declares that number, and nothing enforces git at once.",
        not_when=(
            "An autoscaler owns the Deployment (change its limits with kubernetes-update-hpa), or Argo CD syncs it automatically: "
            "then the number in the cluster would be taken back at once. Change git alone, with git-update-file."
        ),
        on_failure="If the commit fails, the Deployment stays scaled, and git still has the old number: the next deployment would set it back.",
        stages=(
            Stage(name="scale", action_type="kubernetes/scale_deployment", takes={**_DEPLOYMENT, "replicas": "replicas"}),
            Stage(
                name="persist",
                action_type="git/update_file",
                takes={"repository": "repository", "branch": "branch", "path": "path", "field": "field", "value": "replicas"},
                secrets="git",
            ),
        ),
        example={**_SHOP, "replicas": "6", "repository": _REPOSITORY, "path": "checkout.yaml", "field": "spec.replicas"},
    ),
    IncidentPipeline(
        name="roll-back-bad-release",
        title="Roll back a bad release",
        description="Rolls a Deployment back to its previous revision, and waits until a query of Prometheus says that it helped.",
        use_when="Errors or latency rose with a release, and the revision before it can still run.",
        not_when=(
            "The release migrated a database that the older revision cannot read, or GitOps owns the Deployment: "
            "use recover-autosynced-application, which takes the commit back as well."
        ),
        on_failure="If the query does not hold within watch_timeout, the Deployment stays rolled back, and the run fails: the release was not the cause, or not the only one.",
        stages=(
            Stage(name="roll-back", action_type="kubernetes/rollback_deployment", takes=_DEPLOYMENT),
            Stage(
                name="watch",
                action_type="prometheus/assert_query",
                takes={
                    "url": "prometheus", "query": "query", "op": "op", "threshold": "threshold", "hold": "hold",
                    "timeout": "watch_timeout",
                },
                secrets="prometheus",
                timeout="10m",
            ),
        ),
        example={
            **_SHOP,
            "prometheus": "http://prometheus.monitoring:9090",
            "query": 'sum(rate(http_requests_total{service="checkout",code=~"5.."}[5m]))',
            "op": "<",
            "threshold": "1",
        },
    ),
    IncidentPipeline(
        name="drain-reboot-return-node",
        title="Drain, reboot and return a node",
        description="Takes all pods off a node, reboots its EC2 instance, waits until the node is ready, and lets pods on again.",
        use_when="A node misbehaves in a way that a reboot mends (a hung runtime, a leaked kernel resource), and the others have room for its pods.",
        not_when=(
            "The node is managed by an autoscaler that would replace it anyway: use aws-terminate-asg-instance. "
            "Never for a node of the control plane, nor for several nodes at once. The Pipeline's own pods must not run on the "
            "node (a nodeSelector or an affinity in the run's pod template keeps them off): the drain is refused there."
        ),
        on_failure="The node stays cordoned, so that nothing is scheduled on it while somebody looks; kubernetes-uncordon-node returns it.",
        stages=(
            Stage(
                name="drain",
                action_type="kubernetes/drain_node",
                takes={"node": "node", "min_schedulable": "min_schedulable"},
                timeout="15m",
            ),
            Stage(
                name="reboot",
                action_type="aws/reboot_instances",
                takes={"region": "region", "instance_ids": "instance_ids"},
                secrets="aws",
                timeout="15m",
            ),
            Stage(
                name="wait",
                action_type="kubernetes/wait_for",
                takes={"name": "node"},
                fixed={"kind": "Node", "condition": "Ready", "hold": "30s"},
                timeout="10m",
            ),
            Stage(name="return", action_type="kubernetes/uncordon_node", takes={"node": "node"}),
        ),
        example={"node": "ip-10-0-1-7.eu-west-1.compute.internal", "region": "eu-west-1", "instance_ids": '["i-0123456789abcdef0"]'},
    ),
    IncidentPipeline(
        name="expand-full-volume",
        title="Expand a full volume after a snapshot",
        description="Takes a snapshot of an EBS volume, and makes the volume larger when the snapshot is complete.",
        use_when="A volume fills up faster than somebody could clean it. The file system in it must still be grown, by the node or by hand.",
        not_when="The volume belongs to a PersistentVolumeClaim whose StorageClass can expand: enlarge the claim, so that Kubernetes knows.",
        on_failure="If the snapshot fails, the volume is as it was. If the expansion fails, the snapshot stays, and costs money until it is deleted.",
        stages=(
            Stage(
                name="snapshot",
                action_type="aws/create_snapshot",
                takes={"region": "region", "volume_id": "volume_id"},
                secrets="aws",
                timeout="30m",
            ),
            Stage(
                name="extend",
                action_type="aws/extend_volume",
                takes={"region": "region", "volume_id": "volume_id", "size_gib": "size_gib"},
                secrets="aws",
                timeout="30m",
            ),
        ),
        example={"region": "eu-west-1", "volume_id": "vol-0123456789abcdef0", "size_gib": "40"},
    ),
    IncidentPipeline(
        name="fail-over-database",
        title="Fail over a database",
        description="Makes another instance of an Aurora cluster the writer, and restarts the Deployment that holds connections to the old one.",
        use_when="The writer of an Aurora cluster is impaired, a reader follows it closely, and the application keeps dead connections.",
        not_when="The reader lags behind: the failover would lose time, not data, but is refused over 30 seconds. Not for databases outside of RDS.",
        on_failure="If the failover fails, nothing is restarted. If the restart fails, the new writer stays.",
        stages=(
            Stage(
                name="fail-over",
                action_type="aws/failover_db_cluster",
                takes={"region": "region", "cluster": "cluster", "instance": "instance"},
                secrets="aws",
                timeout="15m",
            ),
            Stage(name="reconnect", action_type="kubernetes/restart_deployment", takes=_DEPLOYMENT, timeout="10m"),
        ),
        example={**_SHOP, "region": "eu-west-1", "cluster": "orders", "instance": "orders-2"},
    ),
    IncidentPipeline(
        name="recover-autosynced-application",
        title="Recover an autosynced application",
        description=(
            "Stops Argo CD's automatic sync of an Application, rolls its Deployment back at once, reverts the bad commit in git, "
            "turns automatic sync on again, and waits until the Application is Synced and Healthy."
        ),
        use_when="A bad commit was synced, and users should not wait until its revert is reviewed, merged and synced.",
        not_when="The commit changed more than the Deployment (a migration, a custom resource), or the repository takes changes by pull request only.",
        on_failure=(
            "Automatic sync stays off, on purpose: with it, Argo CD would deploy the bad commit again. "
            "argocd-resume-autosync turns it on when git is right."
        ),
        stages=(
            Stage(name="pause", action_type="argocd/pause_autosync", takes=_APPLICATION),
            Stage(
                name="roll-back",
                action_type="kubernetes/rollback_deployment",
                takes=_DEPLOYMENT,
                fixed={"when_owned": "proceed"},  # the owner is Argo CD, which was just paused
            ),
            Stage(name="revert", action_type="git/revert_commit", takes=_COMMIT, secrets="git"),
            Stage(name="resume", action_type="argocd/resume_autosync", takes=_APPLICATION),
            Stage(name="wait", action_type="argocd/wait_application", takes=_SERVER, secrets="argocd", timeout="15m"),
        ),
        example={
            **_SHOP,
            "application": "checkout",
            "repository": _REPOSITORY,
            "commit": "3f786850e387550fdab836ed7e6dc881de23001b",
            "server": "https://argocd-server.argocd",
        },
    ),
)  # fmt: skip
