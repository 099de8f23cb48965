"""`kubernaut undo`: take back what a record or a workflow changed."""

import getpass
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from kubernaut_cli.completion import complete_records, complete_workflows
from kubernaut_cli.engine.pipelinerun import read_pipeline_run
from kubernaut_cli.engine.task import generic_task
from kubernaut_cli.history.changes import change_text
from kubernaut_cli.history.reading import HistoryReader, in_order, open_history, short_id, when, workflow_title
from kubernaut_cli.history.rows import HistoryRow, rows_of, target_text
from kubernaut_cli.localrun import LocalSettings, run_locally
from kubernaut_cli.options import data_option, engine_option, output_option, secret_folders
from kubernaut_cli.terminal import echo, one_line
from kubernaut_cli.undoing.images import image_can_undo, installed_can_undo
from kubernaut_cli.undoing.pipelinerun import undo_pipeline_run
from kubernaut_cli.undoing.plan import CanUndo, UndoPlan, plan_undo
from kubernaut_controller import dump_yaml
from kubernaut_sdk.errors import InvalidInputs, NotFound, PreconditionFailed
from kubernaut_sdk.records import Record

__all__ = ["undo"]


@click.command()
@click.argument("record_id", metavar="[ID]", required=False, shell_complete=complete_records)
@click.option(
    "--workflow",
    shell_complete=complete_workflows,
    help="Take back all that a workflow changed, the last change first.",
)
@click.option("--yes", is_flag=True, help="Do it without a question.")
@click.option("--dry-run", is_flag=True, help="Compare the plan with the world; change nothing.")
@click.option(
    "--render", is_flag=True, help="Print the PipelineRun that undoes it in a cluster, for kubectl create -f -."
)
@click.option("--requester", help="Who asks for it; by default the user of this machine.")
@engine_option
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="STEP=FOLDER",
    help="The folder that stands for the Secret of a step; may be repeated. With --render: STEP=NAME of the Secret.",
)
@click.option(
    "--service-account",
    "accounts",
    multiple=True,
    metavar="STEP=NAME",
    help="With --render: the ServiceAccount of a step, which no record names; may be repeated.",
)
@output_option("text", "json")
@data_option
def undo(record_id: str | None, workflow: str | None, **options: Any) -> None:
    """Take back what the record ID, or a whole workflow, changed: first the plan, then the question.

    A change is taken back only where the world is still as the action left it. What cannot be undone is listed first.

    Exit code: 0 done, 1 a step failed, 2 it is not confirmed, or the name is ambiguous, 3 it cannot be undone or there
    is no such record, 124 and 130 as of `kubernaut run`.
    """
    if (record_id is None) == (workflow is None):
        raise click.UsageError("name either the ID of a record or a --workflow.")
    quiet = options["output"] == "json" or options["render"]
    with open_history(options["data"]) as reader:
        records = [reader.record(record_id)] if record_id is not None else _records_of_run(reader, workflow or "")
        rows = rows_of(in_order(records), reader.undos(min(record.at for record in records)))
    plan = plan_undo(rows, by_image=_by_image(options))
    _print_plan(plan, err=quiet)
    _require_steps(plan, rows)
    requester = options["requester"] or getpass.getuser()
    if options["render"]:
        document = undo_pipeline_run(
            plan.steps,
            requester,
            dry_run=options["dry_run"],
            secret_names=_names_by_step("--secret", options["secrets"], plan),
            service_accounts=_names_by_step("--service-account", options["accounts"], plan),
        )
        echo(dump_yaml(document), nl=False)
        return
    if options["accounts"]:
        raise click.UsageError("--service-account is for --render; on this machine a step has the rights of its user.")
    folders = secret_folders(options["secrets"])
    _require_undone("--secret", folders, plan)
    if not (options["yes"] or options["dry_run"]):
        _confirm(len(plan.steps))
    document = undo_pipeline_run(
        plan.steps, requester, dry_run=options["dry_run"], secret_names={name: name for name in folders}
    )
    tasks = document["spec"]["pipelineSpec"]["tasks"]
    settings = LocalSettings(
        engine=options["engine"],
        output=options["output"],
        data=options["data"],
        secrets=folders,
        places={task["name"]: row.record.inputs or {} for task, row in zip(tasks, plan.steps, strict=True)},
    )
    sys.exit(run_locally(read_pipeline_run(document, generic_task()), settings).exit_code)


