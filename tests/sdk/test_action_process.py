"""An action's process: its inputs, results, secrets and events, without Data Storage and with one out of reach."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kubernaut_sdk import Change
from kubernaut_sdk.results import BUDGET, message_size

WRITE = "probe/write_text"
HOSTILE = "$(params.x) $$ $(date) 'q' \"d\" `b` \\ \n\t é 🚀 </script> --dry-run"


def test_a_second_run_is_unchanged(action: Any, tmp_path: Path) -> None:
    args = ["run", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", "text=hello"]
    first, second = action.run(*args), action.run(*args)

    assert (first.document["status"], second.document["status"]) == ("succeeded", "unchanged")
    assert json.loads(first.results["output"])["size"] == 5
    assert json.loads(second.results["output"]) == {"text": "hello"}
    assert json.loads(first.results["change"]) == first.document["change"]


def test_a_dry_run_writes_nothing_and_tells_what_the_change_implies(action: Any, tmp_path: Path) -> None:
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", "text=hello", ACTION_DRY_RUN="true")

    assert ended.code == 0
    assert ended.results["status"] == "planned"
    assert ended.results["changed"] == "false"
    assert json.loads(ended.results["output"]) == {"text": "hello"}
    assert not (tmp_path / "x").exists()


def test_plan_writes_neither_results_nor_records(action: Any, tmp_path: Path, closed_port: str) -> None:
    ended = action.run("plan", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", "text=a", DATA_STORAGE_URL=closed_port)

    assert ended.document["change"] == {"before": {"text": None}, "after": {"text": "a"}}
    assert ended.results == {}
    assert action.kept() == []


@pytest.mark.parametrize(("verb", "dry"), [("plan", True), ("check", True), ("run", False)])
def test_an_action_is_told_that_nothing_will_be_applied(action: Any, tmp_path: Path, verb: str, dry: bool) -> None:
    module = tmp_path / "look.py"
    module.write_text(
        "from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed\n"
        "look = Action('probe/look_around')\n"
        "@look.plan\n"
        "def plan(ctx: Context, inputs: Inputs) -> Change:\n"
        "    'Look.'\n"
        "    raise PreconditionFailed(f'dry run: {ctx.dry_run}.')\n"
        "@look.apply\n"
        "def apply(ctx: Context, inputs: Inputs, change: Change) -> None:\n"
        "    'Do nothing.'\n"
    )
    ended = action.run(verb, "probe/look_around", ACTION_MODULES=str(module))

    assert ended.code == 3
    assert f"dry run: {dry}." in json.dumps(ended.document)


def test_precedence_is_flag_then_file_then_environment_then_default(action: Any, tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(json.dumps({"path": str(tmp_path / "file"), "text": "file"}))
    env = {"ACTION_INPUTS": json.dumps({"path": str(tmp_path / "env"), "text": "env"})}

    assert action.run("plan", WRITE, **env).document["change"]["after"] == {"text": "env"}
    args = ["plan", WRITE, "--inputs-file", str(file)]
    assert action.run(*args, **env).document["change"]["after"] == {"text": "file"}
    assert action.run(*args, "-p", "text=flag", **env).document["change"]["after"] == {"text": "flag"}


def test_hostile_values_arrive_to_the_byte(action: Any, tmp_path: Path) -> None:
    path = tmp_path / "x"
    inputs = json.dumps({"path": str(path), "text": HOSTILE}).replace("$", "\\u0024")
    ended = action.run("run", WRITE, ACTION_INPUTS=inputs)

    assert ended.code == 0
    assert path.read_text() == HOSTILE
    assert "$" not in ended.results["output"]
    assert json.loads(ended.results["output"])["whole"] == HOSTILE


def test_an_input_is_taken_from_an_earlier_output_with_its_type(action: Any, tmp_path: Path) -> None:
    output = json.dumps({"a/b": [{"text": HOSTILE}]})
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", "--input-from", "text", "/a~1b/0/text", output)

    assert ended.code == 0
    assert (tmp_path / "x").read_text() == HOSTILE


def test_results_stay_within_the_budget(action: Any, tmp_path: Path) -> None:
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", "text=" + '"$<' * 3000)

    assert ended.code == 0
    output = json.loads(ended.results["output"])
    assert output["truncated"] is True
    assert output["size"] == 9000
    assert output["text"] == ('"$<' * 3000)[:40]
    assert "whole" not in output
    assert message_size(ended.results) <= BUDGET
    assert ended.document["output"]["whole"] == '"$<' * 3000


def test_a_secret_is_nowhere(action: Any, tmp_path: Path, closed_port: str) -> None:
    canary = "s3cr3t/Canary+Value"
    (action.secrets / "password").write_text(canary + "\n")
    texts = [canary, base64.b64encode(canary.encode()).decode(), quote(canary, safe=""), json.dumps(canary)]
    ended = action.run(
        "run", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", f"text={' '.join(texts)}", DATA_STORAGE_URL=closed_port
    )

    everything = [ended.stdout, ended.stderr, *ended.results.values(), *map(json.dumps, action.kept())]
    assert ended.code == 0
    assert all(text not in place for text in texts for place in everything)
    assert ended.document["change"]["after"]["text"] == '*** ***== *** "***"'


def test_a_secret_input_is_masked_in_logs_and_tracebacks(action: Any, closed_port: str) -> None:
    for how in ("log", "print", "crash"):
        ended = action.run(
            "run", "probe/do_thing", "-p", "token=hunter22", "-p", f"how={how}", DATA_STORAGE_URL=closed_port
        )
        everything = [ended.stdout, ended.stderr, *ended.results.values(), *map(json.dumps, action.kept())]
        assert all("hunter22" not in place for place in everything)
        assert "***" in ended.stderr
        assert ended.document["status"] == ("failed" if how == "crash" else "succeeded")


def test_out_of_reach_the_events_are_spooled_and_marked_in_the_log(
    action: Any, tmp_path: Path, closed_port: str
) -> None:
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", DATA_STORAGE_URL=closed_port)

    assert ended.code == 0
    assert ended.results["record-status"] == "deferred"
    states = ["started", "applying", "succeeded"]
    assert [event["state"] for event in action.kept()] == states
    assert [event["state"] for event in ended.marked] == states
    assert {event["id"] for event in ended.marked} == {ended.results["record-id"]}


def test_nothing_is_applied_where_the_record_is_neither_stored_nor_spooled(
    action: Any, tmp_path: Path, closed_port: str
) -> None:
    action.spool.write_text("a file where the folder should be")
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", DATA_STORAGE_URL=closed_port)

    assert ended.code == 5
    assert ended.document["error"]["reason"] == "RecordNotKept"
    assert ended.document["error"]["message"].startswith("nothing is applied: that it begins can be kept nowhere: ")
    assert f"the spool {action.spool} cannot be written" in ended.document["error"]["message"]
    assert (ended.results["status"], ended.results["changed"]) == ("failed", "false")
    assert ended.results["record-status"] == "deferred"
    assert [event["state"] for event in ended.marked] == ["started", "applying", "failed"]
    assert not (tmp_path / "x").exists()


def test_undo_restores_what_was_before(action: Any, tmp_path: Path) -> None:
    path, change = tmp_path / "x", tmp_path / "change.json"
    path.write_text("old")
    args = ["-p", f"path={path}", "-p", "text=new"]
    change.write_text(json.dumps(action.run("run", WRITE, *args).document["change"]))
    ended = action.run("undo", WRITE, *args, "--change", str(change))

    assert ended.document["status"] == "succeeded"
    assert path.read_text() == "old"
    assert action.run("undo", WRITE, *args, "--change", str(change)).document["status"] == "unchanged"


def test_undo_leaves_a_newer_change_alone(action: Any, tmp_path: Path) -> None:
    path, change = tmp_path / "x", tmp_path / "change.json"
    change.write_text(json.dumps({"before": {"text": "old"}, "after": {"text": "new"}}))
    path.write_text("newest")
    ended = action.run("undo", WRITE, "-p", f"path={path}", "-p", "text=new", "--change", str(change))

    assert ended.code == 3
    assert path.read_text() == "newest"


def test_check_names_each_thing_it_looked_at(action: Any, tmp_path: Path) -> None:
    ended = action.run("check", "probe/do_thing", PATH=str(tmp_path))

    assert ended.code == 3
    assert ended.document["checks"] == [
        {"name": "inputs", "ok": True, "problem": None},
        {"name": "tool sleep", "ok": False, "problem": "sleep is not on PATH; the image must hold it."},
    ]


def test_spec_works_with_no_input(action: Any) -> None:
    spec = action.run("spec").document
    entry = next(entry for entry in spec["actions"] if entry["action_type"] == WRITE)

    assert entry["undoable"] is True
    assert entry["grow_only"] is False
    assert entry["idempotent"] is True
    assert entry["inputs"]["required"] == ["path"]
    assert entry["summary"] == "Write a text to a file."


@pytest.mark.parametrize("verb", ["run", "plan", "undo", "check", "spec", "explain", "version"])
def test_every_verb_has_help(action: Any, verb: str) -> None:
    assert action.run(verb, "--help").code == 0


@pytest.mark.parametrize(
    ("one", "other", "same"), [(1, True, False), (1, 1.0, False), ({"a": 1}, {"a": 1}, True), (0, None, False)]
)
def test_a_change_is_empty_only_if_json_says_so(one: Any, other: Any, same: bool) -> None:
    assert Change(one, other).empty is same


def test_the_log_says_that_no_record_is_stored_and_a_failed_run_ends_with_one_sentence(action: Any) -> None:
    good = action.run("run", "probe/write_text", "-p", f"path={action.folder / 'x'}", "-p", "text=x")
    bad = action.run("run", "probe/do_thing", "-p", "how=Failed")
    planned = action.run("plan", "probe/write_text", "-p", f"path={action.folder / 'x'}")

    assert "no record is stored: DATA_STORAGE_URL is not set" in good.stderr
    assert "no record is stored" not in planned.stderr
    assert json.loads(bad.stderr.splitlines()[-1])["message"] == "failed: told to: Failed."
