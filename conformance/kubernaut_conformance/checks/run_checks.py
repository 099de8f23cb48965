"""Checks of the inputs that a run takes, the results it writes and the text it prints."""

from collections.abc import Iterator

from kubernaut_conformance import spec as specs
from kubernaut_conformance.checks.check import CheckFailed, CheckSkipped, ConformanceCheck, register_in, require
from kubernaut_conformance.checks.requirements import (
    describe_end,
    format_names,
    require_document,
    require_meant_run,
    require_results,
    require_run,
)
from kubernaut_conformance.examination import ActionExamination
from kubernaut_conformance.observation import ObservedRun
from kubernaut_conformance.runtime import ImageRuntime
from kubernaut_sdk.permissions import OWN_RESOURCE
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.results import BUDGET, REQUIRED_RESULTS, message_size

__all__ = ["RUN_CHECKS", "undeclared"]

_CODE_OF = {
    "succeeded": {0},
    "unchanged": {0},
    "planned": {0},
    "cancelled": {143},
    "timed_out": {124},
    "failed": {1, 2, 3, 4, 5, 75},
}
_FIELDS = {"action_type", "status", "changed", "change", "output", "error", "record"}
RUN_CHECKS: list[ConformanceCheck[ActionExamination]] = []
_check = register_in(RUN_CHECKS)


@_check(
    "scenario-runs",
    "The other checks compare the state before and after the scenario's run.",
    "Write the scenario's setup and inputs so that the action changes something and ends with 0; its `state` must show the change. Of an action that only reads, say `changes: false`.",
)
def _(action: ActionExamination) -> None:
    run = require_run(action.first_run)
    require(run.completed.exit_code == 0, describe_end(run))
    if not action.only_reads:
        require(run.before != run.after, "the state after the run is as before; the scenario must change something")
        return
    require(run.before == run.after, "it changed something, and its scenario says that it only reads")
    require(not run.writes, f"it sent {format_names(run.writes)}, and its scenario says that it only reads")
    status, changed = require_results(run, "status", "changed")
    require((status, changed) == ("unchanged", "false"), f"its results say status {status} and changed {changed}")