def _by_image(options: Mapping[str, Any]) -> CanUndo | None:
    """Return what tells if an image can undo its action, or None where installed actions undo."""
    if options["render"]:
        return installed_can_undo
    return image_can_undo if options["engine"] == "docker" else None


def _names_by_step(option: str, pairs: Sequence[str], plan: UndoPlan) -> dict[str, str]:
    """Return step → name, from STEP=NAME.

    Raises:
        InvalidInputs: if one is written otherwise, or names a step that is not undone.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        step, _, name = pair.partition("=")
        if not step or not name:
            raise InvalidInputs(f"{option} {pair}: write it as STEP=NAME.")
        names[step] = name
    _require_undone(option, names, plan)
    return names


def _require_undone(option: str, steps: Iterable[str], plan: UndoPlan) -> None:
    if unknown := sorted(set(steps) - {row.record.step for row in plan.steps}):
        raise InvalidInputs(f"{option} {unknown[0]}: no step of this name is undone.")


def _records_of_run(reader: HistoryReader, name: str) -> list[Record]:
    """Return the records of the one workflow of a name.

    Raises:
        InvalidInputs: if there are several.
        NotFound: if there is none.
    """
    found = reader.of_workflow(name)
    if not found:
        raise NotFound(f"nothing found for --workflow {name} {reader.looked()}.")
    runs: dict[object, list[Record]] = {}
    for record in [one for one in found if not one.dry_run] or found:
        runs.setdefault(record.workflow and (record.workflow.namespace, record.workflow.uid), []).append(record)
    if len(runs) > 1:
        shown = "; ".join(
            f"{workflow_title(records[0].workflow)} of {when(min(record.at for record in records))}"
            for records in runs.values()
            if records[0].workflow
        )
        raise InvalidInputs(f"{name} is the name of {len(runs)} workflows: {shown}. Name the run that you mean.")
    return next(iter(runs.values()))


def _print_plan(plan: UndoPlan, *, err: bool) -> None:
    for row, obstacle in plan.left:
        echo(one_line(f"cannot be undone: {_mention(row)}: {obstacle.sentence}"), err=err)
    for number, row in enumerate(plan.steps, 1):
        undone = row.undone_by
        note = f" (undone already, by record {short_id(undone.id)})" if undone else ""
        echo(one_line(f"{number}. undo {_mention(row)}{note}"), err=err)
        echo(one_line(f"   it changed {change_text(row.record) or 'nothing that its record shows'}"), err=err)


def _mention(row: HistoryRow) -> str:
    record = row.record
    target = target_text(record.target)
    step = f"{record.step}: " if record.step else ""
    return f"{short_id(record.id)} {step}{record.action_type}{f' on {target}' if target else ''}"


def _require_steps(plan: UndoPlan, rows: list[HistoryRow]) -> None:
    """Raise an error if there is nothing to undo.

    Raises:
        PreconditionFailed: with the reason of the first that cannot be undone, such as `Withheld`.
    """
    if plan.steps:
        return
    if plan.left:
        row, obstacle = plan.left[0]
        raise PreconditionFailed(
            f"record {short_id(row.record.id)} cannot be undone ({obstacle.reason}): {obstacle.sentence}.",
            reason=obstacle.reason,
        )
    if len(rows) == 1:
        raise PreconditionFailed(
            f"record {short_id(rows[0].record.id)} cannot be undone (NothingChanged): it changed nothing.",
            reason="NothingChanged",
        )
    raise PreconditionFailed("there is nothing to undo: no step changed anything.", reason="NothingChanged")


def _confirm(steps: int) -> None:
    """Return if the person at the terminal agrees.

    Raises:
        InvalidInputs: if nobody can be asked, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise InvalidInputs("nothing was undone: say --yes to do it, or --dry-run to compare it with the world.")
    if not click.confirm(f"Undo {'this change' if steps == 1 else f'these {steps} changes'}?", err=True):
        raise InvalidInputs("nothing was undone.")
