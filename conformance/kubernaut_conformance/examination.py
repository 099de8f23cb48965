"""The runs by which an image is examined; each is made once, when the first check asks for it."""

import base64
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Generic, TypeVar
from uuid import UUID

from kubernaut_conformance.environment import ScenarioEnvironment
from kubernaut_conformance.observation import ObservedRun
from kubernaut_conformance.runtime import ActionRuntime, CompletedRun, ImageRuntime, Mounts
from kubernaut_conformance.spec import PATH, ActionSpec, ImageSpec, parse
from kubernaut_conformance.storage_proxy import Mode, StorageProxy
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.secrets.files import PUBLIC_FILES
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["NOT_MOUNTED", "WORKFLOW", "ActionExamination", "ImageExamination"]

WORKFLOW = {"namespace": "conformance", "name": "conformance", "uid": "00000000-0000-7000-8000-000000000000"}
NOT_MOUNTED = "conformance-2f6b1c-not-mounted"
"""A secret of which an image knows only that it was given where inputs belong."""
_PAUSE = 0.6
"""Seconds for which the store's answer is held after SIGTERM: time to do what should not be done any more."""
_GLANCE = 0.02
"""Seconds between two looks at the world while it is waited for that it changes."""
_TIMEOUT = 1
"""Seconds of the action's own time where it is to run out."""


T = TypeVar("T")


