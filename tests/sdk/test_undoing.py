"""Undoing a record's change: from the command line, and by a step whose Task names the record."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.ids import mint

WRITE = "probe/write_text"


@pytest.fixture
def written(action: Any, service: Any, tmp_path: Path) -> tuple[str, dict[str, str], Path]:
    """Return a record of a file that was changed from `old` to `new`: its id, the environment, and the file."""
    path = tmp_path / "x"
    path.write_text("old")
    env = {"DATA_STORAGE_URL": str(service.base_url), "ACTION_CONTEXT": json.dumps({"requester": "ada"})}
    ran = action.run("run", WRITE, "-p", f"path={path}", "-p", "text=new", **env)
    assert path.read_text() == "new"
    return ran.document["record"]["id"], env, path


def stored(service: Any, record_id: str) -> dict[str, Any]:
    record: dict[str, Any] = service.get(f"/api/v1/action-records/{record_id}").json()
    return record


def test_an_undo_says_in_its_record_what_it_undoes_and_who_asked(action: Any, service: Any, written: Any) -> None:
    record_id, env, path = written
    undone = action.run("undo", WRITE, "--record", record_id, **env).document

    assert (undone["status"], path.read_text()) == ("succeeded", "old")
    record = stored(service, undone["record"]["id"])
    assert (record["undoes"], record["requester"]) == (record_id, "ada")
    assert "undoes" not in stored(service, record_id)


def test_a_record_names_the_image_so_that_it_can_undo_the_change_later(
    action: Any, service: Any, tmp_path: Path
) -> None:
    image = "ghcr.io/shop/files@sha256:" + "1" * 64
    env = {"DATA_STORAGE_URL": str(service.base_url), "ACTION_IMAGE": image}
    ran = action.run("run", WRITE, "-p", f"path={tmp_path / 'x'}", "-p", "text=new", **env)

    assert stored(service, ran.document["record"]["id"])["image"] == image


def test_an_undo_that_is_refused_says_so_too(action: Any, service: Any, written: Any) -> None:
    record_id, env, path = written
    path.write_text("newer")
    undone = action.run("undo", WRITE, "--record", record_id, **env).document
    unknown = action.run("undo", WRITE, "--record", str(absent := mint()), **env).document

    assert (undone["error"]["reason"], unknown["error"]["reason"]) == ("PreconditionFailed", "NotFound")
    assert stored(service, undone["record"]["id"])["undoes"] == record_id
    assert stored(service, unknown["record"]["id"])["undoes"] == str(absent)
    assert path.read_text() == "newer"


@pytest.mark.parametrize("record_id", ["x", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", ""])
def test_a_record_id_is_a_uuid_of_version_7(action: Any, record_id: str) -> None:
    ended = action.run("undo", WRITE, "--record", record_id)

    assert ended.code == 2
    assert f"--record {record_id}: not a record id, which is a UUID of version 7." in ended.document["error"]["message"]


def test_a_step_undoes_the_record_that_its_task_names(action: Any, service: Any, written: Any) -> None:
    record_id, env, path = written
    step = {"ACTION_TYPE": WRITE, "ACTION_UNDO_RECORD": record_id, "ACTION_RECORD_ID": str(mint()), **env}
    undone = action.run("run", **step)

    assert (undone.code, undone.results["status"], undone.results["changed"]) == (0, "succeeded", "true")
    assert path.read_text() == "old"
    assert undone.results["record-id"] == step["ACTION_RECORD_ID"]
    assert stored(service, step["ACTION_RECORD_ID"])["undoes"] == record_id


def test_a_second_pod_of_a_step_that_undoes_tells_what_the_first_one_did(
    action: Any, service: Any, written: Any
) -> None:
    record_id, env, path = written
    step = {"ACTION_TYPE": WRITE, "ACTION_UNDO_RECORD": record_id, "ACTION_RECORD_ID": str(mint()), **env}
    action.run("run", POD_UID="a", POD_NAME="a", **step)
    again = action.run("run", POD_UID="b", POD_NAME="b", **step)

    assert (again.code, again.results["status"], again.results["changed"]) == (0, "succeeded", "true")
    assert json.loads(again.results["change"]) == {"before": {"text": "new"}, "after": {"text": "old"}}
    assert path.read_text() == "old"


def test_a_step_that_undoes_needs_data_storage(action: Any, written: Any) -> None:
    record_id, _, path = written
    undone = action.run("run", ACTION_TYPE=WRITE, ACTION_UNDO_RECORD=record_id)

    assert undone.code == 3
    assert undone.document["error"]["message"].endswith("with a change is known; is DATA_STORAGE_URL set?")
    assert path.read_text() == "new"


def test_an_empty_variable_runs_the_action(action: Any, tmp_path: Path) -> None:
    ended = action.run("run", WRITE, "-p", f"path={tmp_path / 'y'}", "-p", "text=a", ACTION_UNDO_RECORD="")

    assert (ended.code, (tmp_path / "y").read_text()) == (0, "a")
