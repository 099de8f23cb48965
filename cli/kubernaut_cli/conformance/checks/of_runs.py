"""What a run takes, prints, writes and shows."""

from collections.abc import Iterator

from kubernaut_cli.conformance import spec as specs
from kubernaut_cli.conformance.checks.check import Check, NotApplicable, Unmet, adds_to, unless
from kubernaut_cli.conformance.checks.telling import document_of, ended, found, listed, results_of, working
from kubernaut_cli.conformance.examination import ActionExamination
from kubernaut_cli.conformance.image import Image
from kubernaut_cli.conformance.observation import Observation
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.results import BUDGET, REQUIRED_RESULTS, message_size

__all__ = ["RUN_CHECKS"]

_CODE_OF = {
    "succeeded": {0},
    "unchanged": {0},
    "planned": {0},
    "cancelled": {143},
    "timed_out": {124},
    "failed": {1, 2, 3, 4, 5, 75},
}
_FIELDS = {"action_type", "status", "changed", "change", "output", "error", "record"}
RUN_CHECKS: list[Check[ActionExamination]] = []
_check = adds_to(RUN_CHECKS)


@_check(
    "scenario-runs",
    "All that follows is judged by what the scenario's run changes.",
    "Let the scenario's setup and inputs be such that the action changes the world and ends with 0; its `state` must show the change.",
)
def _(action: ActionExamination) -> None:
    run = found(action.first)
    unless(run.ended.exit_code == 0, ended(run))
    unless(run.before != run.after, "the world is after the run as it was before; the scenario must change something")


