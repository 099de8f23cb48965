"""`kubernaut effectiveness` over a known history: its words, its options, and what it says where it cannot answer."""

import asyncio
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubernaut_datastorage import embedded
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import WatchKind, WatchMark
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339

Run = Callable[..., Any]
NOW = datetime.now(UTC)


def minutes_ago(minutes: float) -> str:
    return rfc3339(NOW - timedelta(minutes=minutes))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A target whose alert was resolved by an action, and which fired again after 20 min with another `replica`."""
    folder = tmp_path_factory.mktemp("world")
    asyncio.run(_hear(folder / "served"))
    alerts = [
        {
            "status": "resolved",
            "labels": {"alertname": "Slow", "app": "api", "replica": replica},
            "startsAt": minutes_ago(fired),
            "endsAt": minutes_ago(resolved),
            "fingerprint": replica,
        }
        for replica, fired, resolved in (("r1", 300, 280), ("r2", 260, 250))
    ]
    event = {
        "id": str(mint()),
        "state": "succeeded",
        "action_type": "kubernetes/restart_deployment",
        "target": {"kind": "Deployment", "namespace": "shop", "name": "api"},
        "signal": {"fingerprint": "r1", "name": "Slow", "firedAt": minutes_ago(300)},
        "change": {"before": {"restarted_by": None}, "after": {"restarted_by": "x"}},
        "at": minutes_ago(289),
        "started_at": minutes_ago(290),
        "finished_at": minutes_ago(289),
    }
    with embedded(folder / "served") as service:
        for path, body in (("signals", {"version": "4", "alerts": alerts}), ("action-records", [event])):
            httpx.post(f"{service.url}/api/v1/{path}", json=body, trust_env=False).raise_for_status()
        yield {"HOME": str(folder), "PATH": "/usr/bin:/bin", "DATA_STORAGE_URL": service.url}


async def _hear(folder: Path) -> None:
    """Keep that the monitoring was heard."""
    store = SqliteStore(open_sqlite(folder))
    await store.start()
    beats = [NOW - timedelta(minutes=minutes) for minutes in range(0, 400, 5)]
    await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", time) for time in beats])
    await store.close()


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ((), {"held": 1}),
        (("--ignore-label=replica",), {"recurred": 1}),  # then it is one problem
        (("--ignore-label=replica", "--ignore-label=app"), {"recurred": 1}),
        (("--for=Slow=5h",), {"pending": 1}),  # within it nothing can fire: the quiet time is longer
        (("--for=Other=5h",), {"held": 1}),
    ],
)
def test_the_rules_for_and_labels_that_change_are_options(
    called: Run, world: dict[str, str], options: tuple[str, ...], outcomes: dict[str, int]
) -> None:
    [verdict] = json.loads(called("effectiveness", *options, "-o", "json", env=world).stdout)

    assert verdict["outcomes"] == outcomes
    assert verdict["for_known"] is ("--for=Slow=5h" in options)


def test_one_type_is_said_in_full_in_the_words_of_the_pages(called: Run, world: dict[str, str]) -> None:
    said = called("effectiveness", "kubernetes/restart_deployment", env=world).stdout.splitlines()

    assert said[:3] == [
        "kubernetes/restart_deployment",
        "  alone was enough: 1 of 1 on 1 target",
        "  incidents: 1 held",
    ]
    assert "  against the baseline: no baseline" in said
    assert "  the rules' `for` is not known (--for): within it an alert cannot fire again" in said
    assert "  ran without error: 1 of 1" in said
    assert said[-1] == "Silences are not known: kubernaut serve --alertmanager-url asks for them."


def on_a_terminal(*words: str, columns: int, env: dict[str, str]) -> str:
    """Return what a command prints on a terminal of so many columns."""
    screen, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    argv = [sys.executable, "-m", "kubernaut_cli", *words]
    with subprocess.Popen(argv, stdin=end, stdout=end, stderr=end, env={**env, "TERM": "xterm"}) as running:
        os.close(end)
        shown = b""
        while part := _read(screen):
            shown += part
    os.close(screen)
    assert running.returncode == 0, shown
    return shown.decode()


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # Linux says so that the other end is closed
        return b""


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [
        (60, "against the baseline, came back 30 min, 24 h, ran"),
        (80, "came back 30 min, 24 h, ran"),
        (160, None),
    ],
)
def test_a_narrow_terminal_keeps_what_matters_most_and_says_what_it_leaves_out(
    world: dict[str, str], columns: int, left_out: str | None
) -> None:
    shown = on_a_terminal("effectiveness", columns=columns, env={**world, "NO_COLOR": "1"})
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    notes = [line for line in lines if line.startswith("too narrow for")]

    assert notes == ([] if left_out is None else [f"too narrow for {left_out}; -o wide shows all"])
    assert max(len(line) for line in lines if line not in notes and not line.startswith("Silences")) <= columns
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", shown)  # bold may be, a colour may not


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("effectiveness", "no/type"), 0, "no records of no/type"),
        (("target", "none"), 3, "names a target none; without a name, all targets are listed."),
        (
            ("effectiveness", "--for=Slow"),
            2,
            "Slow: write an alert's name and its rule's `for`, such as SlowCheckout=5m.",
        ),
        (("effectiveness", "--since=never"), 2, "never"),
    ],
)
def test_what_cannot_be_answered_is_said(
    called: Run, world: dict[str, str], words: tuple[str, ...], code: int, said: str
) -> None:
    done = called(*words, env=world)

    assert done.code == code
    assert said in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["effectiveness", "patterns", "target"])
def test_a_data_storage_that_is_away_is_said_with_its_address(called: Run, tmp_path: Path, command: str) -> None:
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DATA_STORAGE_URL": "http://127.0.0.1:9"}
    done = called(command, env=env)

    assert done.code == 75
    assert "history cannot be read: http://127.0.0.1:9: Connection refused." in done.stderr
    assert "Traceback" not in done.stderr
