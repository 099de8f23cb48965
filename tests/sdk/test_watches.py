"""Watches: a line of a tool ends a wait early, and nothing else depends on it."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from kubernaut_sdk import Action, Change, Context, Inputs, Transient, VerifyFailed
from kubernaut_sdk.testing import ActionRunner, Answer, Ran

WATCH = ["signals", "--follow"]
SLOW = timedelta(minutes=2)


class Goal:
    """A goal that is reached at a time of the step, and the times at which it was looked at."""

    def __init__(self, reached: float, *, watch: Sequence[str] = WATCH, **times: Any) -> None:
        self.reached, self.watch, self.looks = reached, list(watch), list[float]()
        self.started: float | None = None
        self.error: Exception | None = None
        self.action = Action("shop/await_it")
        self.action.plan(self._plan())
        self.action.apply(lambda ctx, inputs, change: None)
        self.action.verify(**times)(self._verify)

    def _plan(self) -> Callable[..., Change]:
        def plan(ctx: Context, inputs: Inputs) -> Change:
            return Change({"done": False}, {"done": True})

        return plan

    def _verify(self, ctx: Context, _inputs: Inputs, _change: Change) -> bool | str:
        self.started = ctx.remaining() if self.started is None else self.started
        ctx.watch(self.watch)
        now = self.started - ctx.remaining()
        self.looks.append(round(now, 1))
        if self.error is not None:
            raise self.error
        return now >= self.reached or "not yet"

    def run(self, lines: Sequence[float] | None = None, **setting: Any) -> Ran:
        """Run it with a fake tool that prints lines after so many seconds; None for one that cannot be watched."""
        watches = {} if lines is None else {"signals": lambda _argv: lines}
        tools = {"signals": lambda _argv, _stdin: Answer()}
        return ActionRunner(self.action, tools=tools, watches=watches, timeout=SLOW, **setting).run({})


def about(*seconds: float) -> Any:
    """Times of a clock that jumps, to which this machine's own time is added."""
    return pytest.approx(list(seconds), abs=0.4)


def test_a_line_lets_the_goal_be_looked_at_within_a_moment() -> None:
    goal = Goal(reached=23.4)
    ran = goal.run([23.4])

    assert (ran.status, ran.watched) == ("succeeded", [tuple(WATCH)])
    assert goal.looks == about(0.0, 0.1, 5.1, 10.1, 15.1, 20.1, 23.5)


def test_without_a_line_it_is_looked_at_every_few_seconds() -> None:
    goal = Goal(reached=23.4)

    assert goal.run([]).status == "succeeded"
    assert goal.looks == about(0.0, 0.1, 5.1, 10.1, 15.1, 20.1, 25.1)


def test_without_a_watch_it_is_looked_at_more_often() -> None:
    goal = Goal(reached=23.4)

    assert goal.run(None).status == "succeeded"
    assert len(goal.looks) == 19
    assert goal.looks[-1] - goal.looks[-2] == pytest.approx(2.0, abs=0.3)


def test_many_lines_at_once_are_one_look() -> None:
    goal = Goal(reached=20.0)
    goal.run([10.0 + n / 1000 for n in range(50)])

    assert [look for look in goal.looks if 9 < look < 15] == about(10.1)


def test_lines_without_an_end_are_a_look_a_second_at_most() -> None:
    goal = Goal(reached=30.0)
    goal.run([n / 20 for n in range(600)])
    busy = [after - before for before, after in zip(goal.looks[8:], goal.looks[9:], strict=False)]

    assert len(goal.looks) < 40
    assert min(busy) == pytest.approx(1.0, abs=0.3)


def test_a_look_that_fails_is_not_left_until_the_next_line() -> None:
    goal = Goal(reached=0.0)
    goal.error = Transient("the server is away.")
    goal.run([])
    pauses = [after - before for before, after in zip(goal.looks, goal.looks[1:], strict=False)]

    assert max(pauses) == pytest.approx(2.0, abs=0.3)


def test_the_end_of_the_wait_is_looked_at_and_the_goal_is_watched_while_it_holds() -> None:
    late, holding = Goal(reached=59.9, within=timedelta(minutes=1)), Goal(reached=1.0, settle=timedelta(seconds=7))
    late.run([])
    holding.run([])

    assert late.looks[-1:] == about(60.0)
    assert holding.looks == about(0.0, 0.1, 5.1, 10.1, 12.1)


def test_an_action_says_when_only_time_changes_its_answer() -> None:
    action, looks = Action("shop/hold_it"), list[float]()

    @action.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        return Change()

    @action.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        """Do nothing."""

    @action.verify
    def verify(ctx: Context, inputs: Inputs, change: Change) -> bool | str:
        looks.append(ctx.remaining())
        left = 3.3 - (looks[0] - looks[-1])
        ctx.look_again_within(left)
        ctx.look_again_within(60)
        return left <= 0 or "it must hold"

    assert ActionRunner(action).run({}).status == "unchanged"
    assert looks[0] - looks[-1] == pytest.approx(3.3, abs=0.3)