class _CachedProperty(Generic[T]):
    """A property that is made when it is first asked for.

    `functools.cached_property` has, before Python 3.12, one lock for all instances, and these take seconds.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type) -> T:
        value = self._make(instance)
        instance.__dict__[self._name] = value
        return value


@dataclass
class ImageExamination:
    """An image, with what it says of itself.

    Args:
        runtime: The image, or the installed actions.
        previous: What an earlier image of the same name said, where that is known.
    """

    runtime: ActionRuntime
    previous: ImageSpec | None = None

    @property
    def image(self) -> ImageRuntime | None:
        """The image, where it is one."""
        return self.runtime if isinstance(self.runtime, ImageRuntime) else None

    @_CachedProperty
    def spec_run(self) -> CompletedRun:
        """The verb `spec`, with no network, inputs or settings."""
        return self.runtime.ask("spec")

    @_CachedProperty
    def spec_file(self) -> bytes | None:
        """/kubernaut/spec.json."""
        return self.image.read(PATH) if self.image else None

    @_CachedProperty
    def spec(self) -> ImageSpec | str:
        """What the image says of itself, or what is wrong with that."""
        if self.spec_run.exit_code == 0:
            return parse(self.spec_run.stdout)
        return parse(self.spec_file) if self.spec_file is not None else "it says nothing"


@dataclass
class ActionExamination:
    """One action of an image, in the world of a scenario, or in none.

    Args:
        runtime: The image, or the installed actions.
        spec: What it says of this action.
        store: The address of a Data Storage Service.
        environment: Where its scenario takes place; None where there is no scenario.
    """

    runtime: ActionRuntime
    spec: ActionSpec
    store: str
    environment: ScenarioEnvironment | None = None
    runs: list[ObservedRun] = field(default_factory=list)
    read_only: bool = True

    def all_runs(self) -> list[ObservedRun]:
        """Return every run of this action that several checks look at; make those that are not made yet."""
        _ = (
            self.unknown_input_run,
            self.missing_input_run,
            self.malformed_inputs_run,
            self.withheld_input_run,
            self.plan_run,
            self.dry_run,
            self.first_run,
            self.second_run,
            self.terminated_run,
            self.timed_out_run,
            self.storage_unreachable_run,
            self.storage_required_run,
            self.duplicated_events_run,
            self.recreated_pod_run,
        )
        return self.runs

    @property
    def is_effective(self) -> bool:
        """Whether the scenario's run changes the world, so that what it does can be judged."""
        return self.first_run is not None and _worked(self.first_run)

    @_CachedProperty
    def unknown_input_run(self) -> ObservedRun:
        """With an input that nobody knows, whose value holds a secret."""
        canary = self.environment.variables["canary"] if self.environment else "no-secret"
        encoded = base64.b64encode(canary.encode()).decode()
        return self._observe("with an unknown input", {**self._inputs(), "no_such_input": f"{canary} {encoded}"})

    @_CachedProperty
    def missing_input_run(self) -> ObservedRun | None:
        """Without one of the required inputs."""
        required = self.spec.inputs.get("required", [])
        if not required:
            return None
        return self._observe("with no inputs", {})

    @_CachedProperty
    def malformed_inputs_run(self) -> ObservedRun:
        """With inputs that are no JSON, and hold what nobody could know for a secret."""
        text = f'{{"password": "{NOT_MOUNTED}"'
        return self._observe("with inputs that are no JSON", self._inputs(), ACTION_INPUTS=text)

    @_CachedProperty
    def withheld_input_run(self) -> ObservedRun | None:
        """With an input that is to come from an earlier step's output, which withheld it; only where it has inputs."""
        inputs = self._inputs()
        if not inputs:
            return None
        taken = ["--input-from", next(iter(inputs)), "/conformance", dumps({"withheld": ["conformance"]})]
        return self._observe("with an input that the earlier step withheld", inputs, command=("run", *taken))

    @_CachedProperty
    def plan_run(self) -> ObservedRun | None:
        """The verb `plan`."""
        return self._in_world("of the verb plan", command=("plan",))

    @_CachedProperty
    def dry_run(self) -> ObservedRun | None:
        """A dry run."""
        return self._in_world("with ACTION_DRY_RUN=true", ACTION_DRY_RUN="true")

    @property
    def first_run(self) -> ObservedRun | None:
        """As it is meant to run. Where a read-only root is in its way, it and all others run with a writable one."""
        return self._twice[0]

    @property
    def second_run(self) -> ObservedRun | None:
        """Once more, in the world as the first run left it."""
        return self._twice[1]

    @_CachedProperty
    def _twice(self) -> tuple[ObservedRun | None, ObservedRun | None]:
        first_run = self._in_world("of the scenario")
        if first_run is not None and first_run.completed.exit_code != 0:
            self.read_only = False
            self.runs.remove(first_run)
            first_run = self._in_world("of the scenario")
            self.read_only = first_run is None or first_run.completed.exit_code != 0
        if first_run is None or not _worked(first_run):
            return first_run, None
        return first_run, self._in_world("of the scenario once more", fresh=False)

    @_CachedProperty
    def second_plan_run(self) -> ObservedRun | None:
        """The verb `plan`, in the world as the second run left it; only where that one ended well."""
        if self.second_run is None or self.second_run.completed.exit_code != 0:
            return None
        return self._apart(self._in_world("of the verb plan once more", fresh=False, command=("plan",)))

    @_CachedProperty
    def killed_run(self) -> ObservedRun | None:
        """Killed as soon as the world is seen to change, as for its memory."""
        if self.environment is None or not self.is_effective:
            return None
        self.environment.fresh()
        environment, before = self.environment, self.environment.state()

        def moment(_proxy: StorageProxy, over: Event, _look: Callable[[], None]) -> bool:
            while not over.wait(_GLANCE):
                if environment.state() != before:
                    return True
            return False

        return self._apart(self._in_world("that was killed", fresh=False, moment=moment, kill=True))

    @_CachedProperty
    def terminated_run(self) -> ObservedRun | None:
        """Told to stop while it waits for the store's word that it may begin to apply."""

        def moment(proxy: StorageProxy, over: Event, look: Callable[[], None]) -> bool:
            if not _reached(proxy, over):
                return False
            look()
            _later(proxy, _PAUSE, over)
            return True

        return self._in_world("that SIGTERM stopped", mode="hold", moment=moment, DATA_STORAGE_POLICY="require")

    @_CachedProperty
    def timed_out_run(self) -> ObservedRun | None:
        """Out of time, at the latest while it waits for the store's word that it may begin to apply."""

        def moment(proxy: StorageProxy, over: Event, look: Callable[[], None]) -> bool:
            if _reached(proxy, over):
                look()
                _later(proxy, _TIMEOUT + _PAUSE, over)
            return False

        return self._in_world(
            f"with ACTION_TIMEOUT={_TIMEOUT}s",
            mode="hold",
            moment=moment,
            DATA_STORAGE_POLICY="require",
            ACTION_TIMEOUT=f"{_TIMEOUT}s",
        )

    @_CachedProperty
    def storage_unreachable_run(self) -> ObservedRun | None:
        """With Data Storage out of reach, which may be."""
        return self._in_world("with Data Storage out of reach", DATA_STORAGE_URL=_nobody())

    @_CachedProperty
    def storage_required_run(self) -> ObservedRun | None:
        """With Data Storage out of reach, which must not be."""
        return self._in_world(
            "with Data Storage out of reach and DATA_STORAGE_POLICY=require",
            DATA_STORAGE_URL=_nobody(),
            DATA_STORAGE_POLICY="require",
        )

    @_CachedProperty
    def duplicated_events_run(self) -> ObservedRun | None:
        """With a store that gets everything twice, since the first answer was lost."""
        return self._in_world("whose events came twice", mode="repeat")

    @_CachedProperty
    def recreated_pod_run(self) -> ObservedRun | None:
        """The pod is made again under the same name after another one had done it; only where that must not repeat."""
        if self.spec.idempotent or not self.is_effective:
            return None
        record_id = str(mint())
        pod = {"name": "conformance-pod", "uid": "11111111-1111-4111-8111-111111111111"}
        event = {
            "id": record_id,
            "attempt": 0,
            "at": rfc3339(utcnow()),
            "action_type": self.spec.action_type,
            "pod": pod,
        }
        client = StorageClient(self.store)
        client.post([{**event, "state": "applying"}, {**event, "state": "succeeded"}], 10)
        client.close()
        return self._in_world("of a pod made again after another had applied", record_id=record_id)

    def _apart(self, run: ObservedRun | None) -> ObservedRun | None:
        """A run that only one check looks at: it did not end by itself, or shows nothing new."""
        if run is not None:
            self.runs.remove(run)
        return run

    def _inputs(self) -> dict[str, Any]:
        if self.environment is not None:
            self.environment.fresh()
            return self.environment.inputs()
        return next(iter(self.spec.examples), {})

    def _in_world(self, description: str, *, fresh: bool = True, **options: Any) -> ObservedRun | None:
        if self.environment is None:
            return None
        if fresh:
            self.environment.fresh()
        return self._observe(description, self.environment.inputs(), **options)

    def _observe(
        self,
        description: str,
        inputs: dict[str, Any],
        *,
        command: Sequence[str] = ("run",),
        mode: Mode = "pass",
        moment: Callable[[StorageProxy, Event, Callable[[], None]], bool] | None = None,
        record_id: str | None = None,
        kill: bool = False,
        **env: str,
    ) -> ObservedRun:
        record_id = record_id or str(mint())
        environment = self.environment
        proxy = StorageProxy(self.store, mode)
        before, requests_before = (environment.state(), len(environment.requests())) if environment else ("", 0)
        held: list[str] = []

        def stop_when(over: Event) -> bool:
            assert moment is not None
            return moment(proxy, over, lambda: held.append(environment.state() if environment else ""))

        try:
            completed = self.runtime.run(
                command,
                {**self._contract(inputs, record_id, proxy.url), **(environment.env() if environment else {}), **env},
                environment.mounts() if environment else Mounts(),
                read_only=self.read_only,
                stop_when=stop_when if moment else None,
                kill=kill,
            )
        finally:
            proxy.close()
        observation = ObservedRun(
            description=description,
            completed=completed,
            events=tuple(proxy.events),
            record=self._record(record_id),
            record_id=record_id,
            before=before,
            held=held[0] if held else None,
            after=environment.state() if environment else "",
            requests=tuple(environment.requests()[requests_before:]) if environment else (),
            secrets=_secrets(environment) if environment else (),
        )
        self.runs.append(observation)
        return observation

    def _contract(self, inputs: dict[str, Any], record_id: str, store: str) -> dict[str, str]:
        """The environment that the generic Task gives, but for the folders."""
        return {
            "ACTION_TYPE": self.spec.action_type,
            "ACTION_INPUTS": dumps(inputs),
            "ACTION_DRY_RUN": "false",
            "ACTION_TIMEOUT": "45s",
            "ACTION_RETRIES": "0",
            "ACTION_RECORD_ID": record_id,
            "ACTION_CONTEXT": dumps({"workflow": WORKFLOW, "step": "conformance"}),
            "DATA_STORAGE_URL": store,
            "DATA_STORAGE_POLICY": "best-effort",
            "POD_NAME": "conformance-pod",
            "POD_UID": "22222222-2222-4222-8222-222222222222",
            "TASKRUN_NAME": "conformance",
            "PIPELINERUN_NAME": "conformance",
        }

    def _record(self, record_id: str) -> Mapping[str, Any] | None:
        client = StorageClient(self.store)
        try:
            return client.read(UUID(record_id), 10)
        finally:
            client.close()


def _secrets(environment: ScenarioEnvironment) -> tuple[str, ...]:
    """Return what must show nowhere: of the mounted files those that are secret, and long enough to be looked for."""
    return tuple(text for name, text in environment.secrets().items() if len(text) >= 8 and name not in PUBLIC_FILES)


def _worked(run: ObservedRun) -> bool:
    return run.completed.exit_code == 0 and run.before != run.after


def _reached(proxy: StorageProxy, over: Event) -> bool:
    while not over.is_set():
        if proxy.reached.wait(0.02):
            return True
    return False


def _later(proxy: StorageProxy, seconds: float, over: Event) -> None:
    def release() -> None:
        over.wait(seconds)
        proxy.release.set()

    Thread(target=release, daemon=True).start()


def _nobody() -> str:
    """The address of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
