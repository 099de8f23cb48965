"""The verbs of `kubernaut-action`. Standard output has only the verb's JSON object."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from kubernaut_sdk import catalog, logs
from kubernaut_sdk.action import Action
from kubernaut_sdk.context import Context
from kubernaut_sdk.errors import ActionError, InvalidInputs, explain
from kubernaut_sdk.execution.outcome import ExecutionOutcome, refuse
from kubernaut_sdk.execution.runner import Execution
from kubernaut_sdk.faults import action_hint
from kubernaut_sdk.ids import mint
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.program.answering import VerbResult, VerbWork, learn_mounted_secrets, run_verb, without_action
from kubernaut_sdk.program.commandgroup import CommandGroup
from kubernaut_sdk.program.sources import inputs_options, inputs_parser, parse_record_id, read_change, read_recorded
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.secrets.files import learn_files
from kubernaut_sdk.settings import StepSettings, results_dir
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.tracing import Tracing

__all__ = ["call", "program"]

_STARTED = time.monotonic()


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def program() -> None:
    """Run and inspect the remediation actions of this image."""


@program.command()
@inputs_options
@click.option("--dry-run", is_flag=True, help="Plan only; write nothing but the record.")
def run(dry_run: bool, action_type: str | None, **sources: Any) -> VerbWork:
    """Plan the action and carry it out; or undo a record's change, where ACTION_UNDO_RECORD names one."""

    def work(run: Execution, parse: Callable[[], Inputs]) -> ExecutionOutcome:
        if (record_id := run.settings.undo_record) is not None:
            return run.undo(lambda: read_recorded(run, record_id, parse, sources))
        return run.execute(parse)

    return _with_run(action_type, sources, work, dry_run=dry_run)


@program.command()
@inputs_options
def plan(action_type: str | None, **sources: Any) -> VerbWork:
    """Print what the action would change; write nothing."""
    return _with_run(
        action_type, sources, lambda run, parse: run.execute(parse, record=False, plan_only=True), quiet=True
    )


@program.command()
@inputs_options
@click.option("--dry-run", is_flag=True, help="Plan only; write nothing but the record.")
@click.option("--record", "record_id", metavar="ID", help="The record whose change is undone.")
@click.option("--change", "change_file", type=click.Path(path_type=Path), help="A JSON file {before, after} instead.")
def undo(
    dry_run: bool, record_id: str | None, change_file: Path | None, action_type: str | None, **sources: Any
) -> VerbWork:
    """Restore the state before an action, if nothing else has changed it since."""

    def work(run: Execution, parse: Callable[[], Inputs]) -> ExecutionOutcome:
        if (record_id is None) == (change_file is None):
            raise InvalidInputs("undo needs either --record ID or --change FILE.")
        if change_file is not None:
            return run.undo(lambda: (parse(), read_change(change_file)))
        undone = run.settings.undo_record
        if undone is None:
            raise InvalidInputs(f"--record {shorten(record_id or '')}: not a record id, which is a UUID of version 7.")
        return run.undo(lambda: read_recorded(run, undone, parse, sources))

    return _with_run(action_type, sources, work, dry_run=dry_run, undo=record_id or "")


@program.command()
@inputs_options
def check(action_type: str | None, **sources: Any) -> VerbWork:
    """Check if the action could run: inputs, tools, target, permissions."""
    from kubernaut_sdk.execution.prechecks import run_prechecks  # noqa: PLC0415 – of no use to the other verbs

    def work(masker: Masker, _: dict[str, Any]) -> VerbResult:
        settings = StepSettings.from_env()
        settings = replace(settings, action_type=action_type or settings.action_type)
        interrupts = Interrupts(_STARTED + settings.timeout.total_seconds())
        with interrupts.installed():
            interrupts.open()
            learn_files(settings.secrets_dir, masker)
            action = _find(settings)
            context = Context(settings, settings.record_id or mint(), interrupts, masker, Tracing(masker.text))
            context.dry_run = True
            checks = run_prechecks(action, context, inputs_parser(action, settings, masker, sources))
            interrupts.close()
        rows = [
            {
                "name": check.name,
                "ok": check.problem is None,
                "problem": check.problem,
                **({"caution": check.caution} if check.caution else {}),
            }
            for check in checks
        ]
        code = next((check.exit_code for check in checks if check.problem is not None), 0)
        return {"action_type": action.action_type, "ok": code == 0, "checks": masker.json(rows)}, code

    return work


@program.command()
def spec() -> VerbWork:
    """Print all actions of this image: schemas, permissions, examples, risk."""
    from kubernaut_sdk.program.speccache import installed_spec  # noqa: PLC0415 – of no use to the other verbs

    return without_action(installed_spec)