def tool(folder: Path, name: str, script: str) -> list[str]:
    """A program that notes its process id when it starts, and then runs a line of Python."""
    path = folder / name
    note = f"import os, sys, time; open({str(folder / 'started')!r}, 'a').write(f'{{os.getpid()}}\\n')"
    path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(f'{note}; {script}')}\n")
    path.chmod(0o755)
    return [str(path)]


def started(folder: Path) -> list[int]:
    """The ids of the processes that were started."""
    file = folder / "started"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


FOLLOW = "[(print('line', flush=True), time.sleep(0.2)) for _ in range(600)]"
SILENT = "print('line', flush=True); time.sleep(120)"


def test_a_real_tool_is_heard_and_leaves_no_process(tmp_path: Path) -> None:
    goal = Goal(reached=1.0, watch=tool(tmp_path, "follow", FOLLOW))
    ran = ActionRunner(goal.action, real_time=True).run({})

    assert ran.status == "succeeded"
    assert not [process for process in started(tmp_path) if is_running(process)]
    assert len(started(tmp_path)) == 1


def test_a_goal_that_is_reached_at_once_starts_no_tool(tmp_path: Path) -> None:
    goal = Goal(reached=0.0, watch=tool(tmp_path, "follow", FOLLOW))
    ran = ActionRunner(goal.action, real_time=True).run({})

    assert (ran.status, ran.watched, started(tmp_path)) == ("succeeded", [tuple(goal.watch)], [])


@pytest.mark.parametrize(
    ("watch", "reason"),
    [
        ("sys.exit('Forbidden: you may not, with s3cr3t-word')", "Forbidden: you may not, with ***"),
        ("sys.exit(1)", "refused has ended"),
        (None, "the tool no-such-tool is not on PATH; the image must hold it."),
    ],
)
def test_one_that_cannot_watch_says_why_once_and_the_goal_is_seen_without_it(
    tmp_path: Path, watch: str | None, reason: str
) -> None:
    argv = ["no-such-tool"] if watch is None else tool(tmp_path, "refused", watch)
    goal = Goal(reached=3.0, watch=argv)
    ran = ActionRunner(goal.action, real_time=True, secrets={"password": "s3cr3t-word"}).run({})

    assert ran.status == "succeeded"
    assert ran.log.count("not watched, and looked at every few seconds instead: ") == 1
    assert reason in ran.log
    assert "s3cr3t-word" not in ran.log


def test_one_that_is_cut_off_is_started_again(tmp_path: Path) -> None:
    goal = Goal(reached=3.5, watch=tool(tmp_path, "cut-off", "print('line', flush=True); time.sleep(0.3)"))
    ran = ActionRunner(goal.action, real_time=True).run({})

    assert ran.status == "succeeded"
    assert len(started(tmp_path)) >= 2


@pytest.mark.parametrize("end", ["never", "cancelled", "crashed"])
def test_no_process_is_left_however_the_wait_ends(tmp_path: Path, end: str) -> None:
    goal = Goal(reached=99.0, watch=tool(tmp_path, "silent", SILENT))
    verify = goal.action.verify_function
    assert verify is not None

    def ended(ctx: Context, inputs: Inputs, change: Change) -> bool | str:
        answer = verify(ctx, inputs, change)
        if started(tmp_path):
            assert is_running(started(tmp_path)[0])
            match end:
                case "never":
                    raise VerifyFailed("never.")
                case "crashed":
                    raise SystemExit(3)
                case _:
                    runner.cancel()
        return answer

    goal.action.verify_function = ended
    runner = ActionRunner(goal.action, real_time=True, timeout=timedelta(seconds=30))
    ran = runner.run({})

    assert ran.exit_code == {"never": 4, "cancelled": 143, "crashed": 1}[end], ran
    assert not is_running(started(tmp_path)[0])


def test_a_cancel_in_the_middle_of_a_watched_wait_is_heard_at_once(tmp_path: Path) -> None:
    goal = Goal(reached=99.0, watch=tool(tmp_path, "silent", SILENT))
    began = time.monotonic()
    timer = Timer(2.0, os.kill, (os.getpid(), 15))
    timer.start()
    ran = ActionRunner(goal.action, real_time=True).run({})
    timer.join()

    assert (ran.exit_code, ran.status) == (143, "cancelled")
    assert time.monotonic() - began < 4.5
    assert not is_running(started(tmp_path)[0])


def test_a_loop_of_apply_is_woken_too(tmp_path: Path) -> None:
    action, waits = Action("shop/loop_it"), list[float]()

    @action.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        return Change({"done": False}, {"done": True})

    @action.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        ctx.watch(WATCH)
        for _ in range(3):
            before = ctx.remaining()
            ctx.wait(10.0)
            waits.append(before - ctx.remaining())

    tools = {"signals": lambda _argv, _stdin: Answer()}
    ran = ActionRunner(action, tools=tools, watches={"signals": lambda _argv: [0.1, 4.0]}).run({})

    assert ran.exit_code == 0
    assert waits == [pytest.approx(seconds, abs=0.3) for seconds in (0.5, 3.6, 10.0)]
