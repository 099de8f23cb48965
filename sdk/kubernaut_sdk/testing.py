"""Running an action in a test: in this process, with real tools or fakes, and with everything that it reports.

    from kubernaut_sdk.testing import ActionRunner, Answer

    def test_it_scales():
        kubectl = lambda argv, stdin: Answer('{"spec": {"replicas": 2}}') if "get" in argv else Answer()
        ran = ActionRunner(scale, tools={"kubectl": kubectl}).run({"deployment": "checkout", "replicas": 6})

        assert ran.exit_code == 0
        assert ran.change == Change(before={"replicas": 2}, after={"replicas": 6})
        assert ran.states == ["started", "applying", "succeeded"]
        assert ran.calls[-1][0] == "kubectl"

Everything between inputs and exit code is the code that runs in a container: parser, retries, masking, results, events,
the handler of SIGTERM (`ActionRunner.cancel`). Pauses (backoff, waiting for a goal) take no time, unless `real_time` is
set, for a test against a real system. In such time a fake tool can be watched (`watches`), and a real one is started,
but not heard.
"""

import io
import logging
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from kubernaut_sdk import logs
from kubernaut_sdk.action import Action
from kubernaut_sdk.execution.outcome import ExecutionOutcome
from kubernaut_sdk.execution.runner import Execution
from kubernaut_sdk.ids import mint
from kubernaut_sdk.interrupts import Interrupts, WaitingClock
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import Inputs, parse_inputs
from kubernaut_sdk.portable import dumps, loads
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.secrets.files import learn_files
from kubernaut_sdk.secrets.inputs import secret_values, secrets_in
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.states import RANK, Change, Error, State
from kubernaut_sdk.storage import StorageClient, StorageUnavailable
from kubernaut_sdk.tools import Completed, run_tool
from kubernaut_sdk.watches import Watches

__all__ = ["ActionRunner", "Answer", "Ran", "Tool", "WatchTool"]


