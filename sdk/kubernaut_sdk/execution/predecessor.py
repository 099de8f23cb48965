"""An earlier pod of the same step.

Tekton can run a pod again under the same name although no retry is configured (force-deleted, node lost), while the
first pod is still alive. The step's record says how far that pod came.
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
    """The earlier pod of this step, if there is one. The record is read once.

    Attributes:
        attempt: The number of this pod's first attempt: the store accepts events of an attempt from one pod only.
    """

    def __init__(self, settings: StepSettings, recorder: Recorder, record_id: UUID) -> None:
        self.attempt = 0
        self._settings = settings
        self._recorder = recorder
        self._record_id = record_id
        self._is_read = settings.record_id is None or settings.pod is None
        self._record: dict[str, Any] | None = None

    def record(self) -> dict[str, Any] | None:
        """Return the step's record if another pod had begun to apply and may have changed something; otherwise None.

        Raises:
            RecordRequired: if it cannot be read and the policy requires it.
        """
        if self._is_read:
            return self._record
        self._is_read = True
        try:
            known = self._recorder.read(self._record_id, required=self._settings.require_record)
        except StorageUnavailable as error:
            if self._settings.require_record:
                raise RecordRequired(
                    f"nothing was applied: whether another pod had begun is not known: {error}."
                ) from None
            logger.warning("whether another pod of this step had begun is not known: %s", error)
            return None
        # a record that names no pod yet has the controller's events alone
        if known is None or (known.get("pod") or self._settings.pod) == self._settings.pod:
            return None
        self.attempt = int(known.get("attempt") or 0) + 1
        state = State(known["state"])
        if RANK[state] >= RANK[State.APPLYING] and not (state.terminal and known.get("changed") is False):
            self._record = known
        return self._record
