"""The `kubernaut` command with secrets and with files of others: whole commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubernaut_datastorage import StorageError
from kubernaut_datastorage.server import StoreLocation, open_store
from tests.secret_actions import __file__ as secret_actions

Make = Callable[..., Any]
SECRET = "hunter2-0000-not-real"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt\n✓ b: succeeded"


def kubernaut(*args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    base = {name: value for name, value in os.environ.items() if not name.startswith(("ACTION_", "DATA"))}
    return subprocess.run(
        [sys.executable, "-m", "kubernaut_cli", *args],
        env={**base, "ACTION_MODULES": str(secret_actions), **env},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def mention(step: Make, name: str, text: str | None = None, **fields: Any) -> Any:
    inputs = {} if text is None else {"text": text}
    return step(name, actionType="secret/tell_text", secretName="app", inputs=inputs, **fields)


def test_a_later_step_gets_no_mask(workflow: Make, step: Make, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "password").write_text("production\n")
    source = {"input": "text", "step": "a", "pointer": "/text"}
    steps = [mention(step, "a", "in production"), mention(step, "b", inputsFrom=[source])]
    (tmp_path / "wf.yaml").write_text(workflow(*steps))
    args = [f"--secret=app={tmp_path / 'app'}", f"--data={tmp_path / 'data'}", "-o", "json"]
    ended = kubernaut("run", str(tmp_path / "wf.yaml"), *args)
    first, second = json.loads(ended.stdout)["steps"]

    assert ended.returncode == 1
    assert (first["state"], first["output"]) == ("succeeded", {"count": 1, "withheld": ["text", "more"]})
    assert (second["state"], second["exitCode"]) == ("failed", 2)
    assert "the earlier step withheld text" in second["message"]


def test_what_records_say_is_shown_and_not_obeyed(workflow: Make, step: Make, tmp_path: Path) -> None:
    inputs = {"text": HOSTILE, "where": "change"}
    (tmp_path / "wf.yaml").write_text(workflow(step("a", actionType="secret/tell_text", inputs=inputs)))
    data = f"--data={tmp_path / 'data'}"
    shown = [
        kubernaut("run", str(tmp_path / "wf.yaml"), data),
        *(kubernaut("history", data, "-o", output) for output in ("table", "json", "csv")),
        kubernaut("render", str(tmp_path / "wf.yaml")),
    ]

    assert [ended.returncode for ended in shown] == [0] * len(shown), [ended.stderr for ended in shown]
    for ended in shown:
        assert not set("\x1b\x07\u202e") & set(ended.stdout + ended.stderr)
        assert "\n✓ b: succeeded" not in ended.stdout
    assert json.loads(shown[2].stdout)[0]["inputs"]["text"] == HOSTILE


@pytest.mark.parametrize("command", [["history"], ["records", "flush"]], ids=" ".join)
def test_a_password_in_the_stores_address_is_not_printed(command: list[str], closed_port: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    address = closed_port.replace("://", f"://shop:{SECRET}@")
    ended = kubernaut(*command, DATA_STORAGE_URL=address, DATA_STORAGE_SPOOL=str(spool), HOME=str(tmp_path))

    assert SECRET not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "address", ["postgresql://shop:{}:1@[bad/x", "postgresql://shop@h:{}/x", "oracle://{}@h", "{}"]
)
def test_a_password_in_a_databases_malformed_address_is_not_printed(address: str, tmp_path: Path) -> None:
    try:
        open_store(StoreLocation(data=tmp_path, database_url=address.format(SECRET)))
    except StorageError as error:
        sentence = str(error)
    else:
        sentence = ""  # it is refused when it is connected to

    assert SECRET not in sentence