@_check(
    "unknown-input",
    "An action that ignores a misspelt input does something else than was asked.",
    "Refuse unknown inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = action.unknown_input_run
    require(run.completed.exit_code == 2, f"{describe_end(run)}, not with 2")
    require(run.before == run.after, "it changed something")


@_check(
    "missing-input",
    "A required input that is missing must not become a default nobody chose.",
    "Refuse missing inputs with exit code 2, before anything is read or changed.",
)
def _(action: ActionExamination) -> None:
    run = require_run(action.missing_input_run, "it has no required inputs")
    require(run.completed.exit_code == 2, f"{describe_end(run)}, not with 2")
    require(run.before == run.after, "it changed something")


@_check(
    "plan-writes-nothing",
    "A person reads the plan before deciding.",
    "Let `plan` print the change, and send and write nothing.",
)
def _(action: ActionExamination) -> None:
    require_meant_run(action)
    run = require_run(action.plan_run)
    require(run.completed.exit_code == 0, describe_end(run))
    require(run.before == run.after, "it changed something")
    require(not run.writes, f"it sent {format_names(run.writes)}")
    if not action.only_reads:
        require(require_document(run).get("change"), f"it printed no change but {shorten(run.completed.stdout)}")


@_check(
    "dry-run-writes-nothing",
    "A dry run of a whole workflow is only useful if no step changes anything.",
    "With ACTION_DRY_RUN=true stop after planning; end with status `planned` and changed `false`.",
)
def _(action: ActionExamination) -> None:
    require_meant_run(action)
    run = require_run(action.dry_run)
    require(run.completed.exit_code == 0, describe_end(run))
    require(run.before == run.after, "it changed something")
    require(not run.writes, f"it sent {format_names(run.writes)}")
    status, changed = require_results(run, "status", "changed")
    ends = {"planned", "unchanged"} if action.only_reads else {"planned"}
    require(
        status in ends and changed == "false",
        f"its results say status {status} and changed {changed}",
    )


@_check(
    "second-run-unchanged",
    "A step is run again after a node is lost, or by a person in doubt; both rely on an idempotent action to change nothing twice.",
    "Let `plan` read the current state and end with `unchanged` if it is already as asked; or declare the action not idempotent.",
)
def _(action: ActionExamination) -> None:
    require_meant_run(action)
    if not action.spec.idempotent:
        raise CheckSkipped("it does not call itself idempotent")
    run = require_run(action.second_run)
    require(run.completed.exit_code == 0, describe_end(run))
    status, changed = require_results(run, "status", "changed")
    require((status, changed) == ("unchanged", "false"), f"its results say status {status} and changed {changed}")
    require(run.before == run.after, "it changed something again")


@_check(
    "results-complete",
    "Tekton and the controller know only what a step's results say, and need it most when the step failed.",
    f"Write all of {', '.join(sorted(REQUIRED_RESULTS))} however the run ends, consistent with the exit code; codes 2, 3 and 5 promise that nothing changed.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        if run.description != "of the verb plan":
            for problem in _result_faults(run):
                raise CheckFailed(f"the run {run.description}: {problem}")


def _result_faults(run: ObservedRun) -> Iterator[str]:
    results, code = run.completed.results, run.completed.exit_code
    missing = sorted(set(REQUIRED_RESULTS) - set(results) - set(run.completed.unreadable))
    if missing:
        yield f"no result {', '.join(missing)}"
    if missing or run.completed.unreadable:
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
    "A step succeeded only if both say so; if they disagree it counts as failed, and nobody knows what it changed.",
    "Exit with 0 only where status is `succeeded`, `unchanged` or `planned`; with 143 where it is `cancelled`, 124 where `timed_out`, else with the code of the failure.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        status, code = run.completed.results.get("status"), run.completed.exit_code
        expected = _CODE_OF.get(status or "", {code})
        require(code in expected, f"the run {run.description} ended with {code}, and its status is {status}")


@_check(
    "codes-keep-their-promise",
    "2, 3 and 5 promise that nothing changed; whatever runs next relies on that without checking.",
    "Once a change was begun, end with 1 (or 4, 75, 124, 143), and set `changed` to `true` or `unknown`.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        if run.completed.exit_code in {2, 3, 5}:
            changed = run.completed.results.get("changed", "false")
            require(changed == "false", f"{describe_end(run)}, and changed is {shorten(changed)}")


@_check(
    "unchanged-verified",
    "A step is run again because somebody doubts that its goal was reached; `unchanged` says that it was.",
    "If `plan` finds nothing to do, still `verify` the goal, and end with 4 if it is not reached.",
)
def _(action: ActionExamination) -> None:
    require_meant_run(action)
    if not action.spec.verified:
        raise CheckSkipped("it declares that it verifies nothing")
    run = require_run(action.second_run)
    if run.completed.results.get("status") != "unchanged":
        raise CheckSkipped("its second run does not end with `unchanged`; see second-run-unchanged")
    made, planned = run.requests, require_run(action.second_plan_run).requests
    if not planned:
        raise CheckSkipped("its requests are not recorded; give the scenario a server")
    require(
        len(made) > len(planned),
        f"the run {run.description} ended `unchanged` after no more requests ({len(made)}) than planning alone makes",
    )


@_check(
    "results-plain-files",
    "Only plain text files are read: following a link would read a file that is not the action's.",
    "Write each result as a plain file in UTF-8, replaced atomically (written beside it under a name with a dot, and renamed).",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        for name, why in sorted(run.completed.unreadable.items()):
            raise CheckFailed(f"the run {run.description}: the result {name} {why}")


@_check(
    "results-within-budget",
    "One byte more than Tekton can carry fails a step although its action succeeded.",
    'Keep the results, as Go\'s JSON encoder writes them, under 1,700 bytes: leave out what does not fit and add "truncated": true.',
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        size = message_size(dict(run.completed.results))
        require(size <= BUDGET, f"the run {run.description} wrote {size} bytes")


@_check(
    "output-valid",
    "Later steps take values from the output as the spec promises them.",
    "Fill the output with what the result's schema requires, in the types it names.",
)
def _(action: ActionExamination) -> None:
    run = require_meant_run(action)
    if action.spec.result is None:
        raise CheckSkipped("the spec promises no result")
    output = require_document(run).get("output")
    problem = specs.find_violation(action.spec.result, output)
    require(problem is None, f"output {problem}")


@_check(
    "stdout-one-object",
    "Programs read standard output; one other line there breaks them.",
    f"Print one JSON object with {', '.join(sorted(_FIELDS))}, also on failure; everything else goes to standard error.",
)
def _(action: ActionExamination) -> None:
    for run in action.all_runs():
        document = run.document
        require(
            document is not None,
            f"the run {run.description} printed {shorten(run.completed.stdout) if run.completed.stdout else 'nothing'}",
        )
        missing = sorted(_FIELDS - set(document or {}))
        require(not missing, f"the run {run.description} printed an object without {', '.join(missing)}")


@_check(
    "secret-nowhere",
    "Logs, results and records are kept, copied, and read by people who must not know the secret.",
    "Mask the content of every file in SECRETS_DIR: raw, base64, URL-quoted, JSON, hex; in errors and tools' output, too.",
)
def _(action: ActionExamination) -> None:
    if action.environment is None:
        raise CheckSkipped("no scenario tries this action")
    for run in action.all_runs():
        places = sorted(set(run.leaks()))
        require(not places, f"the run {run.description} shows a secret in {format_names(places)}")


@_check(
    "read-only-root",
    "The generic Task mounts the root read-only, so that an attacker can change no program there.",
    "Write only below /tmp (HOME and TMPDIR point there) and to RESULTS_DIR.",
)
def _(action: ActionExamination) -> None:
    require_run(action.first_run)
    if not isinstance(action.runtime, ImageRuntime):
        raise CheckSkipped("these are processes; only an image has a root of its own")
    require(action.read_only, "it runs only with a writable root")


@_check(
    "permissions-declared",
    "The Role that people bind is generated from the permissions in the spec.",
    "Add the permission to the action's definition, or do not use it.",
)
def _(action: ActionExamination) -> None:
    require_meant_run(action)
    used = {request.permission for run in action.all_runs() for request in run.requests if request.permission}
    if not used:
        raise CheckSkipped(
            "no request was recorded whose permission is known; set the scenario's server to speak aws or kubernetes"
        )
    missing = undeclared(used, set(_declared(action.spec.permissions)))
    require(not missing, f"it used {format_names(missing)}")


def undeclared(used: set[str], declared: set[str]) -> list[str]:
    """Return the permissions that were used and not declared; one resource may stand for the object's own."""
    left = used - declared
    pairs = [permission.split(": ") for permission in left]
    resources = {resource for resource, *_ in pairs}
    own = {f"{OWN_RESOURCE}: {' '.join(verbs)}" for _, *verbs in pairs}
    if len(resources) == 1 and own <= declared:
        return []
    return sorted(left)


def _declared(permissions: list[str]) -> Iterator[str]:
    """Yield each permission: `apps/deployments: get, patch` holds two, `ec2:RebootInstances` one."""
    for permission in permissions:
        resource, separator, verbs = permission.partition(": ")
        yield from (f"{resource}: {verb.strip()}" for verb in verbs.split(",")) if separator else (permission,)
