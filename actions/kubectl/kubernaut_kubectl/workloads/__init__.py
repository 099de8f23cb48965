"""The actions on Deployments, StatefulSets and DaemonSets."""
