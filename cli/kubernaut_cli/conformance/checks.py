"""The checks: each with its name, the reason for it and what to do where it fails."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, Literal, TypeVar

from kubernaut_cli.conformance import spec as specs
from kubernaut_cli.conformance.compatibility import breaks
from kubernaut_cli.conformance.examination import WORKFLOW, ActionExamination, ImageExamination, Observation
from kubernaut_cli.conformance.image import Image
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.results import BUDGET, RESULT_NAMES, message_size

__all__ = ["ACTION_CHECKS", "IMAGE_CHECKS", "Check", "Judgement", "judge"]

Subject = TypeVar("Subject", ImageExamination, ActionExamination)

TERMINAL = {"succeeded", "unchanged", "planned", "failed", "cancelled", "timed_out"}
_CODE_OF = {
    "succeeded": {0},
    "unchanged": {0},
    "planned": {0},
    "cancelled": {143},
    "timed_out": {124},
    "failed": {1, 2, 3, 4, 5, 75},
}
_FIELDS = {"action_type", "status", "changed", "change", "output", "error", "record"}


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One thing that an image must do.

    Attributes:
        name: In the report.
        reason: Why it matters.
        fix: What to do where it fails.
        advice: Whether a failure is only worth a word.
        look: Returns where all is well; says otherwise by `_Unmet` or `_NotApplicable`.
    """

    name: str
    reason: str
    fix: str
    look: Callable[[Subject], None]
    advice: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a check found.

    Attributes:
        check: Which.
        subject: Of what: the image, or an action's title.
        outcome: `advice` is a failure that does not count.
        message: What was found, or why it was skipped; empty where it passed.
    """

    check: "Check[Any]"
    subject: str
    outcome: Literal["passed", "failed", "skipped", "advice"]
    message: str = ""


class _Unmet(Exception):
    """The image does not do it; the message says what it does instead."""


class _NotApplicable(Exception):
    """There is nothing to check here; the message says why."""


IMAGE_CHECKS: list[Check[ImageExamination]] = []
ACTION_CHECKS: list[Check[ActionExamination]] = []


def judge(check: "Check[Subject]", subject: Subject, title: str) -> Judgement:
    """What a check finds."""
    try:
        check.look(subject)
    except _Unmet as found:
        return Judgement(check, title, "advice" if check.advice else "failed", str(found))
    except _NotApplicable as why:
        return Judgement(check, title, "skipped", str(why))
    return Judgement(check, title, "passed")


def _of_image(
    name: str, reason: str, fix: str, *, advice: bool = False
) -> Callable[[Callable[[ImageExamination], None]], None]:
    return lambda look: IMAGE_CHECKS.append(Check(name, reason, fix, look, advice))


def _of_action(name: str, reason: str, fix: str) -> Callable[[Callable[[ActionExamination], None]], None]:
    return lambda look: ACTION_CHECKS.append(Check(name, reason, fix, look))


def _unless(condition: object, message: str) -> None:
    if not condition:
        raise _Unmet(message)


def _found(run: Observation | None, why: str = "no scenario tries this action") -> Observation:
    if run is None:
        raise _NotApplicable(why)
    return run


def _working(action: ActionExamination) -> Observation:
    run = _found(action.first)
    if not action.works:
        raise _NotApplicable("the scenario's run does not change anything; see scenario-runs")
    return run


def _document(run: Observation) -> dict[str, Any]:
    if run.document is None:
        raise _NotApplicable("standard output is not one object; see stdout-one-object")
    return run.document


def _ended(run: Observation) -> str:
    """How a run ended, for a message."""
    said = run.error.get("message") or run.ended.stderr.strip().rpartition("\n")[2]
    return f"the run {run.what} ended with {run.ended.exit_code}" + (f": {shorten(said, 200)}" if said else "")


def _spec(image: ImageExamination) -> specs.ImageSpec:
    if isinstance(image.spec, str):
        raise _NotApplicable(f"the spec cannot be read: {image.spec}")
    return image.spec


def _image(examination: ImageExamination) -> Image:
    if examination.image is None:
        raise _NotApplicable("these are processes; only an image has labels, a user and a root")
    return examination.image


# the image


@_of_image(
    "spec-offline",
    "Catalogues and workflow validation read what an image can do before anything is reachable.",
    "Let `kubernaut-action spec` print its JSON with no network, no inputs and no environment, and exit 0.",
)
def _(image: ImageExamination) -> None:
    ended = image.offline
    _unless(ended.exit_code == 0, f"`spec` ended with {ended.exit_code}: {shorten(ended.stderr.strip()[-300:], 300)}")
    _unless(ended.stdout.strip().startswith("{"), f"`spec` printed {shorten(ended.stdout)}")


@_of_image(
    "spec-valid",
    "Inputs are checked against these schemas long before the action runs.",
    "Mend the spec: all fields, JSON Schemas of objects that refuse unknown inputs, examples that are valid.",
)
def _(image: ImageExamination) -> None:
    if image.offline.exit_code != 0 and image.file is None:
        raise _NotApplicable("there is no spec")
    if isinstance(image.spec, str):
        raise _Unmet(image.spec)
    for problem in specs.faults(image.spec):
        raise _Unmet(problem)


@_of_image(
    "spec-label",
    "Who has only the image's name can tell by the label whether what it offers has changed.",
    f"Write the output of `spec` to {specs.PATH} and label the image {specs.LABEL}=sha256:<digest of that file>; `kubernaut build` does both.",
)
def _(image: ImageExamination) -> None:
    file, label = image.file, _image(image).labels.get(specs.LABEL)
    _unless(file is not None, f"there is no {specs.PATH}")
    _unless(label, f"there is no label {specs.LABEL}")
    digest = f"sha256:{sha256(file or b'').hexdigest()}"
    _unless(label == digest, f"the label says {label}, the file is {digest}")
    if not isinstance(image.spec, str) and image.offline.exit_code == 0:
        _unless(specs.parse(file or b"") == image.spec, f"{specs.PATH} and the verb `spec` say different things")


@_of_image(
    "spec-compatible",
    "Workflows that were written for the image before must still run with this one.",
    "Add optional inputs instead, keep what results say; or give what is new an action type of its own.",
)
def _(image: ImageExamination) -> None:
    if image.previous is None:
        raise _NotApplicable("no earlier image was named (--previous)")
    problems = list(breaks(image.previous, _spec(image)))
    _unless(not problems, "; ".join(problems))


@_of_image(
    "non-root",
    "Clusters with Pod Security `restricted` start no container as root.",
    "Set `USER 65532:65532` in the Dockerfile: a number, since names cannot be checked before the start.",
)
def _(image: ImageExamination) -> None:
    user = _image(image).user.partition(":")[0]
    _unless(user.isdigit() and int(user) != 0, f"its user is {user or 'root, since none is set'}")


@_of_image(
    "no-shell",
    "What is not in the image cannot be used by who breaks into it. (The contract does not forbid it.)",
    "Take a base without one, such as a distroless image.",
    advice=True,
)
def _(image: ImageExamination) -> None:
    _unless(not _image(image).holds("/bin/sh"), "it holds /bin/sh")


# each action


@_of_action(
    "scenario-runs",
    "All that follows is judged by what the scenario's run changes.",
    "Let the scenario's setup and inputs be such that the action changes the world and ends with 0; its `state` must show the change.",
)
def _(action: ActionExamination) -> None:
    run = _found(action.first)
    _unless(run.ended.exit_code == 0, _ended(run))
    _unless(run.before != run.after, "the world is after the run as it was before; the scenario must change something")


@_of_action(
    "unknown-input",
    "A misspelt input that is passed over is an action that does something else than was asked.",
    "Refuse unknown inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = action.unknown_input
    _unless(run.ended.exit_code == 2, f"{_ended(run)}, not with 2")
    _unless(run.before == run.after, "it changed the world")


@_of_action(
    "missing-input",
    "A required input that is missing must not become a default nobody chose.",
    "Refuse missing inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = _found(action.missing_input, "it has no required inputs")
    _unless(run.ended.exit_code == 2, f"{_ended(run)}, not with 2")
    _unless(run.before == run.after, "it changed the world")


@_of_action(
    "plan-writes-nothing",
    "`plan` is what a person looks at before deciding.",
    "Let `plan` print the change, and send and write nothing.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.planned)
    _unless(run.ended.exit_code == 0, _ended(run))
    _unless(run.before == run.after, "it changed the world")
    _unless(not run.writes, f"it sent {_listed(run.writes)}")
    _unless(_document(run).get("change"), f"it printed no change but {shorten(run.ended.stdout)}")


@_of_action(
    "dry-run-writes-nothing",
    "A dry run of a whole workflow is only worth something if it is one.",
    "With ACTION_DRY_RUN=true stop after planning; end with status `planned` and changed `false`.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.dry)
    _unless(run.ended.exit_code == 0, _ended(run))
    _unless(run.before == run.after, "it changed the world")
    _unless(not run.writes, f"it sent {_listed(run.writes)}")
    said = run.ended.results.get("status"), run.ended.results.get("changed")
    _unless(said == ("planned", "false"), f"its results say status {said[0]} and changed {said[1]}")


@_of_action(
    "second-run-unchanged",
    "A step is run again after a node is lost, or by a person in doubt; of an action that calls itself idempotent they rely on it.",
    "Let `plan` read the world and end with `unchanged` where it is already as asked; or declare the action not idempotent.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    if not action.spec.idempotent:
        raise _NotApplicable("it does not call itself idempotent")
    run = _found(action.second)
    _unless(run.ended.exit_code == 0, _ended(run))
    said = run.ended.results.get("status"), run.ended.results.get("changed")
    _unless(said == ("unchanged", "false"), f"its results say status {said[0]} and changed {said[1]}")
    _unless(run.before == run.after, "it changed the world again")


@_of_action(
    "not-applied-twice",
    "A pod is made again under the same name after it was force-deleted or its node was lost; what is not idempotent must not happen twice.",
    "Before applying, ask Data Storage for the own record; where another pod had begun, end with 3 (reason AlreadyApplied).",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.elsewhere, "it calls itself idempotent")
    _unless(run.ended.exit_code == 3, f"{_ended(run)}, not with 3")
    _unless(run.before == run.after, "it changed the world")


@_of_action(
    "results-complete",
    "Tekton and the controller know of a step what its results say, most of all when it failed.",
    f"Write all of {', '.join(sorted(RESULT_NAMES))} at every end, true to the exit code; codes 2, 3 and 5 promise that nothing changed.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        if run.what != "of the verb plan":
            for problem in _result_faults(run):
                raise _Unmet(f"the run {run.what}: {problem}")


def _result_faults(run: Observation) -> Iterator[str]:
    results, code = run.ended.results, run.ended.exit_code
    missing = sorted(set(RESULT_NAMES) - set(results))
    if missing:
        yield f"no result {', '.join(missing)}"
        return
    status = results["status"]
    if status not in _CODE_OF:
        yield f"status is {shorten(status)}"
    elif code not in _CODE_OF[status]:
        yield f"status is {status} with exit code {code}"
    if results["changed"] not in {"true", "false", "unknown"}:
        yield f"changed is {shorten(results['changed'])}"
    elif code in {2, 3, 5} and results["changed"] != "false":
        yield f"changed is {results['changed']} with exit code {code}, which promises that nothing changed"
    if results["record-id"] != run.record_id:
        yield f"record-id is {shorten(results['record-id'])} and not ACTION_RECORD_ID"
    if results["record-status"] not in {"stored", "deferred", "disabled"}:
        yield f"record-status is {shorten(results['record-status'])}"
    if code == 0 and results["error"]:
        yield f"error is {shorten(results['error'])} with exit code 0"
    if code != 0 and (run.error.get("code") != code or not run.error.get("reason") or not run.error.get("message")):
        yield f"error is {shorten(results['error'])} with exit code {code}; it must hold code, reason and message"


@_of_action(
    "results-within-budget",
    "One byte more than Tekton can carry fails a step whose action succeeded.",
    'Keep the results, as Go\'s JSON encoder writes them, under 1,700 bytes: leave out what does not fit and say "truncated": true.',
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        size = message_size(dict(run.ended.results))
        _unless(size <= BUDGET, f"the run {run.what} wrote {size} bytes")


@_of_action(
    "output-valid",
    "Later steps take values from the output, as the spec promises it.",
    "Let the output hold what the result's schema requires, in its types.",
)
def _(action: ActionExamination) -> None:
    run = _working(action)
    if action.spec.result is None:
        raise _NotApplicable("the spec promises no result")
    output = _document(run).get("output")
    problem = specs.violation(action.spec.result, output)
    _unless(problem is None, f"output {problem}")


@_of_action(
    "stdout-one-object",
    "Programs read standard output; one line of chatter there breaks them.",
    f"Print one JSON object with {', '.join(sorted(_FIELDS))}, also on failure; everything else goes to standard error.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        document = run.document
        _unless(
            document is not None,
            f"the run {run.what} printed {shorten(run.ended.stdout) if run.ended.stdout else 'nothing'}",
        )
        missing = sorted(_FIELDS - set(document or {}))
        _unless(not missing, f"the run {run.what} printed an object without {', '.join(missing)}")


@_of_action(
    "record-complete",
    "The record is what is left of a remediation after a day; whether it helped is asked of it for months.",
    "Send events with the given id, context and pod: `started`, `applying` with the change, and the end.",
)
def _(action: ActionExamination) -> None:
    run = _working(action)
    record = run.record
    _unless(record is not None, "the store has no record of the id that was given")
    assert record is not None
    expected = {
        "state": run.ended.results.get("status"),
        "action_type": action.spec.action_type,
        "workflow": WORKFLOW,
        "step": "conformance",
        "pod": {"name": "conformance-pod", "uid": "22222222-2222-4222-8222-222222222222"},
    }
    for name, value in expected.items():
        _unless(
            record.get(name) == value, f"{name} is {shorten(repr(record.get(name)))} and not {shorten(repr(value))}"
        )
    for name in ("started_at", "finished_at", "change"):
        _unless(record.get(name), f"{name} is missing")
    _unless(record.get("changed") is True, f"changed is {record.get('changed')}")


@_of_action(
    "told-before-applied",
    "If the pod dies now, only what was told before the first change says that one may have been made.",
    "Send `applying`, and change nothing before Data Storage has acknowledged it (or it is in the spool).",
)
def _(action: ActionExamination) -> None:
    first = _working(action)
    states = [event.get("state") for event in first.events]
    _unless("applying" in states, f"it changed the world and told only {', '.join(map(str, states)) or 'nothing'}")
    run = _found(action.stopped)
    if run.held is None:
        raise _NotApplicable("with DATA_STORAGE_POLICY=require it never told `applying`")
    _unless(run.held == run.before, "the world was changed before `applying` was acknowledged")


@_of_action(
    "sigterm",
    "A cancel, a node that drains and a deleted pod all come as SIGTERM; after 30 s the pod is killed, and nobody knows what it did.",
    "On SIGTERM start no new change, and end within 20 s: exit code 143, status and record `cancelled`.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.stopped)
    seconds = run.ended.after_signal
    if seconds is None:
        raise _NotApplicable("it never told `applying`, so there was no moment at which to stop it")
    _unless(run.ended.exit_code == 143, f"{_ended(run)}, {seconds:.0f} s after SIGTERM, not with 143")
    _unless(seconds <= 20, f"it took {seconds:.0f} s")
    _unless(run.ended.results.get("status") == "cancelled", f"its results say {run.ended.results.get('status')}")
    _unless((run.record or {}).get("state") == "cancelled", f"its record says {(run.record or {}).get('state')}")
    _unless(run.after == run.held, "it changed the world after SIGTERM")


@_of_action(
    "deadline",
    "The action's own end tells what was done; Tekton's timeout kills, and takes no results.",
    "Where ACTION_TIMEOUT has passed start no new change, and end: exit code 124, status and record `timed_out`.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.late)
    _unless(run.ended.exit_code == 124, f"{_ended(run)}, not with 124")
    _unless(run.ended.results.get("status") == "timed_out", f"its results say {run.ended.results.get('status')}")
    _unless((run.record or {}).get("state") == "timed_out", f"its record says {(run.record or {}).get('state')}")
    untouched = run.before if run.held is None else run.held
    _unless(run.after == untouched, "it changed the world after its time was over")


@_of_action(
    "storage-away-best-effort",
    "An incident does not wait for its record; and the record must not be lost with the pod.",
    'Run nevertheless; end with record-status `deferred` and each event in the log, as one line {"kubernaut_record": {…}}.',
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.alone)
    _unless(run.ended.exit_code == 0, _ended(run))
    _unless(run.before != run.after, "it did not change the world")
    status = run.ended.results.get("record-status")
    _unless(status == "deferred", f"record-status is {status}")
    ends = [event for event in run.marked if event.get("state") in TERMINAL and event.get("id") == run.record_id]
    _unless(ends, 'the log has no line {"kubernaut_record": …} with the end')


@_of_action(
    "storage-away-require",
    "Who sets `require` wants no change that nobody knows of.",
    "Where `applying` cannot be stored and DATA_STORAGE_POLICY is `require`, change nothing and end with 5.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.required)
    _unless(run.before == run.after, "it changed the world")
    _unless(run.ended.exit_code == 5, f"{_ended(run)}, not with 5")


@_of_action(
    "told-twice-one-record",
    "Answers get lost; what is sent again must not become a second remediation in the history.",
    "Send every event with the id of ACTION_RECORD_ID, and again unaltered where no answer came.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    run = _found(action.repeated)
    _unless(run.ended.exit_code == 0, _ended(run))
    ids = sorted({str(event.get("id")) for event in run.events})
    _unless(ids == [run.record_id], f"it told of {_listed(ids)}, and not of {run.record_id} alone")
    _unless(run.record is not None and run.record.get("state") in TERMINAL, "the store has no end of it")


@_of_action(
    "secret-nowhere",
    "Logs, results and records are kept, copied and read by people who may not know the secret.",
    "Mask the content of every file in SECRETS_DIR: raw, base64, URL-quoted, JSON, hex; in errors and tools' output, too.",
)
def _(action: ActionExamination) -> None:
    if action.world is None:
        raise _NotApplicable("no scenario tries this action")
    for run in action.all_runs():
        places = sorted(set(run.leaks()))
        _unless(not places, f"the run {run.what} shows a secret in {_listed(places)}")


@_of_action(
    "read-only-root",
    "The generic Task mounts the root read-only; what is changed there could be used to stay.",
    "Write only below /tmp (HOME and TMPDIR point there) and to RESULTS_DIR.",
)
def _(action: ActionExamination) -> None:
    _found(action.first)
    if not isinstance(action.subject, Image):
        raise _NotApplicable("these are processes; only an image has a root of its own")
    _unless(action.read_only, "it runs only with a writable root")


@_of_action(
    "permissions-declared",
    "The Role that people bind is made of what the spec declares.",
    "Add the permission to the action's definition, or do without it.",
)
def _(action: ActionExamination) -> None:
    _working(action)
    used = {request.permission for run in action.all_runs() for request in run.passed if request.permission}
    if not used:
        raise _NotApplicable(
            "no request was seen whose permission is known; let the scenario's server speak aws or kubernetes"
        )
    undeclared = sorted(used - set(_declared(action.spec.permissions)))
    _unless(not undeclared, f"it used {_listed(undeclared)}")


def _declared(permissions: list[str]) -> Iterator[str]:
    """`apps/deployments: get, patch` says two; `ec2:RebootInstances` one."""
    for permission in permissions:
        resource, separator, verbs = permission.partition(": ")
        yield from (f"{resource}: {verb.strip()}" for verb in verbs.split(",")) if separator else (permission,)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
