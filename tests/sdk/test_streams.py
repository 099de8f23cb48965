"""Standard output is one JSON object; a closed stream or a full disk does not prevent the report of an outcome."""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk import logs
from kubernaut_sdk.masking import Masker

PRINTING = """
import atexit, os, subprocess, sys, threading, time
from pathlib import Path
from kubernaut_sdk import Action, Change, Context, Inputs

def say(word):
    print("SPOKEN at", word)
    sys.__stdout__.write(f"SPOKEN past at {word}\\n")
    os.write(1, f"SPOKEN below at {word}\\n".encode())
    subprocess.run(["echo", "SPOKEN beside at", word], check=True)

say("import")
atexit.register(say, "exit")
talking = Action("probe/talk_much")

@talking.plan
def plan(ctx: Context, inputs: Inputs) -> Change:
    say("plan")
    return Change(0, 1)

@talking.apply
def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
    say("apply")
    def later():
        while True:
            os.write(1, b"SPOKEN later\\n")
    threading.Thread(target=later, daemon=True).start()

@talking.check
def check(ctx: Context, inputs: Inputs):
    say("check")
    return {}
"""


@pytest.fixture
def talking(tmp_path: Path) -> str:
    file = tmp_path / "talking.py"
    file.write_text(PRINTING)
    return str(file)


@pytest.mark.parametrize("verb", ["run", "plan", "check", "spec", "version"])
def test_whatever_an_action_prints_goes_to_standard_error(action: Any, talking: str, verb: str) -> None:
    ended = action.run(verb, *([] if verb in {"spec", "version"} else ["probe/talk_much"]), ACTION_MODULES=talking)

    assert ended.code == 0
    assert isinstance(ended.document, dict)
    assert "SPOKEN" not in ended.stdout
    for how in ("SPOKEN at", "SPOKEN past at", "SPOKEN below at", "SPOKEN beside at"):
        assert f"{how} import" in ended.stderr


@pytest.mark.parametrize("verb", ["run", "plan", "check", "spec", "version", "explain", "undo", "no-such-verb"])
@pytest.mark.parametrize("option", ["--nonsense", "--dry-run=maybe"])
def test_a_wrong_command_line_is_one_object_and_code_2(action: Any, verb: str, option: str) -> None:
    ended = action.run(verb, option)

    assert ended.code == 2
    assert ended.document["error"]["reason"] == "Usage"
    assert bool(ended.results) == (verb in {"run", "undo", "no-such-verb"})


def test_no_verb_is_a_wrong_command_line(action: Any) -> None:
    ended = action.run()

    told = "No verb is given; there is check, explain, plan, run, spec, undo, version. See kubernaut-action --help."
    assert (ended.code, ended.document["error"]["message"]) == (2, told)
    assert json.loads(ended.results["error"])["code"] == 2


def run(
    folder: Path, *args: str, stdout: Any = subprocess.DEVNULL, stderr: Any = subprocess.DEVNULL, **env: str
) -> int:
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ACTION_MODULES": str(Path(__file__).parents[1] / "probe_actions.py"),
        "RESULTS_DIR": str(folder / "results"),
        "WORKSPACE_PATH": str(folder),
        "DATA_STORAGE_SPOOL": str(folder / "spool"),
    }
    argv = [sys.executable, "-m", "kubernaut_sdk", *args]
    return subprocess.run(argv, env={**base, **env}, stdout=stdout, stderr=stderr, timeout=60).returncode


@pytest.mark.parametrize("how", ["", "crash"])
@pytest.mark.parametrize("closed", ["0", "1", "2", "1 2", "0 1 2"])
def test_streams_that_are_closed_change_nothing_of_the_end(tmp_path: Path, closed: str, how: str) -> None:
    words = ["run", "probe/do_thing", "-p", f"how={how or 'print'}", "-p", "token=hunter22"]
    closing = " ".join(f"{number}>&-" for number in closed.split())
    program = f'exec {closing} "$@"'
    argv = ["/bin/sh", "-c", program, "sh", sys.executable, "-m", "kubernaut_sdk", *words]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ACTION_MODULES": str(Path(__file__).parents[1] / "probe_actions.py"),
        "RESULTS_DIR": str(tmp_path / "results"),
    }
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)

    assert done.returncode == (1 if how else 0)
    assert (tmp_path / "results" / "status").read_text() == ("failed" if how else "succeeded")
    assert (json.loads(done.stdout)["status"] if "1" not in closed else done.stdout) == (
        "" if "1" in closed else ("failed" if how else "succeeded")
    )
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("how", ["log", "crash"])
def test_a_standard_error_on_a_full_disk_changes_nothing_of_the_end(tmp_path: Path, how: str, closed_port: str) -> None:
    with Path("/dev/full").open("w") as full, (tmp_path / "out").open("w") as out:
        words = ["run", "probe/do_thing", "-p", f"how={how}", "-p", "token=hunter22"]
        code = run(tmp_path, *words, stdout=out, stderr=full, DATA_STORAGE_URL=closed_port)

    document = json.loads((tmp_path / "out").read_text())
    assert code == (1 if how == "crash" else 0)
    assert (document["status"], document["record"]["status"]) == ("failed" if code else "succeeded", "deferred")
    assert len(list((tmp_path / "spool").rglob("*.json"))) == 3


