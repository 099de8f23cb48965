"""Messages for people: what happened to a PipelineRun or TaskRun, and what to do about it, in one sentence.

The texts that are matched are Tekton's and Kubernetes' own: reasons of conditions (`pkg/apis/pipeline/v1`,
`pkg/pod/status.go` of tektoncd/pipeline), and the API server's errors.
"""

import re
from dataclasses import dataclass

from kubernaut_controller.views import PipelineRunView, PodView, TaskRunView
from kubernaut_controller.workflow import Step
from kubernaut_sdk.portable import shorten

__all__ = ["CreationFailure", "creation_failure_of", "failure_message", "run_failure_message", "waiting_message"]

_ACCOUNT = re.compile(
    r'serviceaccounts? "([^"]+)" not found|error looking up service account \S*?/([^\s:]+): ', re.IGNORECASE
)
_SECRET = re.compile(r'secrets? "([^"]+)" not found|references non-existent secret', re.IGNORECASE)
_TASK = re.compile(r'tasks\.tekton\.dev "([^"]+)" not found', re.IGNORECASE)
_LONGEST = 600


@dataclass(frozen=True)
class CreationFailure:
    """The reason why the PipelineRun could not be created.

    Attributes:
        reason: One word, for the condition.
        message: One sentence.
        permanent: True if trying again is of no use.
    """

    reason: str
    message: str
    permanent: bool


def creation_failure_of(code: int, reason: str, message: str) -> CreationFailure:
    """Return the meaning of the API server's refusal of a PipelineRun.

    Args:
        code: The HTTP status; 0 where there was no answer.
        reason: The Status object's.
        message: The Status object's.
    """
    quoted = _quoted(message)
    if code == 404:
        return CreationFailure(
            "TektonNotInstalled",
            "This cluster has no PipelineRuns (tekton.dev/v1); install Tekton Pipelines, and it starts by itself.",
            permanent=False,
        )
    if code == 403 and "exceeded quota" in message:
        return CreationFailure(
            "QuotaExceeded", f"The namespace's quota has no room for a PipelineRun: {quoted}.", permanent=False
        )
    if code == 403 and ("being terminated" in message or reason == "NamespaceTerminating"):
        return CreationFailure(
            "NamespaceTerminating", "The namespace is being deleted; nothing starts in it.", permanent=True
        )
    if code in {400, 422} or (code == 403 and "admission webhook" in message) or "denied the request" in message:
        return CreationFailure(
            "PipelineRunRejected",
            f"Admission refused the PipelineRun: {quoted}; change the workflow or the policy, and create it anew.",
            permanent=True,
        )
    if code == 403:
        return CreationFailure(
            "NotPermitted",
            f"The controller may not create PipelineRuns here: {quoted}; grant it the role of controller/deploy.",
            permanent=False,
        )
    if code == 413 or "request is too large" in message or "etcdserver: request" in message:
        return CreationFailure(
            "PipelineRunTooLarge", f"The PipelineRun is too large for etcd: {quoted}.", permanent=True
        )
    if "failed calling webhook" in message:
        return CreationFailure(
            "WebhookUnreachable",
            f"Tekton's webhook does not answer: {quoted}; see the pods of tekton-pipelines; it is tried again.",
            permanent=False,
        )
    return CreationFailure(
        "ApiServerError",
        f"The API server did not take the PipelineRun ({code}): {quoted}; it is tried again.",
        permanent=False,
    )


def run_failure_message(run: PipelineRunView, *, task: str, namespace: str) -> str | None:
    """Return the reason why a PipelineRun itself failed; None where its steps tell the reason."""
    reason, quoted = run.condition().reason, _quoted(run.condition().message)
    match reason:
        case "Failed" | "Succeeded" | "Completed" | "Cancelled" | "PipelineRunTimeout" | "":
            return None
        case "CouldntGetTask" | "CouldntGetPipeline":
            return (
                f"The namespace {namespace} has no Task {task}; install it: kubectl apply --namespace={namespace} "
                f"-f tekton/catalog/task/kubernaut-action/0.1/kubernaut-action.yaml, and create the workflow anew."
            )
        case "CreateRunFailed":
            return f"Tekton could not create a TaskRun: {quoted}; mend that and create the workflow anew."
        case "InvalidTaskResultReference":
            return f"A step's output that another step takes was not there: {quoted}."
        case "PipelineRunCouldntCancel" | "PipelineRunCouldntTimeOut":
            return f"Tekton could not stop all steps: {quoted}; see their TaskRuns."
        case _:
            return f"Tekton refused the PipelineRun ({reason}): {quoted}."


