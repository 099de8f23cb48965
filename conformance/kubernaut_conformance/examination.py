"""The runs by which an image is examined; each is made once, when the first check needs it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from kubernaut_conformance.cached_property import CachedProperty
from kubernaut_conformance.environment import ScenarioEnvironment
from kubernaut_conformance.loopback_server import unreachable_address
from kubernaut_conformance.observation import ObservedRun
from kubernaut_conformance.run_observer import WORKFLOW, RunObserver, release_later, wait_for_applying
from kubernaut_conformance.runtime import ActionRuntime, CompletedRun, ImageRuntime
from kubernaut_conformance.spec import PATH, ActionSpec, ImageSpec, parse_spec
from kubernaut_conformance.storage_proxy import StorageProxy
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.times import rfc3339, utcnow

__all__ = ["NOT_MOUNTED", "WORKFLOW", "ActionExamination", "ImageExamination"]

NOT_MOUNTED = "conformance-2f6b1c-not-mounted"
"""A secret that is in no secret file: it is only given as an input, and so must not be repeated."""
_PAUSE_AFTER_SIGNAL = 0.6
"""Seconds for which Data Storage's answer is kept back after SIGTERM: time to make a forbidden change."""
_POLL_INTERVAL = 0.02
"""Seconds between two looks whether the environment has changed."""
_TIMEOUT = 1
"""Seconds of the action's own timeout in the run that exceeds it."""


@dataclass
class ImageExamination:
    """An image with its spec.

    Args:
        runtime: The image, or the installed actions.
        previous: The spec of an earlier image of the same name, if known.
    """

    runtime: ActionRuntime
    previous: ImageSpec | None = None

    @property
    def image(self) -> ImageRuntime | None:
        """The image; None for installed actions."""
        return self.runtime if isinstance(self.runtime, ImageRuntime) else None

    @CachedProperty
    def spec_run(self) -> CompletedRun:
        """The run of the verb `spec`, with no network, inputs or settings."""
        return self.runtime.ask("spec")

    @CachedProperty
    def spec_file(self) -> bytes | None:
        """The content of /kubernaut/spec.json in the image."""
        return self.image.read(PATH) if self.image else None

    @CachedProperty
    def spec(self) -> ImageSpec | str:
        """The spec, or a text that says why it cannot be read."""
        if self.spec_run.exit_code == 0:
            return parse_spec(self.spec_run.stdout)
        return parse_spec(self.spec_file) if self.spec_file is not None else "it says nothing"


