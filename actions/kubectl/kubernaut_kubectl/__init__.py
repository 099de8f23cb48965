"""Actions that change Kubernetes through kubectl, and two that ask Prometheus and Alertmanager.

An action is found by its entry point (`pyproject.toml`), so that a step imports the module of its action alone. The
actions stand on common ground, a folder for each idea:

    cluster/      the API server through kubectl: reads, compare-and-swap patches, errors, quantities, limits
    owners/       the controllers of objects, and the owners of fields, which would take a change back
    rollouts/     the progress of workloads, what stops them, their revisions
    disruption/   PodDisruptionBudgets and evictions
"""
