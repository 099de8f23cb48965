"""Actions that change Kubernetes through kubectl."""

from kubernaut_kubectl.deployments import scale
from kubernaut_kubectl.nodes import cordon, uncordon
from kubernaut_kubectl.rollouts import restart, rollback

__all__ = ["cordon", "restart", "rollback", "scale", "uncordon"]
