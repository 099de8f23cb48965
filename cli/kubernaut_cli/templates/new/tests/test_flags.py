"""Tests of the action in this process: no container, no cluster."""

import json
from pathlib import Path

import pytest

from kubernaut_sdk.testing import ActionRunner
from sample_actions import set_flag


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """Return a file with one flag, which is off."""
    path = tmp_path / "flags.json"
    path.write_text('{"dark-mode": false}')
    return path


def test_a_flag_is_turned_on_once(flags: Path) -> None:
    runner = ActionRunner(set_flag)
    inputs = {"file": str(flags), "name": "dark-mode", "on": True}
    first, again = runner.run(inputs), runner.run(inputs)

    assert (first.status, first.output) == ("succeeded", {"on": True})
    assert first.states == ["started", "applying", "succeeded"]
    assert again.status == "unchanged"
    assert json.loads(flags.read_text()) == {"dark-mode": True}


def test_a_dry_run_changes_nothing(flags: Path) -> None:
    planned = ActionRunner(set_flag).dry_run({"file": str(flags), "name": "dark-mode", "on": True})

    assert planned.status == "planned"
    assert json.loads(flags.read_text()) == {"dark-mode": False}


def test_an_unknown_flag_is_refused(flags: Path) -> None:
    ended = ActionRunner(set_flag).run({"file": str(flags), "name": "dark", "on": True})

    assert ended.exit_code == 3
    assert ended.error is not None
    assert "there is dark-mode" in ended.error.message


def test_a_file_that_is_not_there_is_refused_or_made(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    inputs = {"file": str(path), "name": "dark-mode", "on": True}
    refused = ActionRunner(set_flag).run(inputs)
    assert refused.error is not None
    assert (refused.exit_code, refused.error.reason) == (3, "NotFound")
    assert not path.exists()

    made = ActionRunner(set_flag).run({**inputs, "create": True})
    assert (made.status, json.loads(path.read_text())) == ("succeeded", {"dark-mode": True})