def test_a_standard_output_on_a_full_disk_ends_a_run_as_it_ended(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert run(tmp_path, "run", "probe/do_thing", stdout=full) == 0
        assert run(tmp_path, "version", stdout=full) == 1

    assert (tmp_path / "results" / "status").read_text() == "succeeded"


def test_an_action_that_is_killed_within_apply_leaves_changed_unknown(action: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    process = action.start("run", "probe/do_thing", "-p", "how=block", "-p", f"marks={marks}")
    while not marks.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    ended = action.ended(process)

    assert (ended.code, ended.stdout) == (-9, "")
    assert (ended.results["status"], ended.results["changed"]) == ("failed", "unknown")
    assert json.loads(ended.results["error"])["reason"] == "Interrupted"


def test_an_action_that_is_killed_within_plan_has_changed_nothing(action: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    process = action.start("run", "probe/do_thing", "-p", "how=block", "-p", "where=plan", "-p", f"marks={marks}")
    while not marks.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)

    assert action.ended(process).results["changed"] == "false"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    libc, folder = ctypes.CDLL(None, use_errno=True), tmp_path / "disk"
    folder.mkdir()
    if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(os.fsencode(folder), 2)


def fill(disk: Path, name: str = "filler") -> None:
    with (disk / name).open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            return


def test_with_no_room_for_results_nothing_is_applied(action: Any, disk: Path, tmp_path: Path) -> None:
    fill(disk)
    ended = action.run("run", "probe/write_text", "-p", f"path={tmp_path / 'x'}", RESULTS_DIR=str(disk / "results"))

    assert ended.code == 3
    assert ended.document["error"]["reason"] == "ResultsUnwritable"
    assert ended.document["error"]["message"].startswith(f"results cannot be written to {disk / 'results'}: ")
    assert not (tmp_path / "x").exists()


def test_with_no_room_for_the_record_nothing_is_applied(
    action: Any, disk: Path, tmp_path: Path, closed_port: str
) -> None:
    fill(disk)
    words = ["run", "probe/write_text", "-p", f"path={tmp_path / 'x'}"]
    ended = action.run(*words, DATA_STORAGE_URL=closed_port, DATA_STORAGE_SPOOL=str(disk / "spool"))

    assert (ended.code, ended.results["changed"]) == (5, "false")
    assert ended.document["error"]["reason"] == "RecordNotKept"
    assert "No space left on device" in ended.document["error"]["message"]
    assert not (tmp_path / "x").exists()


FILLING = """
from pathlib import Path
from kubernaut_sdk import Action, Change, Context, Failed, Inputs

filling = Action("probe/fill_disk")

class What(Inputs):
    file: str
    fails: bool = False

@filling.plan
def plan(ctx: Context, inputs: What) -> Change:
    return Change(0, 1)

@filling.apply
def apply(ctx: Context, inputs: What, change: Change) -> None:
    with open(inputs.file, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass
    if inputs.fails:
        raise Failed("the disk is full.")
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_disk_that_fills_while_it_applies_still_takes_the_end(
    action: Any, disk: Path, tmp_path: Path, *, fails: bool
) -> None:
    file = tmp_path / "filling.py"
    file.write_text(FILLING)
    words = ["run", "probe/fill_disk", "-p", f"file={disk / 'filler'}", "-p", f"fails={json.dumps(fails)}"]
    results = disk / "results"
    ended = action.run(*words, ACTION_MODULES=str(file), RESULTS_DIR=str(results))

    assert ended.code == int(fails)
    assert (results / "status").read_text() == ended.document["status"] == ("failed" if fails else "succeeded")
    assert (results / "changed").read_text() == ("unknown" if fails else "true")
    assert (results / "error").read_text().startswith('{"code":1' if fails else "")
    assert sorted(path.name for path in results.iterdir() if path.name.startswith(".")) == []


def test_secrets_that_cannot_be_read_are_a_precondition(action: Any) -> None:
    (action.secrets / "dark").symlink_to("/proc/self/mem")  # root may open it, and nobody can read it from its start
    ended = action.run("run", "probe/do_thing")

    assert ended.code == 3
    assert ended.document["error"]["reason"] == "SecretUnreadable"
    assert ended.document["error"]["message"].startswith(f"the secret file dark in {action.secrets} cannot be read: ")
    assert ended.results["changed"] == "false"


def test_a_secret_that_is_no_text_is_a_precondition_of_the_action_that_reads_it(action: Any, tmp_path: Path) -> None:
    (action.secrets / "password").write_bytes(b"p\xe4ssword")
    file = tmp_path / "reading.py"
    file.write_text(PRINTING.replace('    say("plan")\n', '    ctx.secret("password")\n'))
    ended = action.run("run", "probe/talk_much", ACTION_MODULES=str(file))

    told = "cannot be read as text: it is not UTF-8; take its bytes by secret_path."
    assert (ended.code, ended.results["changed"]) == (3, "false")
    assert ended.document["error"]["message"] == f"the secret file password in {action.secrets} {told}"


def test_a_log_line_that_cannot_be_formatted_or_written_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger("kubernaut")
    before = root.handlers[:], root.propagate, root.level
    try:
        logs.configure(Masker(), {})
        logs.logger.info("%d", "no number")
        logs.logger.info("odd", extra={"fields": {"nan": float("nan"), "set": {1}, "surrogate": "\udce9"}})
        with Path("/dev/full").open("w") as full:
            logs.configure(Masker(), {}, full)
            logs.logger.info("nowhere")
    except OSError:
        pass  # closing the full file
    finally:
        root.handlers[:], root.propagate, level = before
        root.setLevel(level)
    told = capsys.readouterr().err
    assert "could not be written" in told
    assert "Traceback" not in told
    assert "--- Logging error ---" not in told
