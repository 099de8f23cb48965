"""The inputs that name a Job, and what is refused of one: that it runs, and that it belongs to somebody else."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_kubectl.cluster.kubectl import Name
from kubernaut_kubectl.jobs.outcome import finished
from kubernaut_kubectl.owners.controllers import controller_of
from kubernaut_kubectl.owners.fields import WhenOwned
from kubernaut_sdk import Inputs, PreconditionFailed

__all__ = ["JobInputs", "require_free_job"]


class JobInputs(Inputs):
    """The inputs that name a Job."""

    namespace: Name
    job: Name
    even_if_running: Annotated[bool, Field(description="Whether a Job may be ended that has not ended itself.")] = False
    when_owned: Annotated[
        WhenOwned, Field(description="What to do where the Job belongs to something else than a CronJob.")
    ] = "refuse"


def require_free_job(inputs: JobInputs, job: dict[str, Any]) -> None:
    """Raise PreconditionFailed for a Job that runs, or that something else than a CronJob made.

    Raises:
        PreconditionFailed: unless `even_if_running` and `when_owned: proceed` allow it.
    """
    owner = controller_of(job)
    if owner is not None and owner["kind"] != "CronJob" and inputs.when_owned == "refuse":
        raise PreconditionFailed(
            f"Job {inputs.job} belongs to {owner['kind']} {owner['name']}, which may make it again or fail for want of "
            f"it; act on that, or set when_owned: proceed.",
            reason="Owned",
        )
    if finished(job) is None and not inputs.even_if_running:
        active = job.get("status", {}).get("active", 0)
        state = "is suspended" if job["spec"].get("suspend") else f"still runs ({active} active pods)"
        raise PreconditionFailed(
            f"Job {inputs.job} {state}; wait for it, or set even_if_running: true.", reason="Running"
        )
