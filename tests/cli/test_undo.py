"""`kubernaut undo`: from the plan to the world as it was, with real processes and records."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ids import mint
from kubernaut_sdk.records import Record, State
from kubernaut_sdk.times import rfc3339, utcnow

Make = Callable[..., Any]
PROBES = Path(__file__).parents[1] / "probe_actions.py"
SLOW = '''
from pathlib import Path

from kubernaut_sdk import Action, Change, Context, Inputs, Result


class Text(Inputs):
    path: str
    text: str = ""


write = Action("slow/write_text")


@write.plan
def plan(ctx: Context, inputs: Text) -> Change:
    """Write a text, and take it back slowly."""
    path = Path(inputs.path)
    return Change({"text": path.read_text() if path.exists() else None}, {"text": inputs.text})


@write.apply
def apply(ctx: Context, inputs: Text, change: Change) -> None:
    Path(inputs.path).write_text(inputs.text)


@write.undo
def undo(ctx: Context, inputs: Text, change: Change) -> None:
    ctx.sleep(20)
    Path(inputs.path).unlink()
'''


@dataclass
class World:
    """Files that a workflow's steps write, and the records of what was done."""

    folder: Path
    called: Callable[..., Any]
    modules: Path = PROBES

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("ACTION_", "DATA_STORAGE_"))}
        return {**kept, "ACTION_MODULES": str(self.modules), **more}

    def run(self, *args: object, **env: str) -> Any:
        where = () if "DATA_STORAGE_URL" in env else (f"--data={self.data}",)
        return self.called(*map(str, args), *where, cwd=self.folder, env=self.env(**env))

    def start(self, text: str, *args: object, **env: str) -> Any:
        (self.folder / "wf.yaml").write_text(text)
        ended = self.run("run", "wf.yaml", *args, **env)
        assert ended.code == 0, ended.stdout + ended.stderr
        return ended

    def records(self) -> list[Record]:
        """Return all records, oldest first."""
        with self.storage() as storage:
            return sorted(storage.get_action_history(), key=lambda one: one.at)

    def undos(self) -> dict[str, Record]:
        """Return the record of each undo, by its step."""
        return {record.step or "?": record for record in self.records() if record.undoes is not None}

    def ids(self) -> dict[str, str]:
        return {record.step or "?": str(record.id) for record in self.records() if record.undoes is None}

    @contextmanager
    def storage(self) -> Iterator[DataStorage]:
        with embedded(self.data) as service, DataStorage(service.url) as storage:
            yield storage


@pytest.fixture
def world(tmp_path: Path, called: Callable[..., Any]) -> World:
    return World(tmp_path, called)


def write(step: Make, path: Path, text: str = "after", **fields: Any) -> Any:
    return step(path.name, inputs={"path": str(path), "text": text}, **fields)


IMAGE = f"ghcr.io/kubernaut/actions/probe@sha256:{'0' * 64}"


def of_run(world: World, uid: str) -> list[dict[str, Any]]:
    """Return the records of a run that wrote two files, one after the other, and did what cannot be undone."""
    before = {"first": "before", "second": None, "thing": None}
    return [
        {
            "id": str(mint()),
            "at": rfc3339(utcnow()),
            "finished_at": rfc3339(utcnow()),
            "state": "succeeded",
            "action_type": "probe/do_thing" if step == "thing" else "probe/write_text",
            "image": IMAGE,
            "target": {"kind": "Deployment", "namespace": "shop", "name": "checkout"},
            "inputs": {"path": str(world.folder / step), "text": "after"},
            "change": {"before": {"text": text}, "after": {"text": "after"}},
            "changed": True,
            "dry_run": False,
            "workflow": {"namespace": "shop", "name": "probe", "uid": uid},
            "step": step,
        }
        for step, text in before.items()
    ]


@pytest.fixture
def changed(world: World) -> World:
    """A world in which a workflow wrote two files, one after the other, and did one thing that cannot be undone."""
    for name in ("first", "second"):
        (world.folder / name).write_text("after")
    with world.storage() as storage:
        outcomes = storage.record(*of_run(world, "one"))
    assert [outcome["outcome"] for outcome in outcomes] == ["stored"] * 3
    return world


