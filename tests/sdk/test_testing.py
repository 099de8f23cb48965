"""The public testing kit shows all that an execution does and reports; a pod that is made again repeats nothing."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kubernaut_sdk import Action, Change, Context, Inputs, Result, Transient
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner, Answer

OTHER_POD = "11111111-1111-4111-8111-111111111111"


class Size(Inputs):
    queue: str
    workers: int


class Sized(Result):
    workers: int


class Queue:
    """A tool's world: a program `queuectl` that reads and sets a number."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.busy = 0

    def __call__(self, argv: list[str], stdin: str | None) -> Answer:
        if argv[1] == "get":
            return Answer(json.dumps({"workers": self.workers}))
        if self.busy:
            self.busy -= 1
            return Answer(stderr="busy", exit_code=1)
        self.workers = int(argv[2].removeprefix("--workers="))
        return Answer()


def sizing(*, idempotent: bool = True) -> Action:
    """Return an action that sets the workers of a queue."""
    size = Action("queue/set_workers", idempotent=idempotent)

    @size.plan
    def plan(ctx: Context, inputs: Size) -> Change:
        found = ctx.run(["queuectl", "get", "--", inputs.queue]).json()
        return Change(found["workers"], inputs.workers)

    @size.apply
    def apply(ctx: Context, inputs: Size, change: Change) -> Sized:
        done = ctx.run(["queuectl", "set", f"--workers={inputs.workers}", "--", inputs.queue], check=False)
        if done.exit_code:
            raise Transient(f"the queue is {done.complaint()}.")
        return Sized(workers=inputs.workers)

    @size.verify(within=timedelta(minutes=10))
    def verify(ctx: Context, inputs: Size, change: Change) -> bool | str:
        found = ctx.run(["queuectl", "get", "--", inputs.queue]).json()["workers"]
        return found == inputs.workers or f"there are {found} workers"

    @size.undo
    def undo(ctx: Context, inputs: Size, change: Change) -> None:
        ctx.run(["queuectl", "set", f"--workers={change.before}", "--", inputs.queue])

    return size


@pytest.fixture
def runner() -> Callable[..., ActionRunner]:
    def make(queue: Queue, **setting: Any) -> ActionRunner:
        return ActionRunner(sizing(idempotent=setting.pop("idempotent", True)), tools={"queuectl": queue}, **setting)

    return make


INPUTS = {"queue": "mail", "workers": 4}


def test_a_run_shows_change_result_events_and_exit_code(runner: Callable[..., ActionRunner]) -> None:
    ran = runner(Queue()).run(INPUTS)

    assert (ran.exit_code, ran.status, ran.changed) == (0, "succeeded", True)
    assert ran.change == Change(before=1, after=4)
    assert ran.output == {"workers": 4}
    assert ran.states == ["started", "applying", "succeeded"]
    assert ran.results["output"] == '{"workers":4}'
    assert ran.calls[1] == ("queuectl", "set", "--workers=4", "--", "mail")


def test_a_second_run_is_unchanged_and_a_dry_run_only_plans(runner: Callable[..., ActionRunner]) -> None:
    queue = Queue()
    tried = runner(queue)

    assert tried.dry_run(INPUTS).status == "planned"
    assert queue.workers == 1
    tried.run(INPUTS)
    assert tried.run(INPUTS).status == "unchanged"


def test_retries_pass_at_once_and_are_attempts(runner: Callable[..., ActionRunner]) -> None:
    queue = Queue()
    queue.busy = 3
    ran = runner(queue, retries=3).run(INPUTS)

    assert ran.exit_code == 0
    assert [attempt.get("error", {}).get("message") for attempt in ran.events[-1]["attempts"]] == [
        *["the queue is busy."] * 3,
        None,
    ]


def test_what_is_never_reached_fails_without_waiting(runner: Callable[..., ActionRunner]) -> None:
    queue = Queue()
    tried = ActionRunner(
        sizing(),
        tools={"queuectl": lambda argv, stdin: Answer('{"workers": 1}') if argv[1] == "get" else queue(argv, stdin)},
        timeout=timedelta(hours=1),
    )
    ran = tried.run(INPUTS)

    assert (ran.exit_code, ran.changed) == (4, True)
    assert ran.error is not None
    assert ran.error.message == "applied, but after 600 s: there are 1 workers"


def test_the_deadline_is_kept_although_nothing_sleeps() -> None:
    wait = Action("queue/wait_long")

    @wait.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        ctx.sleep(3600)
        return Change()

    @wait.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        raise AssertionError("not reached")

    ran = ActionRunner(wait, timeout=timedelta(minutes=1)).run({})
    assert (ran.exit_code, ran.status) == (124, "timed_out")


def test_undo_restores_what_was(runner: Callable[..., ActionRunner]) -> None:
    queue = Queue()
    tried = runner(queue)
    ran = tried.run(INPUTS)
    assert ran.change is not None
    undone = tried.undo(INPUTS, ran.change)

    assert (undone.exit_code, queue.workers) == (0, 1)


def test_inputs_that_do_not_fit_are_refused(runner: Callable[..., ActionRunner]) -> None:
    ran = runner(Queue()).run({"queue": "mail", "workers": "four"})

    assert (ran.exit_code, ran.calls) == (2, [])
    assert ran.error is not None
    assert "inputs.workers" in ran.error.message


