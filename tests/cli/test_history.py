"""`kubernaut history`: what it shows of a record beside its state."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kubernaut_cli.commands.history import history
from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339, utcnow


def test_a_dry_run_that_failed_looks_like_one_and_an_undo_names_what_it_undoes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone = str(mint())
    base = {"at": rfc3339(utcnow()), "action_type": "probe/write_text"}
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        storage.record(
            {**base, "id": undone, "state": "succeeded"},
            {**base, "id": str(mint()), "state": "failed", "dry_run": True},
            {**base, "id": str(mint()), "state": "succeeded", "undoes": undone},
        )
    monkeypatch.delenv("DATA_STORAGE_URL", raising=False)
    table = CliRunner().invoke(history, [f"--data={tmp_path}"], env={"COLUMNS": "250"}).output
    rows = CliRunner().invoke(history, [f"--data={tmp_path}", "-o", "csv"]).output.splitlines()

    assert "failed (dry run)" in table
    assert f"succeeded (undoes {undone[-8:]})" in table
    assert "succeeded (undone)" in table
    assert table.count("(") == 4  # those three, and the head of the second column
    assert rows[0].endswith(",dry_run,undoes")
    assert sum(row.endswith(",True,") for row in rows) == 1
    assert sum(row.endswith(f",,{undone}") for row in rows) == 1
