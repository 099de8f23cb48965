"""Another pod of the same step that came before this one.

A pod can be run again under the same name with no retry configured (force-deleted, node lost), while the first may
still be alive. Its record tells what it had begun.
"""

from typing import Any
from uuid import UUID

from kubernaut_sdk.errors import RecordRequired
from kubernaut_sdk.logs import logger
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.states import RANK, State
from kubernaut_sdk.storage import StorageUnavailable

__all__ = ["Predecessor"]


class Predecessor:
    """What is known of an earlier pod of this step. The record is asked for once.

    Attributes:
        attempt: The first that is this pod's: a store takes an attempt's words from one pod only.
    """

    def __init__(self, settings: StepSettings, recorder: Recorder, record_id: UUID) -> None:
        self.attempt = 0
        self._settings = settings
        self._recorder = recorder
        self._record_id = record_id
        self._asked = settings.record_id is None or settings.pod is None
        self._record: dict[str, Any] | None = None

    def record(self) -> dict[str, Any] | None:
        """The step's record, where another pod had begun to apply and may have changed the world; otherwise None.

        Raises:
            RecordRequired: if it cannot be read and the policy requires it.
        """
        if self._asked:
            return self._record
        self._asked = True
        try:
            known = self._recorder.read(self._record_id, required=self._settings.require_record)
        except StorageUnavailable as error:
            if self._settings.require_record:
                raise RecordRequired(
                    f"nothing was applied: whether another pod had begun is not known: {error}."
                ) from None
            logger.warning("whether another pod of this step had begun is not known: %s", error)
            return None
        pod = (known or {}).get("pod") or self._settings.pod
        if known is None or pod == self._settings.pod:
            return None
        self.attempt = int(known.get("attempt") or 0) + 1
        state = State(known["state"])
        if RANK[state] >= RANK[State.APPLYING] and not (state.terminal and known.get("changed") is False):
            self._record = known
        return self._record
