"""Actions that change AWS.

The names are imported when they are first used: a step imports the module of its action alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernaut_aws.autoscaling.capacity import set_desired_capacity
    from kubernaut_aws.autoscaling.removal import detach_instance, terminate_asg_instance
    from kubernaut_aws.autoscaling.standby import enter_standby, exit_standby
    from kubernaut_aws.ebs.snapshots import create_snapshot
    from kubernaut_aws.ebs.volumes import extend_volume
    from kubernaut_aws.ec2.isolation import isolate_instance
    from kubernaut_aws.ec2.power import start_instances, stop_instances
    from kubernaut_aws.ec2.reboot import reboot_instances
    from kubernaut_aws.ecs.redeployment import redeploy_ecs_service
    from kubernaut_aws.ecs.scaling import scale_ecs_service
    from kubernaut_aws.eks.nodegroups import scale_nodegroup
    from kubernaut_aws.elb.targets import deregister_targets, register_targets
    from kubernaut_aws.lambda_functions.aliases import set_lambda_alias
    from kubernaut_aws.lambda_functions.concurrency import set_lambda_concurrency
    from kubernaut_aws.rds.clusters import failover_db_cluster
    from kubernaut_aws.rds.instances import reboot_db_instance
    from kubernaut_aws.route53.weights import set_dns_weight
    from kubernaut_aws.ssm.automations import run_ssm_document

__all__ = [
    "create_snapshot",
    "deregister_targets",
    "detach_instance",
    "enter_standby",
    "exit_standby",
    "extend_volume",
    "failover_db_cluster",
    "isolate_instance",
    "reboot_db_instance",
    "reboot_instances",
    "redeploy_ecs_service",
    "register_targets",
    "run_ssm_document",
    "scale_ecs_service",
    "scale_nodegroup",
    "set_desired_capacity",
    "set_dns_weight",
    "set_lambda_alias",
    "set_lambda_concurrency",
    "start_instances",
    "stop_instances",
    "terminate_asg_instance",
]

_MODULES = {
    "create_snapshot": "ebs.snapshots",
    "deregister_targets": "elb.targets",
    "detach_instance": "autoscaling.removal",
    "enter_standby": "autoscaling.standby",
    "exit_standby": "autoscaling.standby",
    "extend_volume": "ebs.volumes",
    "failover_db_cluster": "rds.clusters",
    "isolate_instance": "ec2.isolation",
    "reboot_db_instance": "rds.instances",
    "reboot_instances": "ec2.reboot",
    "redeploy_ecs_service": "ecs.redeployment",
    "register_targets": "elb.targets",
    "run_ssm_document": "ssm.automations",
    "scale_ecs_service": "ecs.scaling",
    "scale_nodegroup": "eks.nodegroups",
    "set_desired_capacity": "autoscaling.capacity",
    "set_dns_weight": "route53.weights",
    "set_lambda_alias": "lambda_functions.aliases",
    "set_lambda_concurrency": "lambda_functions.concurrency",
    "start_instances": "ec2.power",
    "stop_instances": "ec2.power",
    "terminate_asg_instance": "autoscaling.removal",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
