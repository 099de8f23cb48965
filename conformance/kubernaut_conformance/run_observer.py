"""One observed run of an action: its environment variables, the proxies around it, and everything it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any
from uuid import UUID

from kubernaut_conformance.environment import ScenarioEnvironment
from kubernaut_conformance.observation import ObservedRun
from kubernaut_conformance.runtime import ActionRuntime, Mounts
from kubernaut_conformance.storage_proxy import Mode, StorageProxy
from kubernaut_sdk.ids import mint
from kubernaut_sdk.portable import dumps
from kubernaut_sdk.secrets.files import PUBLIC_FILES
from kubernaut_sdk.storage import StorageClient

__all__ = ["WORKFLOW", "RunObserver", "StopMoment", "release_later", "wait_for_applying"]

WORKFLOW = {"namespace": "conformance", "name": "conformance", "uid": "00000000-0000-7000-8000-000000000000"}
_POLL_INTERVAL = 0.02
"""Seconds between two looks whether an event was received."""
_SHORTEST_SECRET = 8
"""Characters from which on the content of a secret file is searched for: shorter text occurs by chance."""

StopMoment = Callable[[StorageProxy, Event, Callable[[], None]], bool]
"""Waits in a thread of its own, and returns True at the moment when the run shall be sent the signal.

It takes the proxy before Data Storage, an event that is set when the run has ended, and a function that keeps the state
of the environment as it is then.
"""


@dataclass(frozen=True)
class RunObserver:
    """An action that is run as the generic Task does, and observed.

    Attributes:
        runtime: The image, or the installed actions.
        action_type: The action.
        store: The address of a Data Storage Service.
        environment: The environment of the scenario; None where there is no scenario.
        read_only: True for a read-only root file system.
    """

    runtime: ActionRuntime
    action_type: str
    store: str
    environment: ScenarioEnvironment | None
    read_only: bool = True

    def observe(
        self,
        description: str,
        inputs: dict[str, Any],
        *,
        command: Sequence[str] = ("run",),
        mode: Mode = "pass",
        moment: StopMoment | None = None,
        record_id: str | None = None,
        kill: bool = False,
        **env: str,
    ) -> ObservedRun:
        """Run the action once.

        Args:
            description: The run in a report, to follow "the run".
            inputs: The action's inputs.
            command: The verb, with its options.
            mode: The proxy's; see `StorageProxy`.
            moment: Waits for the moment to send a signal, if one shall be sent.
            record_id: By default a new one.
            kill: True to send SIGKILL instead of SIGTERM.
            env: Variables that differ from those of the generic Task.
        """
        record_id = record_id or str(mint())
        environment = self.environment
        proxy = StorageProxy(self.store, mode)
        before, requests_before = (environment.read_state(), len(environment.requests())) if environment else ("", 0)
        held: list[str] = []

        def stop_when(over: Event) -> bool:
            assert moment is not None
            return moment(proxy, over, lambda: held.append(environment.read_state() if environment else ""))

        try:
            completed = self.runtime.run(
                command,
                {**self._task_env(inputs, record_id, proxy.url), **(environment.env() if environment else {}), **env},
                environment.mounts() if environment else Mounts(),
                read_only=self.read_only,
                stop_when=stop_when if moment else None,
                kill=kill,
            )
        finally:
            proxy.close()
        return ObservedRun(
            description=description,
            completed=completed,
            events=tuple(proxy.events),
            record=self._read_record(record_id),
            record_id=record_id,
            before=before,
            held=held[0] if held else None,
            after=environment.read_state() if environment else "",
            requests=tuple(environment.requests()[requests_before:]) if environment else (),
            secrets=_searched_secrets(environment) if environment else (),
        )

    def _task_env(self, inputs: dict[str, Any], record_id: str, store: str) -> dict[str, str]:
        """Return the variables that the generic Task sets, except those that name folders."""
        return {
            "ACTION_TYPE": self.action_type,
            "ACTION_INPUTS": dumps(inputs),
            "ACTION_DRY_RUN": "false",
            "ACTION_TIMEOUT": "45s",
            "ACTION_RETRIES": "0",
            "ACTION_RECORD_ID": record_id,
            "ACTION_CONTEXT": dumps({"workflow": WORKFLOW, "step": "conformance"}),
            "DATA_STORAGE_URL": store,
            "DATA_STORAGE_POLICY": "best-effort",
            "POD_NAME": "conformance-pod",
            "POD_NAMESPACE": "conformance",
            "POD_UID": "22222222-2222-4222-8222-222222222222",
            "NODE_NAME": "conformance-node",
            "TASKRUN_NAME": "conformance",
            "PIPELINERUN_NAME": "conformance",
        }

    def _read_record(self, record_id: str) -> Mapping[str, Any] | None:
        client = StorageClient(self.store)
        try:
            return client.read(UUID(record_id), 10)
        finally:
            client.close()


def wait_for_applying(proxy: StorageProxy, over: Event) -> bool:
    """Wait until the proxy has received an `applying` event; return False if the run ended before."""
    while not over.is_set():
        if proxy.reached.wait(_POLL_INTERVAL):
            return True
    return False


def release_later(proxy: StorageProxy, seconds: float, over: Event) -> None:
    """Send the answer that the proxy keeps back after this time, or when the run has ended."""

    def release() -> None:
        over.wait(seconds)
        proxy.release.set()

    Thread(target=release, daemon=True).start()


def _searched_secrets(environment: ScenarioEnvironment) -> tuple[str, ...]:
    """Return the contents of the secret files that must appear nowhere, without the short and the public ones."""
    secrets = environment.secrets().items()
    return tuple(text for name, text in secrets if len(text) >= _SHORTEST_SECRET and name not in PUBLIC_FILES)