def test_secrets_are_masked_in_all_that_is_shown() -> None:
    login = Action("queue/log_in")

    @login.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        ctx.log.info("with %s", ctx.secret("password"))
        return Change({"seen": ctx.run(["queuectl", "whoami"]).stdout}, None)

    @login.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        pass

    tools = {"queuectl": lambda argv, stdin: Answer("mail:hunter2hunter2")}
    ran = ActionRunner(login, tools=tools, secrets={"password": "hunter2hunter2"}).run({})

    assert ran.change == Change({"seen": "mail:***"}, None)
    assert "hunter2" not in ran.log + json.dumps(ran.events) + json.dumps(ran.results)
    assert '"with ***"' in ran.log


@pytest.mark.parametrize(("require", "code"), [(False, 0), (True, 5)])
def test_storage_that_is_away(runner: Callable[..., ActionRunner], require: bool, code: int) -> None:
    queue = Queue()
    ran = runner(queue, storage="away", require_record=require).run(INPUTS)

    assert (ran.exit_code, ran.results["record-status"]) == (code, "deferred")
    assert queue.workers == (1 if require else 4)
    assert ran.log.count('"kubernaut_record"') == len(ran.events)


def test_a_real_tool_is_run_where_none_stands_in(tmp_path: Path) -> None:
    look = Action("files/look_at")

    @look.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        return Change(ctx.run(["ls", "--", str(tmp_path)]).stdout, None)

    @look.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        pass

    (tmp_path / "here").touch()
    assert ActionRunner(look).dry_run({}).change == Change("here\n", None)


def test_a_pod_made_again_does_not_repeat_what_is_not_idempotent(runner: Callable[..., ActionRunner]) -> None:
    queue, record_id = Queue(), mint()
    tried = runner(queue, idempotent=False)
    tried.run(INPUTS, record_id=record_id)
    queue.workers = 2
    again = tried.run(INPUTS, record_id=record_id, pod_uid=OTHER_POD)

    assert (again.exit_code, again.changed, queue.workers) == (3, False, 2)
    assert again.error is not None
    assert again.error.reason == "AlreadyApplied"
    assert "is not idempotent, so it is not done again" in again.error.message


def test_a_pod_made_again_waits_for_the_first_to_end_and_plans_anew(runner: Callable[..., ActionRunner]) -> None:
    queue, record_id = Queue(), mint()
    tried = runner(queue)
    queue.busy = 1
    first = tried.run(INPUTS, record_id=record_id)  # it fails as transient
    # as if the pod had died before it could report that: `applying` is the last that is known
    tried._store.events = [event for event in tried._store.events if event["state"] != "failed"]
    again = tried.run(INPUTS, record_id=record_id, pod_uid=OTHER_POD)

    assert first.exit_code == 75
    assert (again.exit_code, again.changed, queue.workers) == (0, True, 4)
    assert [call[1] for call in again.calls] == ["get", "get", "set", "get"]
    assert "another pod began to apply this step" in again.log
    assert [event["attempt"] for event in again.events] == [0, 1, 1]  # it learns of the other after it has begun


def test_the_same_pod_goes_on(runner: Callable[..., ActionRunner]) -> None:
    queue, record_id = Queue(), mint()
    tried = runner(queue, idempotent=False)
    tried.run(INPUTS, record_id=record_id)
    queue.workers = 2

    assert tried.run(INPUTS, record_id=record_id).exit_code == 0


def test_two_writes_of_which_one_alone_would_harm_are_not_torn_apart_by_the_deadline() -> None:
    done: list[str] = []
    rename = Action("probe/rename_both")

    @rename.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        return Change({"done": 0}, {"done": len(done)}) if done else Change(0, 2)

    @rename.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        with ctx.uninterrupted():
            done.append("deleted")
            ctx.sleep(1000)  # its time is over meanwhile
            done.append("made again")
        done.append("never")

    ran = ActionRunner(rename, timeout=timedelta(seconds=60)).run({})

    assert done == ["deleted", "made again"]
    assert (ran.exit_code, ran.status) == (124, "timed_out")


def test_what_an_action_writes_itself_can_be_masked() -> None:
    copy = Action("probe/copy_text")
    found: list[str] = []

    @copy.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        found.append(ctx.masked("the key is correct-horse-battery."))
        return Change()

    @copy.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        raise AssertionError

    ActionRunner(copy, secrets={"key": "correct-horse-battery"}).run({})
    assert found == ["the key is ***."]


@pytest.mark.parametrize(
    ("command", "changed", "workers", "states"),
    [("get", False, 1, ["started", "cancelled"]), ("set", True, 3, ["started", "applying", "cancelled"])],
)
def test_a_cancel_stops_what_has_not_begun_and_lets_a_change_end(
    command: str, changed: bool, workers: int, states: list[str]
) -> None:
    queue = Queue()

    def tool(argv: list[str], stdin: str | None) -> Answer:
        if argv[1] == command:
            sizer.cancel()
        return queue(argv, stdin)

    sizer = ActionRunner(sizing(), tools={"queuectl": tool})
    ran = sizer.run({"queue": "mail", "workers": 3})

    assert (ran.exit_code, ran.status, ran.changed) == (143, "cancelled", changed)
    assert (queue.workers, ran.states) == (workers, states)


def test_a_cancel_needs_an_execution() -> None:
    with pytest.raises(RuntimeError, match="there is none to cancel"):
        ActionRunner(sizing()).cancel()
