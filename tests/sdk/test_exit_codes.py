"""Every exit code of the contract, from a real process, with the results that belong to it."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk.errors import explain

THING = "probe/do_thing"
TABLE = [
    # where the action fails, how, the code, what is said of the world
    ("apply", "well", 0, "true"),
    ("apply", "Failed", 1, "unknown"),
    ("apply", "crash", 1, "unknown"),
    ("plan", "crash", 1, "false"),
    ("plan", "InvalidInputs", 2, "false"),
    ("plan", "PreconditionFailed", 3, "false"),
    ("plan", "NotFound", 3, "false"),
    ("plan", "missing-tool", 3, "false"),
    ("apply", "InvalidInputs", 1, "unknown"),
    ("apply", "PreconditionFailed", 1, "unknown"),
    ("apply", "RecordRequired", 1, "unknown"),
    ("apply", "missing-tool", 1, "unknown"),
    ("apply", "never-there", 4, "true"),
    ("verify", "VerifyFailed", 4, "true"),
    ("plan", "Transient", 75, "false"),
    ("apply", "Transient", 75, "unknown"),
]


@pytest.mark.parametrize(("where", "how", "code", "changed"), TABLE)
def test_exit_code_and_results(action: Any, where: str, how: str, code: int, changed: str) -> None:
    ended = action.run("run", THING, "-p", f"where={where}", "-p", f"how={how}")

    assert ended.code == code
    assert ended.results["changed"] == changed
    assert ended.results["status"] == ("failed" if code else "succeeded")
    assert ended.document["status"] == ended.results["status"]
    error = json.loads(ended.results["error"]) if code else None
    assert (error and error["code"]) == (code or None)
    assert "Traceback" not in ended.stdout


def test_require_without_storage_applies_nothing(action: Any, closed_port: str, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    ended = action.run(
        "run", THING, "-p", f"marks={marks}", DATA_STORAGE_URL=closed_port, DATA_STORAGE_POLICY="require"
    )

    assert ended.code == 5
    assert ended.results["changed"] == "false"
    assert ended.results["record-status"] == "deferred"
    assert not marks.exists()


@pytest.mark.parametrize("where", ["plan", "apply", "verify"])
@pytest.mark.parametrize("how", ["sleep", "block"])
def test_soft_deadline(action: Any, where: str, how: str) -> None:
    ended = action.run("run", THING, "-p", f"where={where}", "-p", f"how={how}", ACTION_TIMEOUT="2s")

    assert ended.code == 124
    assert ended.results["status"] == "timed_out"
    assert ended.results["changed"] == {"plan": "false", "apply": "unknown", "verify": "true"}[where]


@pytest.mark.parametrize("where", ["plan", "verify"])
@pytest.mark.parametrize("how", ["sleep", "block"])
def test_sigterm_ends_at_once_where_nothing_is_mutated(action: Any, tmp_path: Path, where: str, how: str) -> None:
    marks = tmp_path / "marks"
    process = action.start("run", THING, "-p", f"where={where}", "-p", f"how={how}", "-p", f"marks={marks}")
    while not marks.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    ended = action.ended(process)

    assert ended.code == 143
    assert ended.results["status"] == "cancelled"
    assert json.loads(ended.results["error"])["reason"] == "Interrupted"


def test_sigterm_lets_the_running_tool_finish_and_starts_no_other(action: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    process = action.start("run", THING, "-p", "how=short-tool", "-p", f"marks={marks}")
    while not marks.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    ended = action.ended(process)

    assert ended.code == 143
    assert ended.results["changed"] == "unknown"
    assert '"exit_code": 0' in ended.stderr
    assert ended.stderr.count("ran sleep") == 1


def test_transient_failures_are_tried_again_within_the_step(action: Any) -> None:
    ended = action.run("run", THING, "-p", "how=Transient", "-p", "times=1", ACTION_RETRIES="2")

    assert ended.code == 0
    assert ended.document["record"]["attempt"] == 1


@pytest.mark.parametrize(
    ("args", "env", "told"),
    [
        (["no/such_action"], {}, "no action no/such_action here"),
        ([], {}, "no action named"),
        ([THING, "-p", "nonsense"], {}, "write it as name=value"),
        ([THING, "-p", "unknown=1"], {}, "inputs.unknown: unknown"),
        ([THING, "-p", 'times="x"'], {}, "inputs.times"),
        ([THING], {"ACTION_INPUTS": "{"}, "ACTION_INPUTS: not JSON"),
        ([THING], {"ACTION_INPUTS": "[]"}, "must be a JSON object"),
        ([THING], {"ACTION_INPUTS": '{"how":"a","how":"b"}'}, "stands there twice"),
        ([THING], {"ACTION_INPUTS": '{"times":99999999999999999999}'}, "64 bits"),
        ([THING], {"ACTION_INPUTS": '{"how":"\\ud800"}'}, "not Unicode"),
        ([THING], {"ACTION_INPUTS": '{"how":"' + "x" * 33000 + '"}'}, "32 KiB"),
        ([THING], {"ACTION_TIMEOUT": "soon"}, "ACTION_TIMEOUT"),
        ([THING], {"ACTION_RETRIES": "-1"}, "ACTION_RETRIES"),
        ([THING], {"ACTION_DRY_RUN": "yes"}, "ACTION_DRY_RUN"),
        ([THING], {"ACTION_RECORD_ID": "7"}, "ACTION_RECORD_ID"),
        ([THING], {"ACTION_CONTEXT": '{"confidence":"high"}'}, "ACTION_CONTEXT.confidence"),
        ([THING], {"ACTION_IMAGE": "x" * 1025}, "it has 1025 characters; at most 1024"),
        ([THING], {"DATA_STORAGE_URL": "ftp://x"}, "DATA_STORAGE_URL"),
        ([THING], {"DATA_STORAGE_URL": "http://x:y"}, "DATA_STORAGE_URL=http://x:y: that is no address; write it as"),
        ([THING], {"DATA_STORAGE_URL": "http://[x"}, "DATA_STORAGE_URL=http://[x: that is no address; write it as"),
        ([THING, "--input-from", "how", "/a", '{"b":1}'], {}, "the pointer /a names nothing; there is b"),
        ([THING, "--input-from", "how", "/a", ""], {}, "gave no output"),
        ([THING, "--inputs-file", "/no/such/file"], {}, "cannot be read"),
    ],
)
def test_bad_input_is_code_2_with_the_reason(action: Any, args: list[str], env: dict[str, str], told: str) -> None:
    ended = action.run("run", *args, **env)

    assert ended.code == 2
    assert told in ended.document["error"]["message"]
    assert ended.results["status"] == "failed"
    assert json.loads(ended.results["error"])["code"] == 2
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 75, 124, 143])
def test_every_code_is_explained(action: Any, code: int) -> None:
    assert action.run("explain", str(code)).document == explain(code)


def test_a_code_outside_the_contract_is_not_explained(action: Any) -> None:
    ended = action.run("explain", "7")

    assert ended.code == 2
    assert "7 is no exit code of the action contract" in ended.stderr


def test_an_author_who_swallows_the_cancel_starts_nothing_more(action: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    process = action.start("run", "probe/swallow_errors", "-p", f"marks={marks}")
    while not marks.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    ended = action.ended(process)

    assert ended.code == 143
    assert ended.stderr.count("ran sleep") <= 2
    assert ended.results["status"] == "cancelled"