@_check(
    "unknown-input",
    "A misspelt input that is passed over is an action that does something else than was asked.",
    "Refuse unknown inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = action.unknown_input
    unless(run.ended.exit_code == 2, f"{ended(run)}, not with 2")
    unless(run.before == run.after, "it changed the world")


@_check(
    "missing-input",
    "A required input that is missing must not become a default nobody chose.",
    "Refuse missing inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = found(action.missing_input, "it has no required inputs")
    unless(run.ended.exit_code == 2, f"{ended(run)}, not with 2")
    unless(run.before == run.after, "it changed the world")


@_check(
    "plan-writes-nothing",
    "`plan` is what a person looks at before deciding.",
    "Let `plan` print the change, and send and write nothing.",
)
def _(action: ActionExamination) -> None:
    working(action)
    run = found(action.planned)
    unless(run.ended.exit_code == 0, ended(run))
    unless(run.before == run.after, "it changed the world")
    unless(not run.writes, f"it sent {listed(run.writes)}")
    unless(document_of(run).get("change"), f"it printed no change but {shorten(run.ended.stdout)}")


@_check(
    "dry-run-writes-nothing",
    "A dry run of a whole workflow is only worth something if it is one.",
    "With ACTION_DRY_RUN=true stop after planning; end with status `planned` and changed `false`.",
)
def _(action: ActionExamination) -> None:
    working(action)
    run = found(action.dry)
    unless(run.ended.exit_code == 0, ended(run))
    unless(run.before == run.after, "it changed the world")
    unless(not run.writes, f"it sent {listed(run.writes)}")
    said = results_of(run, "status", "changed")
    unless(said == ("planned", "false"), f"its results say status {said[0]} and changed {said[1]}")


@_check(
    "second-run-unchanged",
    "A step is run again after a node is lost, or by a person in doubt; of an action that calls itself idempotent they rely on it.",
    "Let `plan` read the world and end with `unchanged` where it is already as asked; or declare the action not idempotent.",
)
def _(action: ActionExamination) -> None:
    working(action)
    if not action.spec.idempotent:
        raise NotApplicable("it does not call itself idempotent")
    run = found(action.second)
    unless(run.ended.exit_code == 0, ended(run))
    said = results_of(run, "status", "changed")
    unless(said == ("unchanged", "false"), f"its results say status {said[0]} and changed {said[1]}")
    unless(run.before == run.after, "it changed the world again")


@_check(
    "results-complete",
    "Tekton and the controller know of a step what its results say, most of all when it failed.",
    f"Write all of {', '.join(sorted(REQUIRED_RESULTS))} at every end, true to the exit code; codes 2, 3 and 5 promise that nothing changed.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        if run.what != "of the verb plan":
            for problem in _result_faults(run):
                raise Unmet(f"the run {run.what}: {problem}")


def _result_faults(run: Observation) -> Iterator[str]:
    results, code = run.ended.results, run.ended.exit_code
    missing = sorted(set(REQUIRED_RESULTS) - set(results) - set(run.ended.odd))
    if missing:
        yield f"no result {', '.join(missing)}"
    if missing or run.ended.odd:
        return
    if results["status"] not in _CODE_OF:
        yield f"status is {shorten(results['status'])}"
    if results["changed"] not in {"true", "false", "unknown"}:
        yield f"changed is {shorten(results['changed'])}"
    if results["record-id"] != run.record_id:
        yield f"record-id is {shorten(results['record-id'])} and not ACTION_RECORD_ID"
    if results["record-status"] not in {"stored", "deferred", "disabled"}:
        yield f"record-status is {shorten(results['record-status'])}"
    if code == 0 and results["error"]:
        yield f"error is {shorten(results['error'])} with exit code 0"
    if code != 0 and (run.error.get("code") != code or not run.error.get("reason") or not run.error.get("message")):
        yield f"error is {shorten(results['error'])} with exit code {code}; it must hold code, reason and message"


@_check(
    "code-and-status-agree",
    "A step succeeded only where both say so; where they disagree it counts as failed, and nobody knows what it changed.",
    "Exit with 0 only where status is `succeeded`, `unchanged` or `planned`; with 143 where it is `cancelled`, 124 where `timed_out`, else with the code of the failure.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        status, code = run.ended.results.get("status"), run.ended.exit_code
        expected = _CODE_OF.get(status or "", {code})
        unless(code in expected, f"the run {run.what} ended with {code}, and its status is {status}")


@_check(
    "codes-keep-their-promise",
    "2, 3 and 5 promise that nothing changed: what comes after them relies on it, and looks no further.",
    "Once something was begun, end with 1 (or 4, 75, 124, 143), and say `changed` = `true` or `unknown`.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        if run.ended.exit_code in {2, 3, 5}:
            changed = run.ended.results.get("changed", "false")
            unless(changed == "false", f"{ended(run)}, and changed is {shorten(changed)}")


@_check(
    "unchanged-verified",
    "A step is run again because somebody doubts that its goal was reached; `unchanged` answers that it was.",
    "Where `plan` finds nothing to do, still `verify` the goal, and end with 4 where it is not reached.",
)
def _(action: ActionExamination) -> None:
    working(action)
    if not action.spec.verified:
        raise NotApplicable("it says of itself that it verifies nothing")
    run = found(action.second)
    if run.ended.results.get("status") != "unchanged":
        raise NotApplicable("its second run does not end `unchanged`; see second-run-unchanged")
    looked, planned = run.passed, found(action.planned_again).passed
    if not planned:
        raise NotApplicable("its requests are not seen; let the scenario have a server")
    unless(
        len(looked) > len(planned),
        f"the run {run.what} ended `unchanged` after no more requests ({len(looked)}) than planning alone makes",
    )


@_check(
    "results-plain-files",
    "What is no plain file of text is not read: following a link would read another's file.",
    "Write each result as a plain file in UTF-8, replaced atomically (written beside it under a name with a dot, and renamed).",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        for name, why in sorted(run.ended.odd.items()):
            raise Unmet(f"the run {run.what}: the result {name} {why}")


@_check(
    "results-within-budget",
    "One byte more than Tekton can carry fails a step whose action succeeded.",
    'Keep the results, as Go\'s JSON encoder writes them, under 1,700 bytes: leave out what does not fit and say "truncated": true.',
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        size = message_size(dict(run.ended.results))
        unless(size <= BUDGET, f"the run {run.what} wrote {size} bytes")


@_check(
    "output-valid",
    "Later steps take values from the output, as the spec promises it.",
    "Let the output hold what the result's schema requires, in its types.",
)
def _(action: ActionExamination) -> None:
    run = working(action)
    if action.spec.result is None:
        raise NotApplicable("the spec promises no result")
    output = document_of(run).get("output")
    problem = specs.violation(action.spec.result, output)
    unless(problem is None, f"output {problem}")


@_check(
    "stdout-one-object",
    "Programs read standard output; one line of chatter there breaks them.",
    f"Print one JSON object with {', '.join(sorted(_FIELDS))}, also on failure; everything else goes to standard error.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        document = run.document
        unless(
            document is not None,
            f"the run {run.what} printed {shorten(run.ended.stdout) if run.ended.stdout else 'nothing'}",
        )
        missing = sorted(_FIELDS - set(document or {}))
        unless(not missing, f"the run {run.what} printed an object without {', '.join(missing)}")


@_check(
    "secret-nowhere",
    "Logs, results and records are kept, copied and read by people who may not know the secret.",
    "Mask the content of every file in SECRETS_DIR: raw, base64, URL-quoted, JSON, hex; in errors and tools' output, too.",
)
def _(action: ActionExamination) -> None:
    if action.world is None:
        raise NotApplicable("no scenario tries this action")
    for run in action.all_runs():
        places = sorted(set(run.leaks()))
        unless(not places, f"the run {run.what} shows a secret in {listed(places)}")


@_check(
    "read-only-root",
    "The generic Task mounts the root read-only; what is changed there could be used to stay.",
    "Write only below /tmp (HOME and TMPDIR point there) and to RESULTS_DIR.",
)
def _(action: ActionExamination) -> None:
    found(action.first)
    if not isinstance(action.subject, Image):
        raise NotApplicable("these are processes; only an image has a root of its own")
    unless(action.read_only, "it runs only with a writable root")


@_check(
    "permissions-declared",
    "The Role that people bind is made of what the spec declares.",
    "Add the permission to the action's definition, or do without it.",
)
def _(action: ActionExamination) -> None:
    working(action)
    used = {request.permission for run in action.all_runs() for request in run.passed if request.permission}
    if not used:
        raise NotApplicable(
            "no request was seen whose permission is known; let the scenario's server speak aws or kubernetes"
        )
    undeclared = sorted(used - set(_declared(action.spec.permissions)))
    unless(not undeclared, f"it used {listed(undeclared)}")


def _declared(permissions: list[str]) -> Iterator[str]:
    """`apps/deployments: get, patch` says two; `ec2:RebootInstances` one."""
    for permission in permissions:
        resource, separator, verbs = permission.partition(": ")
        yield from (f"{resource}: {verb.strip()}" for verb in verbs.split(",")) if separator else (permission,)