@program.command(name="explain")
@click.argument("code", type=int)
def explain_code(code: int) -> VerbWork:
    """Print the meaning of an exit code."""
    return without_action(lambda: explain(code))


@program.command()
def version() -> VerbWork:
    """Print the versions of the SDK and of the actions."""
    from importlib.metadata import version as installed  # noqa: PLC0415 – of no use to the other verbs

    def versions() -> dict[str, Any]:
        actions = {action.action_type: action.version for action in catalog.all_actions()}
        return {"sdk": installed("kubernaut-sdk"), "contract": catalog.CONTRACT, "actions": actions}

    return without_action(versions)


def call(arguments: list[str]) -> int:
    """Run the verb of a command line, print its JSON object and return the exit code.

    Exceptions and prints of an action, its module or a library do not leave this function.
    """
    verb = arguments[0] if arguments else ""
    try:
        work = program.main(arguments, prog_name="kubernaut-action", standalone_mode=False)
    except click.ClickException as error:
        work = _report_usage_error(error, verb)
    if not callable(work):
        return int(work or 0)  # help was asked for and printed
    return run_verb(work, only_output=verb not in _WITH_RESULTS)


_WITH_RESULTS = {"run", "undo"}


def _report_usage_error(error: click.ClickException, verb: str) -> VerbWork:
    """Return the work that reports a malformed command line; for `run`, with results like any other failure."""
    message = error.format_message() if verb else f"No verb is given; there is {', '.join(sorted(program.commands))}."
    problem = InvalidInputs(f"{message} See kubernaut-action --help.", reason="Usage")

    def refused() -> dict[str, Any]:
        raise problem

    if verb in _WITH_RESULTS or verb not in program.commands:
        return _with_run(None, {}, None, refused=problem)
    return without_action(refused)


def _with_run(
    action_type: str | None,
    sources: dict[str, Any],
    work: Callable[[Execution, Callable[[], Inputs]], ExecutionOutcome] | None,
    *,
    dry_run: bool = False,
    undo: str | None = None,
    quiet: bool = False,
    refused: ActionError | None = None,
) -> VerbWork:
    """Return the work of a verb that runs an action: one execution, set up from environment and command line."""

    def do(masker: Masker, about: dict[str, Any]) -> VerbResult:
        folder = None if quiet else results_dir(os.environ)
        try:
            settings = StepSettings.from_env()
        except InvalidInputs as error:
            learn_mounted_secrets(masker)
            return _result(refuse(error, None, None, masker=masker, folder=folder), masker)
        settings = replace(
            settings,
            action_type=action_type or settings.action_type,
            dry_run=dry_run or settings.dry_run,
            record_id=settings.record_id if undo is None else None,
            undo_record=settings.undo_record if undo is None else parse_record_id(undo),
            results_dir=folder,
            storage_url=None if quiet else settings.storage_url,
        )
        interrupts = Interrupts(_STARTED + settings.timeout.total_seconds())
        recorder: Recorder | None = None
        run: Execution | None = None
        with interrupts.installed(), ExitStack() as stack:
            try:
                interrupts.open()
                recorder = stack.enter_context(_recorder(settings))
                learn_files(settings.secrets_dir, masker)
                if settings.storage_url is None and not quiet:
                    logs.logger.info("no record is stored: DATA_STORAGE_URL is not set")
                if refused is not None:
                    raise refused  # noqa: TRY301 – it ends as whatever is raised here
                action = _find(settings)
                tracing = Tracing(masker.text)
                run = Execution(action, settings, interrupts, masker, recorder, tracing)
                about |= {"action_type": action.action_type, "record_id": str(run.record_id)}
                assert work is not None
                outcome = work(run, inputs_parser(action, settings, masker, sources))
                _close_tracing(tracing)
            except BaseException as problem:
                interrupts.close()
                changed = run.changed if run is not None else False
                outcome = refuse(problem, settings, recorder, masker=masker, folder=folder, changed=changed)
        return _result(outcome, masker)

    return do


def _result(outcome: ExecutionOutcome, masker: Masker) -> VerbResult:
    return masker.json(outcome.document()), outcome.exit_code


def _close_tracing(tracing: Tracing) -> None:
    try:
        tracing.close()
    except Exception as error:
        logs.logger.warning("traces were not sent: %s", error)


@contextmanager
def _recorder(settings: StepSettings) -> Iterator[Recorder]:
    client = StorageClient(settings.storage_url, settings.storage_token_file) if settings.storage_url else None
    recorder = Recorder(client, Spool(settings.spool))
    try:
        yield recorder
    finally:
        recorder.close()


def _find(settings: StepSettings) -> Action:
    if settings.action_type is None:
        raise InvalidInputs(
            f"no action named; set ACTION_TYPE or give one as argument; {action_hint('', catalog.known_types())}"
        )
    return catalog.find(settings.action_type)