@dataclass
class ActionExamination:
    """One action of an image, with the runs of one scenario or, without a scenario, those that need none.

    Args:
        runtime: The image, or the installed actions.
        spec: The spec of this action.
        store: The address of a Data Storage Service.
        environment: The environment of the scenario; None where there is no scenario.

    Attributes:
        runs: The runs made so far that several checks look at.
        read_only: False if the action runs only with a writable root file system.
    """

    runtime: ActionRuntime
    spec: ActionSpec
    store: str
    environment: ScenarioEnvironment | None = None
    runs: list[ObservedRun] = field(default_factory=list)
    read_only: bool = True

    def all_runs(self) -> list[ObservedRun]:
        """Return every run of this action that several checks look at; make those that are not made yet."""
        _ = (  # reading each property makes its run
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
        """True if the scenario's run changes its environment; only then can its effects be checked."""
        return self.first_run is not None and _is_effective(self.first_run)

    @property
    def is_as_meant(self) -> bool:
        """True if the scenario's run changes its environment, or reads and leaves it alone, as the scenario says."""
        return self.first_run is not None and self._is_as_meant(self.first_run)

    @property
    def only_reads(self) -> bool:
        """True if the scenario says that the action only reads."""
        return self.environment is not None and not self.environment.scenario.changes

    def _is_as_meant(self, run: ObservedRun) -> bool:
        return run.completed.exit_code == 0 and (run.before != run.after) is not self.only_reads

    @CachedProperty
    def unknown_input_run(self) -> ObservedRun:
        """A run with an input that the action does not have, whose value holds a secret."""
        # the scenario's secret, which is in a secret file: a refusal that quotes the input must mask it, in base64 too
        canary = self.environment.variables["canary"] if self.environment else "no-secret"
        encoded = base64.b64encode(canary.encode()).decode()
        return self._observe("with an unknown input", {**self._inputs(), "no_such_input": f"{canary} {encoded}"})

    @CachedProperty
    def missing_input_run(self) -> ObservedRun | None:
        """A run without inputs; None if no input is required."""
        if not self.spec.inputs.get("required"):
            return None
        return self._observe("with no inputs", {})

    @CachedProperty
    def malformed_inputs_run(self) -> ObservedRun:
        """A run with inputs that are not JSON and hold a secret that the action cannot know to be one."""
        text = f'{{"password": "{NOT_MOUNTED}"'
        return self._observe("with inputs that are no JSON", self._inputs(), ACTION_INPUTS=text)

    @CachedProperty
    def withheld_input_run(self) -> ObservedRun | None:
        """A run whose input refers to a field that an earlier step withheld; None if the action has no inputs."""
        inputs = self._inputs()
        if not inputs:
            return None
        option = ["--input-from", next(iter(inputs)), "/conformance", dumps({"withheld": ["conformance"]})]
        return self._observe("with an input that the earlier step withheld", inputs, command=("run", *option))

    @CachedProperty
    def plan_run(self) -> ObservedRun | None:
        """The verb `plan`."""
        return self._run_scenario("of the verb plan", command=("plan",))

    @CachedProperty
    def dry_run(self) -> ObservedRun | None:
        """A dry run."""
        return self._run_scenario("with ACTION_DRY_RUN=true", ACTION_DRY_RUN="true")

    @property
    def first_run(self) -> ObservedRun | None:
        """The scenario's run. If it fails on a read-only root, it and all later runs have a writable one."""
        return self._two_runs[0]

    @property
    def second_run(self) -> ObservedRun | None:
        """The scenario run again, in the environment as the first run left it."""
        return self._two_runs[1]

    @CachedProperty
    def _two_runs(self) -> tuple[ObservedRun | None, ObservedRun | None]:
        """Make both runs together: no other run may reset the environment between them."""
        first = self._run_scenario("of the scenario")
        if first is not None and first.completed.exit_code != 0:
            self.read_only = False
            self.runs.remove(first)
            first = self._run_scenario("of the scenario")
            # a run that fails either way does not fail because of the root
            self.read_only = first is None or first.completed.exit_code != 0
        if first is None or not self._is_as_meant(first):
            return first, None
        return first, self._run_scenario("of the scenario once more", reset=False)

    @CachedProperty
    def second_plan_run(self) -> ObservedRun | None:
        """The verb `plan` after the second run; None unless that one succeeded."""
        if self.second_run is None or self.second_run.completed.exit_code != 0:
            return None
        return self._hide(self._run_scenario("of the verb plan once more", reset=False, command=("plan",)))

    @CachedProperty
    def killed_run(self) -> ObservedRun | None:
        """A run that is killed as soon as its environment changes, as the kernel kills one that is out of memory."""
        if self.environment is None or not self.is_effective:
            return None
        self.environment.reset()
        environment, before = self.environment, self.environment.read_state()

        def moment(_proxy: StorageProxy, over: Event, _keep_state: Callable[[], None]) -> bool:
            while not over.wait(_POLL_INTERVAL):
                if environment.read_state() != before:
                    return True
            return False

        return self._hide(self._run_scenario("that was killed", reset=False, moment=moment, kill=True))

    @CachedProperty
    def terminated_run(self) -> ObservedRun | None:
        """A run that gets SIGTERM while it waits for Data Storage to acknowledge `applying`."""

        def moment(proxy: StorageProxy, over: Event, keep_state: Callable[[], None]) -> bool:
            if not wait_for_applying(proxy, over):
                return False
            keep_state()
            release_later(proxy, _PAUSE_AFTER_SIGNAL, over)
            return True

        return self._run_scenario("that SIGTERM stopped", mode="hold", moment=moment, DATA_STORAGE_POLICY="require")

    @CachedProperty
    def timed_out_run(self) -> ObservedRun | None:
        """A run that exceeds its timeout, at the latest while it waits for Data Storage to acknowledge `applying`."""

        def moment(proxy: StorageProxy, over: Event, keep_state: Callable[[], None]) -> bool:
            if wait_for_applying(proxy, over):
                keep_state()
                release_later(proxy, _TIMEOUT + _PAUSE_AFTER_SIGNAL, over)
            return False

        return self._run_scenario(
            f"with ACTION_TIMEOUT={_TIMEOUT}s",
            mode="hold",
            moment=moment,
            DATA_STORAGE_POLICY="require",
            ACTION_TIMEOUT=f"{_TIMEOUT}s",
        )

    @CachedProperty
    def storage_unreachable_run(self) -> ObservedRun | None:
        """A run that cannot reach Data Storage, with the policy `best-effort`."""
        with unreachable_address() as address:
            return self._run_scenario("with Data Storage out of reach", DATA_STORAGE_URL=address)

    @CachedProperty
    def storage_required_run(self) -> ObservedRun | None:
        """A run that cannot reach Data Storage, with the policy `require`."""
        with unreachable_address() as address:
            return self._run_scenario(
                "with Data Storage out of reach and DATA_STORAGE_POLICY=require",
                DATA_STORAGE_URL=address,
                DATA_STORAGE_POLICY="require",
            )

    @CachedProperty
    def duplicated_events_run(self) -> ObservedRun | None:
        """A run whose events reach Data Storage twice, because the first answer was lost."""
        return self._run_scenario("whose events came twice", mode="repeat")

    @CachedProperty
    def recreated_pod_run(self) -> ObservedRun | None:
        """A run in a pod made again under the same name after another one applied; None for an idempotent action."""
        if self.spec.idempotent or not self.is_effective:
            return None
        record_id = str(mint())
        event = {
            "id": record_id,
            "attempt": 0,
            "at": rfc3339(utcnow()),
            "action_type": self.spec.action_type,
            "pod": {"name": "conformance-pod", "uid": "11111111-1111-4111-8111-111111111111"},
        }
        client = StorageClient(self.store)
        client.post([{**event, "state": "applying"}, {**event, "state": "succeeded"}], 10)
        client.close()
        return self._run_scenario("of a pod made again after another had applied", record_id=record_id)

    def _hide(self, run: ObservedRun | None) -> ObservedRun | None:
        """Take a run out of `runs` that only one check looks at: it was killed, or shows nothing new."""
        if run is not None:
            self.runs.remove(run)
        return run

    def _inputs(self) -> dict[str, Any]:
        if self.environment is not None:
            self.environment.reset()
            return self.environment.inputs()
        return next(iter(self.spec.examples), {})

    def _run_scenario(self, description: str, *, reset: bool = True, **options: Any) -> ObservedRun | None:
        if self.environment is None:
            return None
        if reset:
            self.environment.reset()
        return self._observe(description, self.environment.inputs(), **options)

    def _observe(self, description: str, inputs: dict[str, Any], **options: Any) -> ObservedRun:
        observer = RunObserver(self.runtime, self.spec.action_type, self.store, self.environment, self.read_only)
        run = observer.observe(description, inputs, **options)
        self.runs.append(run)
        return run


def _is_effective(run: ObservedRun) -> bool:
    return run.completed.exit_code == 0 and run.before != run.after