def test_a_workflow_is_taken_back_the_last_change_first_and_what_cannot_be_is_listed_before(changed: World) -> None:
    ids = changed.ids()
    done = changed.run("undo", "--workflow", "probe", "--yes", "--requester", "alice")
    lines = done.stdout.splitlines()

    assert done.code == 0
    assert lines[0].startswith(
        f"cannot be undone: {ids['thing'][-8:]} thing: probe/do_thing on shop/Deployment/checkout: "
    )
    assert lines[0].endswith("probe/do_thing cannot be taken back: it defines no undo")
    assert lines[1:5] == [
        f"1. undo {ids['second'][-8:]} second: probe/write_text on shop/Deployment/checkout",
        "   it changed text: nothing → after",
        f"2. undo {ids['first'][-8:]} first: probe/write_text on shop/Deployment/checkout",
        "   it changed text: before → after",
    ]
    assert (changed.folder / "first").read_text() == "before"
    assert not (changed.folder / "second").exists()


def test_its_record_says_what_it_undoes_and_who_asked_and_the_undone_record_shows_it(changed: World) -> None:
    ids = changed.ids()
    changed.run("undo", ids["first"][-8:], "--yes", "--requester", "alice")
    undo = changed.undos()["first"]

    assert (str(undo.undoes), undo.requester, undo.state) == (ids["first"], "alice", State.SUCCEEDED)
    assert undo.workflow is not None
    assert undo.workflow.name == "undo-probe"
    shown = changed.run("history", "show", ids["first"][-8:]).stdout
    assert "state      succeeded (undone), changed" in shown
    assert f"undo      it was undone by alice at {undo.at:%Y-%m-%d %H:%M:%S} UTC: record {undo.id.hex[-8:]}" in shown
    assert "tried by" not in shown
    assert f"this record itself undoes {ids['first'][-8:]}" in changed.run("history", "show", str(undo.id)).stdout


def test_it_is_no_success_of_the_action(changed: World) -> None:
    changed.run("undo", "--workflow", "probe", "--yes")
    [verdict] = json.loads(changed.run("effectiveness", "probe/write_text", "-o", "json").stdout)

    assert (verdict["ran"], verdict["errors"], verdict["undone"], verdict["not_counted"]["undo"]) == (2, 0, 2, 2)


def test_without_a_yes_the_plan_is_shown_and_nothing_is_done(changed: World) -> None:
    asked = changed.run("undo", "--workflow", "probe")

    assert asked.code == 2
    assert "1. undo " in asked.stdout
    assert (
        asked.stderr
        == "kubernaut: nothing was undone: say --yes to do it, or --dry-run to compare it with the world.\n"
    )
    assert (changed.folder / "first").read_text() == "after"
    assert changed.undos() == {}


def test_a_dry_run_compares_the_plan_with_the_world(changed: World) -> None:
    planned = changed.run("undo", "--workflow", "probe", "--dry-run")

    assert planned.code == 0
    assert "? second: planned" in planned.stdout
    assert (changed.folder / "second").read_text() == "after"
    assert {record.state for record in changed.undos().values()} == {State.PLANNED}
    assert "(undone)" not in changed.run("history").stdout


def test_undone_twice_the_second_finds_nothing_to_do(changed: World) -> None:
    first = changed.ids()["first"]
    changed.run("undo", first, "--yes")
    again = changed.run("undo", first, "--yes")

    assert again.code == 0
    assert "(undone already, by record " in again.stdout
    assert "= first: unchanged" in again.stdout
    assert (changed.folder / "first").read_text() == "before"


def test_what_somebody_changed_since_stays(changed: World) -> None:
    (changed.folder / "second").write_text("somebody's")
    done = changed.run("undo", "--workflow", "probe", "--yes")

    assert done.code == 1
    assert "✗ second: failed" in done.stdout
    assert "the world is not what the action left behind, so it is not undone" in done.stdout
    assert "- first: skipped – step second failed" in done.stdout
    assert (changed.folder / "second").read_text() == "somebody's"
    assert (changed.folder / "first").read_text() == "after"
    assert {record.undoes is not None for record in changed.undos().values()} == {True}


