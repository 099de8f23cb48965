"""Actions that change AWS."""

from kubernaut_aws.autoscaling import set_desired_capacity
from kubernaut_aws.instances import reboot_instances

__all__ = ["reboot_instances", "set_desired_capacity"]