@dataclass(frozen=True)
class Answer:
    """The output and exit code of a fake tool."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


Tool = Callable[[list[str], str | None], Answer]
"""A stand-in for a tool: takes its arguments (the tool's name first) and standard input."""
WatchTool = Callable[[list[str]], Sequence[float]]
"""A stand-in for a tool that watches: takes its arguments, returns the seconds after which it prints a line."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """The outcome of an execution, and everything that it reported; with secrets masked, as in production.

    Attributes:
        exit_code: The contract's.
        status: `succeeded`, `unchanged`, `planned`, `failed`, `cancelled`, `timed_out`.
        changed: True if the action changed something; None where that is not known.
        change: The planned change, or None.
        output: The result, or None.
        error: Code, reason and message, or None.
        record_id: The id of its record.
        events: The events that were sent, as JSON values, in order; also those while the store was away.
        results: Result file → content.
        calls: The tools that were run, each with its arguments.
        watched: The tools that were asked to watch, each with its arguments.
        log: The lines that were logged, each a JSON object.
    """

    exit_code: int
    status: str
    changed: bool | None
    change: Change | None
    output: dict[str, Any] | None
    error: Error | None
    record_id: UUID
    events: list[dict[str, Any]]
    results: dict[str, str]
    calls: list[tuple[str, ...]]
    watched: list[tuple[str, ...]]
    log: str

    @property
    def states(self) -> list[str]:
        """The states of the events, in order."""
        return [event["state"] for event in self.events]


@dataclass(kw_only=True)
class _Setting:
    """The surroundings of an `ActionRunner`'s executions."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    watches: Mapping[str, WatchTool] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0
    timeout: timedelta = timedelta(minutes=5)
    storage: Literal["there", "away", "none"] = "there"
    require_record: bool = False
    real_time: bool = False


class ActionRunner:
    """A runner of one action, as in its container. All runs of one runner share one store.

    Args:
        action: The action.
        tools: Name → fake tool; other tools really run.
        watches: Name → fake tool that watches. A fake tool without one cannot be watched.
        secrets: Secret file → content.
        retries: The number of times that a transient failure is tried again.
        timeout: The time limit of an execution (ACTION_TIMEOUT).
        storage: `there`, `away`, or `none` if no Data Storage is configured.
        require_record: True for the policy `require`.
        real_time: True if pauses take their time, since a real system around the action does.
    """

    def __init__(self, action: Action, **setting: Any) -> None:
        action.require_complete()
        self.action = action
        self._setting = _Setting(**setting)
        self._store = _InMemoryStore(away=self._setting.storage == "away")
        self._handles_signals = False

    def run(
        self,
        inputs: Mapping[str, Any],
        *,
        record_id: UUID | None = None,
        pod_uid: str = "00000000-0000-4000-8000-000000000000",
    ) -> Ran:
        """Plan and apply.

        Args:
            inputs: The inputs as JSON values.
            record_id: The id of the record; pass the same id again for a second pod of one step.
            pod_uid: The uid of the pod.
        """
        pod = {"name": "test-pod", "uid": pod_uid}
        return self._run(inputs, lambda run, parse: run.execute(parse), record_id=record_id, pod=pod)

    def dry_run(self, inputs: Mapping[str, Any]) -> Ran:
        """Only plan."""
        return self._run(inputs, lambda run, parse: run.execute(parse), dry_run=True)

    def undo(self, inputs: Mapping[str, Any], change: Change) -> Ran:
        """Restore the state before a change."""
        return self._run(inputs, lambda run, parse: run.undo(lambda: (parse(), change)))

    def cancel(self) -> None:
        """Send SIGTERM to the execution that is running, as Kubernetes does; to be called by a fake tool.

        Raises:
            RuntimeError: if none is running, or not in the main thread, where Python handles signals.
        """
        if not self._handles_signals:
            raise RuntimeError("no execution runs in the main thread, so there is none to cancel.")
        signal.raise_signal(signal.SIGTERM)

    @contextmanager
    def _signals(self, interrupts: Interrupts) -> Iterator[None]:
        """Handle signals as in a container, where Python can: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before, self._handles_signals = self._handles_signals, True
        try:
            with interrupts.installed():
                interrupts.open()
                yield
        finally:
            self._handles_signals = before

    def _run(
        self,
        inputs: Mapping[str, Any],
        work: Callable[[Execution, Callable[[], Inputs]], ExecutionOutcome],
        **settings: Any,
    ) -> Ran:
        """Make an execution in folders of its own, as `program.verbs` does from the environment, and run it."""
        setting, masker, log, calls = self._setting, Masker(), io.StringIO(), list[tuple[str, ...]]()
        record_id = settings.pop("record_id", None) or mint()
        events_before = len(self._store.events)
        with tempfile.TemporaryDirectory() as name, _capture_log(masker, log):
            folder = Path(name)
            clock: WaitingClock = time if setting.real_time else _JumpingClock()
            interrupts = Interrupts(time.monotonic() + setting.timeout.total_seconds(), clock=clock)
            recorder = Recorder(
                self._store if setting.storage != "none" else None,
                Spool(folder / "spool"),
                log_line=lambda line: print(line, file=log),
            )
            run = Execution(
                self.action,
                StepSettings(
                    action_type=self.action.action_type,
                    retries=setting.retries,
                    timeout=setting.timeout,
                    record_id=record_id,
                    storage_url="memory:",
                    require_record=setting.require_record,
                    spool=folder / "spool",
                    results_dir=folder / "results",
                    secrets_dir=_write_secrets(folder / "secrets", setting.secrets, masker),
                    workspace=folder,
                    **settings,
                ),
                interrupts,
                masker,
                recorder,
            )
            run.context.tool_runner = _tool_runner(setting.tools, calls)
            run.context.watches = watches = _TestWatches(interrupts, masker, setting)
            try:
                with self._signals(interrupts):
                    outcome = work(run, lambda: _parse_inputs(self.action, inputs, masker))
            finally:
                recorder.close()
            results = {path.name: path.read_text(encoding="utf-8") for path in (folder / "results").iterdir()}
        return Ran(
            exit_code=outcome.exit_code,
            status=outcome.status.value,
            changed=outcome.changed,
            change=outcome.change,
            output=outcome.output,
            error=outcome.error,
            record_id=record_id,
            events=self._store.events[events_before:],
            results=results,
            calls=calls,
            watched=watches.asked,
            log=log.getvalue(),
        )


class _JumpingClock:
    """A clock that jumps forward instead of sleeping."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:  # the real time too, so that a tool which hangs still meets the deadline
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


class _TestWatches(Watches):
    """Watches of fakes, which print at the times that they say, and of real tools, heard in real time only."""

    def __init__(self, interrupts: Interrupts, masker: Masker, setting: _Setting) -> None:
        super().__init__(interrupts, masker.text)
        self.asked: list[tuple[str, ...]] = []
        self._setting, self._clock = setting, interrupts.clock
        self._lines: list[float] = []
        self._fakes: set[tuple[str, ...]] = set()

    def add(self, argv: Sequence[str]) -> None:
        if (known := tuple(argv)) not in self.asked:
            self.asked.append(known)
        if (fake := self._setting.watches.get(argv[0])) is None:
            if argv[0] not in self._setting.tools:
                super().add(argv)
        elif known not in self._fakes:
            self._fakes.add(known)
            self._lines += [self._clock.monotonic() + seconds for seconds in fake(list(argv))]

    def start(self) -> bool:
        runs = super().start()
        return bool(self._fakes) or (runs and self._setting.real_time)

    def close(self) -> None:
        super().close()
        self._lines.clear()
        self._fakes.clear()

    def _listen(self, seconds: float) -> bool:
        next_line, now = min(self._lines, default=inf), self._clock.monotonic()
        if next_line <= now + seconds:
            self._lines.remove(next_line)
            self._clock.sleep(max(0.0, next_line - now))
            return True
        if self._setting.real_time:
            return super()._listen(seconds)
        super()._listen(0)
        self._clock.sleep(seconds)
        return False


class _InMemoryStore(StorageClient):
    """A Data Storage Service in this process. A record is its events, merged by rank."""

    def __init__(self, *, away: bool) -> None:
        super().__init__("memory:")
        self.away = away
        self.events: list[dict[str, Any]] = []

    def post(self, events: list[dict[str, Any]], within: float) -> list[dict[str, Any]]:
        # kept although it is away: a test asks which events were sent
        self.events += loads(dumps(events), "events")
        if self.away:
            raise StorageUnavailable("it is away")
        return [{"index": n, "id": event["id"], "outcome": "stored"} for n, event in enumerate(events)]

    def read(self, record_id: UUID, within: float) -> dict[str, Any] | None:
        if self.away:
            raise StorageUnavailable("it is away")
        known = [event for event in self.events if event["id"] == str(record_id)]
        record: dict[str, Any] = {}
        for event in sorted(known, key=lambda event: RANK[State(event["state"])]):
            record |= event
        return record or None


@contextmanager
def _capture_log(masker: Masker, stream: io.StringIO) -> Iterator[None]:
    """Write the log to a stream, as JSON lines; restore the logger afterwards, since it is the test process's own."""
    root = logging.getLogger("kubernaut")
    before = root.handlers[:], root.propagate, root.level
    logs.configure(masker, {}, stream)
    try:
        yield
    finally:
        root.handlers[:], root.propagate, level = before
        root.setLevel(level)


def _write_secrets(folder: Path, secrets: Mapping[str, str], masker: Masker) -> Path:
    folder.mkdir()
    for name, content in secrets.items():
        (folder / name).write_text(content, encoding="utf-8")
    learn_files(folder, masker)
    return folder


def _parse_inputs(action: Action, inputs: Mapping[str, Any], masker: Masker) -> Inputs:
    """Return the inputs, passed through JSON like those of the environment."""
    values = loads(dumps(dict(inputs)), "inputs")
    for secret in secrets_in(action.inputs_model, values):
        masker.add(secret)
    parsed = parse_inputs(action.inputs_model, values)
    for plain in secret_values(parsed):
        masker.add(plain)
    return parsed


def _tool_runner(tools: Mapping[str, Tool], calls: list[tuple[str, ...]]) -> Callable[..., Completed]:
    """Return a function like `run_tool` that runs fakes in place of the tools which have one, and notes each call."""

    def run(
        argv: Sequence[str], *, stdin: str | None = None, mask: Callable[[str], str] = str, **rest: Any
    ) -> Completed:
        calls.append(tuple(argv))
        if (tool := tools.get(argv[0])) is None:
            return run_tool(argv, stdin=stdin, mask=mask, **rest)
        answer = tool(list(argv), stdin)
        return Completed(tuple(argv), answer.exit_code, answer.stdout, answer.stderr, 0.0, mask)

    return run