@pytest.mark.slow
def test_cancelled_in_the_middle_it_ends_as_a_run_does(world: World, workflow: Make, step: Make) -> None:
    world.modules, slow = world.folder / "slow.py", {"actionType": "slow/write_text"}
    world.modules.write_text(SLOW)
    first, second = world.folder / "first", world.folder / "second"
    world.start(workflow(write(step, first, **slow), write(step, second, runAfter=["first"], **slow)))
    argv = [sys.executable, "-m", "kubernaut_cli", "undo", "--workflow=probe", "--yes", f"--data={world.data}"]
    process = subprocess.Popen(argv, env=world.env(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = iter(process.stdout.readline, "")
    assert any(line.startswith("▸ second") for line in seen)
    while not any(record.state is State.APPLYING for record in world.undos().values()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "✗ second: cancelled" in output
    assert "- first: skipped – the run was cancelled" in output
    assert first.read_text() == second.read_text() == "after"
    assert {name: record.state for name, record in world.undos().items()} == {
        "second": State.CANCELLED,
        "first": State.SKIPPED,
    }


def test_on_a_service_it_is_the_same(world: World, workflow: Make, step: Make) -> None:
    with embedded(world.folder / "served") as service:
        world.start(workflow(write(step, world.folder / "first")), DATA_STORAGE_URL=service.url)
        done = world.run("undo", "--workflow", "shop/probe", "--yes", DATA_STORAGE_URL=service.url)
        listed = world.run("history", DATA_STORAGE_URL=service.url)

    assert done.code == 0, done.stderr
    assert not (world.folder / "first").exists()
    assert "succeeded (undone)" in listed.stdout
    assert not world.data.exists()


def test_what_is_rendered_undoes_it_by_the_tasks_param(changed: World) -> None:
    first = changed.ids()["first"]
    rendered = changed.run("undo", first, "--render", "--requester", "alice")
    [task] = yaml.safe_load(rendered.stdout)["spec"]["pipelineSpec"]["tasks"]
    (changed.folder / "undo.yaml").write_text(rendered.stdout)

    assert {"name": "undoRecord", "value": first} in task["params"]
    assert (changed.folder / "first").read_text() == "after"
    assert changed.run("run", "undo.yaml").code == 0
    assert (changed.folder / "first").read_text() == "before"
    assert changed.undos()["first"].requester == "alice"


@pytest.mark.parametrize("option", ["--secret", "--service-account"])
def test_what_a_step_needs_in_a_cluster_is_named_by_its_step(changed: World, option: str) -> None:
    first = changed.ids()["first"]
    rendered = changed.run("undo", first, "--render", option, "first=of-first")
    malformed = changed.run("undo", first, "--render", option, "of-first")
    unknown = changed.run("undo", first, "--render", option, "second=of-first")
    spec = yaml.safe_load(rendered.stdout)["spec"]

    if option == "--secret":
        assert spec["workspaces"] == [{"name": "secrets-first", "secret": {"secretName": "of-first"}}]
    else:
        assert spec["taskRunSpecs"] == [{"pipelineTaskName": "first", "serviceAccountName": "of-first"}]
    assert (malformed.code, malformed.stderr.splitlines()[-1]) == (
        2,
        f"kubernaut: {option} of-first: write it as STEP=NAME.",
    )
    assert (unknown.code, unknown.stderr.splitlines()[-1]) == (
        2,
        f"kubernaut: {option} second: no step of this name is undone.",
    )


def test_a_service_account_is_for_a_cluster_only(changed: World) -> None:
    refused = changed.run("undo", changed.ids()["first"], "--yes", "--service-account=first=x")

    assert refused.code == 2
    assert "--service-account is for --render" in refused.stderr
    assert (changed.folder / "first").read_text() == "after"


def test_a_name_of_two_runs_is_refused_and_a_runs_own_name_is_enough(changed: World) -> None:
    with changed.storage() as storage:
        storage.record(*of_run(changed, "two"))
    refused = changed.run("undo", "--workflow", "probe", "--yes")

    assert refused.code == 2
    assert "probe is the name of 2 workflows: shop/probe (run " in refused.stderr
    assert "Name the run that you mean." in refused.stderr
    for uid in ("one", "two"):
        named = changed.run("undo", "--workflow", run_name_of("probe", uid), "--dry-run")
        assert named.code == 0, named.stderr
        assert f"(run {run_name_of('probe', uid)}) of " in refused.stderr


BASE = {"action_type": "probe/write_text", "state": "succeeded", "changed": True, "inputs": {"path": "/x", "text": "a"}}
WHOLE = {"before": {"text": "b"}, "after": {"text": "a"}}
CUT = {"truncated": True}


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"change": {**WHOLE, "before": {"text": "***"}}}, "Withheld", "because a part of it was secret"),
        ({"change": {"before": CUT, "after": CUT}}, "Withheld", "because it was too large"),
        (
            {"change": WHOLE, "inputs": {"path": "/x", "text": "***"}},
            "Withheld",
            "not hold the input text: it was secret",
        ),
        ({"change": WHOLE, "inputs": CUT}, "Withheld", "does not hold its inputs: they were too large"),
        ({}, "Withheld", "its record holds no change"),
        ({"change": WHOLE, "changed": False}, "NothingChanged", "it changed nothing"),
        ({"change": WHOLE, "dry_run": True}, "NothingChanged", "it changed nothing"),
        ({"change": WHOLE, "state": "applying"}, "StillRunning", "it has not ended: its state is applying"),
        ({"change": WHOLE, "action_type": "probe/do_thing"}, "NotUndoable", "it defines no undo"),
        ({"change": WHOLE, "action_type": "x/y_z"}, "NotUndoable", "no installed package defines x/y_z"),
    ],
)
def test_what_cannot_be_undone_is_refused_with_3_and_the_reason(
    world: World, fields: dict[str, Any], reason: str, sentence: str
) -> None:
    record = {"id": str(mint()), "at": rfc3339(utcnow()), **BASE, **fields}
    with world.storage() as storage:
        [outcome] = storage.record(record)
    assert outcome["outcome"] == "stored", outcome
    refused = world.run("undo", record["id"][-8:], "--yes")

    assert refused.code == 3
    assert f"record {record['id'][-8:]} cannot be undone ({reason}): " in refused.stderr
    assert sentence in refused.stderr


