"""The rollouts of Deployments, StatefulSets and DaemonSets: their progress, what stops them, their revisions."""