def waiting_message(task_run: TaskRunView, pod: PodView | None, step: Step) -> str | None:
    """Return what a TaskRun waits for before it can run; None where there is nothing to report."""
    condition = task_run.condition()
    reason, quoted = condition.reason, _quoted(condition.message)
    match reason:
        case "ExceededResourceQuota":
            return f"Waits for room in the namespace's quota: {quoted}."
        case "ExceededNodeResources":
            return (
                f"Waits for a node with room for it: {_unscheduled(pod) or quoted}; lower its resources or add nodes."
            )
        case "PullImageFailed" | "TaskRunImagePullFailed":
            return _not_pulled(step, quoted)
        case "Pending" | "Running" | "Started" if pod is not None:
            unscheduled = _unscheduled(pod)
            if unscheduled:
                return f"Waits for a node: {unscheduled}."
            stuck = _stuck(pod)
            if stuck and "mage" in stuck[0]:
                return _not_pulled(step, stuck[1])
            return f"Waits: {stuck[0]}: {stuck[1]}." if stuck and stuck[1] else None
    return None


def failure_message(
    task_run: TaskRunView, step: Step, namespace: str, *, exit_code: int | None, died_of: str | None
) -> tuple[str, str]:
    """Return a reason and a sentence for a TaskRun that failed where its container gave none.

    Args:
        task_run: The TaskRun, which failed.
        step: The step.
        namespace: The namespace of both.
        exit_code: The container's exit code, or None.
        died_of: The kubelet's reason for the end of the container, such as OOMKilled.
    """
    condition = task_run.condition()
    reason, message = condition.reason, condition.message
    if reason == "CreateContainerConfigError":
        message = task_run.container.waiting[1] or message  # Tekton's says no more than that there was one
    quoted = _quoted(message)
    if died_of == "OOMKilled" or reason.endswith("OOM") or "OOMKilled" in message:
        limits = step.resources.limits if step.resources else None
        limit = limits.get("memory", "512Mi") if limits else "512Mi"
        return (
            "OOMKilled",
            f"It was killed for using more memory than its limit of {limit}; raise resources.limits.memory.",
        )
    if reason == "PodEvicted" or "evicted" in message.lower() or "low on resource" in message:
        return "Evicted", f"Its pod was evicted: {quoted}; the node was short of something, so run the workflow anew."
    account = _ACCOUNT.search(message)
    if account:
        name = account[1] or account[2]
        return (
            "ServiceAccountMissing",
            f"There is no ServiceAccount {namespace}/{name}; create it (`kubernaut render --rbac` prints what it needs).",
        )
    if _TASK.search(message) or reason in {"CouldntGetTask", "TaskRunResolutionFailed"}:
        return "TaskMissing", f"Its Task could not be had: {quoted}; install kubernaut-action in {namespace}."
    if reason in {"TaskRunImagePullFailed", "PullImageFailed"} or "ImagePull" in message:
        return "ImageNotPulled", _not_pulled(step, quoted)
    secret = _SECRET.search(message)
    if secret:
        return (
            "SecretMissing",
            f"There is no Secret {namespace}/{secret[1] or step.secret_name}; create it and run the workflow anew.",
        )
    match reason:
        case "CreateContainerConfigError":
            return (
                "ContainerConfigError",
                f"Its container could not be made: {quoted}; see its secretName and ConfigMaps.",
            )
        case "PodCreationFailed" | "PodAdmissionFailed":
            return "PodRefused", f"Its pod was refused: {quoted}."
        case "TaskRunValidationFailed" | "TaskValidationFailed" | "InvalidParamValue":
            return (
                "TaskInvalid",
                f"The Task kubernaut-action in {namespace} is not of this version: {quoted}; install it anew.",
            )
        case "TaskRunResultLargerThanAllowedLimit":
            return "ResultsTooLarge", f"Its pod's results were too large, so that none arrived: {quoted}."
    if re.search(
        r'pods? "[^"]+" not found|pod .*(was deleted|not found)|node .*(lost|shutdown|not ready)',
        message,
        re.IGNORECASE,
    ):
        return (
            "PodLost",
            f"Its pod went away, deleted or with its node: {quoted}; look at what it did before you run it again.",
        )
    if exit_code is not None and exit_code != 0:
        killed = " (killed)" if exit_code == 137 else ""
        return "NoWord", f"Its container ended with {exit_code}{killed} and said nothing; see its log."
    return "NoWord", f"It ended with no word from its container: {quoted or reason or 'no reason is given'}."


def _not_pulled(step: Step, quoted: str) -> str:
    account = step.service_account_name or "default"
    return (
        f"Its image {shorten(step.image, 160)} cannot be pulled: {quoted}; see that it exists, that the node reaches its registry, "
        f"and the imagePullSecrets of the ServiceAccount {account}."
    )


def _unscheduled(pod: PodView | None) -> str | None:
    """Return the scheduler's reason why a pod has no node; None where it has one, or that is not known."""
    scheduled = pod.condition("PodScheduled") if pod is not None else None
    return _quoted(scheduled.message) if scheduled is not None and scheduled.status == "False" else None


def _stuck(pod: PodView) -> tuple[str, str] | None:
    """Return the kubelet's reason and message why a container does not start; None where there is none."""
    for container in pod.all_containers:
        reason, message = container.waiting
        if reason not in {"", "PodInitializing", "ContainerCreating"}:
            return reason, _quoted(message)
    return None


def _quoted(message: str) -> str:
    """Return a message to quote within a sentence: one line, no full stop, bounded."""
    return shorten(" ".join(message.split()).rstrip("."), _LONGEST)
