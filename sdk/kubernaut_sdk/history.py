"""Reading history from Data Storage: `DataStorage(url).get_action_history(...)`, page by page."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kubernaut_sdk.records import Record, rfc3339, utcnow
from kubernaut_sdk.storage import RECORDS, StorageClient

__all__ = ["DataStorage"]

_PAGE = 1_000
_PATIENCE = 30.0


class DataStorage:
    """A Data Storage Service to ask.

    Args:
        url: Its address, without a path.
        token_file: A file with a bearer token, where it wants one.
    """

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        self._client = StorageClient(url, token_file)

    def get_action_history(
        self, action_type: str | None = None, window: timedelta = timedelta(days=90), **filters: str
    ) -> Iterator[Record]:
        """The records of a type (or of all), newest first, as far back as the window says.

        Args:
            action_type: Such as `kubernetes/restart_pod`.
            window: Of time, until now.
            filters: Others of the service: state, target, workflow, remediation, signal, dry_run.

        Raises:
            StorageUnavailable: if the service cannot be asked, or refuses to answer.
        """
        query = {**filters, "since": rfc3339(utcnow() - window), "limit": str(_PAGE)}
        if action_type:
            query["action_type"] = action_type
        cursor: str | None = None
        while True:
            page = self._client.get(RECORDS, {**query, "cursor": cursor} if cursor else query, _PATIENCE)
            yield from (Record.model_validate(item) for item in page["items"])
            cursor = page["next"]
            if not cursor:
                return

    def get_signals(self, since: datetime) -> list[dict[str, Any]]:
        """The episodes of signals since then: fingerprint, name, severity, fired_at, resolved_at (RFC 3339, or null).

        Raises:
            StorageUnavailable: if the service cannot be asked.
        """
        return list(self._client.get("/api/v1/signals", {"since": rfc3339(since)}, _PATIENCE)["items"])

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()