@pytest.mark.parametrize(
    ("action_type", "code"), [("probe/write_text", 0), ("probe/do_thing", 3), ("elsewhere/set_thing", 0)]
)
def test_what_an_image_cannot_take_back_is_not_rendered_where_that_is_known(
    world: World, action_type: str, code: int
) -> None:
    fields = {"action_type": action_type, "change": WHOLE, "image": f"registry/x@sha256:{'0' * 64}"}
    record = {"id": str(mint()), "at": rfc3339(utcnow()), **BASE, **fields}
    with world.storage() as storage:
        storage.record(record)
    rendered = world.run("undo", record["id"], "--render")

    assert rendered.code == code, rendered.stderr
    assert ("kind: PipelineRun" in rendered.stdout) is (code == 0)
    assert ("cannot be taken back: it defines no undo" in rendered.stderr) is (code == 3)


def test_an_undo_by_images_needs_a_docker_engine(world: World, closed_port: str) -> None:
    record = {"id": str(mint()), "at": rfc3339(utcnow()), **BASE, "change": WHOLE, "image": f"x@sha256:{'0' * 64}"}
    with world.storage() as storage:
        storage.record(record)
    address = closed_port.replace("http", "tcp")
    refused = world.run("undo", record["id"], "--yes", "--engine=docker", DOCKER_HOST=address)

    assert (refused.code, refused.stdout) == (3, "")
    assert "no Docker engine answers" in refused.stderr


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ([], 2, "name either the ID of a record or a --workflow."),
        (["5b2d4680", "--workflow", "probe"], 2, "name either the ID of a record or a --workflow."),
        (["5b2d"], 3, "there is no record 5b2d in the embedded store in "),
        (["--workflow", "other"], 3, "nothing found for --workflow other in the embedded store in "),
        (["first"], 2, "first is no record's id; write the whole id, or at least 4 digits of its end"),
    ],
)
def test_what_is_not_there_is_said(changed: World, args: list[str], code: int, sentence: str) -> None:
    refused = changed.run("undo", *args)

    assert refused.code == code
    assert sentence in refused.stderr
    assert code != 3 or "which holds 3 records." in refused.stderr
