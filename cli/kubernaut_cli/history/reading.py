"""Questions to Data Storage, for people: records by a short id, a workflow's printed name, a signal's name."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from kubernaut_cli.store import RecordStore, open_record_store, storage_errors
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_datastorage.folder import data_folder
from kubernaut_sdk import DataStorage
from kubernaut_sdk.errors import InvalidInputs, NotFound
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.records import Record, Workflow
from kubernaut_sdk.storage import StorageUnavailable
from kubernaut_sdk.times import utcnow

__all__ = ["HistoryReader", "in_order", "last_ended", "open_history", "place_of", "short_id", "when", "workflow_title"]

_EVER = timedelta(days=36_500)
_PATIENCE = 10.0
"""Seconds for one request: a person waits."""
_SHOWN = 6
"""The most candidates that a message about an ambiguous name lists."""
_RUN_HASH = 11
"""Characters that a PipelineRun's name has after its workflow's: a hyphen and ten hexadecimal digits."""


def short_id(record_id: UUID) -> str:
    """Return the end of an id. Its beginning is the time, which the steps of one workflow share."""
    return record_id.hex[-8:]


def when(time: datetime) -> str:
    """Return a time in UTC for people, to the second."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


def last_ended(records: Sequence[Record], limit: int) -> list[Record]:
    """Return so many of the records, newest first: by their beginning and, within a workflow, by their end."""
    if len(records) <= limit:
        chosen = list(records)
    else:
        chosen = [one for place, one in enumerate(records) if place < limit or _same_run(records[limit - 1], one)]
    return sorted(chosen, key=lambda record: record.at, reverse=True)[:limit]


def _same_run(one: Record, other: Record) -> bool:
    return one.workflow is not None and one.workflow == other.workflow


def workflow_title(workflow: Workflow) -> str:
    """Return a workflow's namespace and name and, where it has a uid, the name of its PipelineRun."""
    name = f"{workflow.namespace}/{workflow.name}" if workflow.namespace else workflow.name
    return f"{name} (run {run_name_of(workflow.name, workflow.uid)})" if workflow.uid else name


@dataclass(frozen=True)
class HistoryReader:
    """A reader of one Data Storage Service.

    Args:
        storage: Its client.
        place: Where it is, for people.
    """

    storage: DataStorage
    place: str

    def records(
        self, filters: Mapping[str, str], *, since: datetime | None = None, limit: int | None = None
    ) -> list[Record]:
        """Return records of these filters of the service, newest first."""
        rest = dict(filters)
        action_type, window = rest.pop("action_type", None), _EVER if since is None else utcnow() - since
        return list(islice(self.storage.get_action_history(action_type, window, **rest), limit))

    def newest(self, filters: Mapping[str, str], *, since: datetime, limit: int) -> list[Record]:
        """Return records as `records` does: so many and, after them, the rest of the last one's workflow and one more.

        The ids of a workflow's steps have the same time, so that which of them ended last is not known before.
        """
        rest = dict(filters)
        stream = self.storage.get_action_history(rest.pop("action_type", None), utcnow() - since, **rest)
        found: list[Record] = []
        for record in stream:
            found.append(record)
            if len(found) > limit and not _same_run(found[limit - 1], record):
                break
        return found

    def record(self, text: str) -> Record:
        """Return the record of an id, or of its beginning or end.

        Raises:
            InvalidInputs: if the text is no part of an id, or of several records.
            NotFound: if there is no such record.
        """
        digits = text.replace("-", "").lower()
        if not (4 <= len(digits) <= 32 and set(digits) <= set("0123456789abcdef")):
            raise InvalidInputs(
                f"{shorten(text)} is no record's id; write the whole id, or at least 4 digits of its end as "
                f"`kubernaut history` shows it."
            )
        found = self.records({"id": digits}, limit=_SHOWN + 1)
        if not found:
            raise NotFound(f"there is no record {text} {self.looked()}.")
        if len(found) > 1:
            shown = "; ".join(_mention(record) for record in found[:_SHOWN])
            more = "; and more" if len(found) > _SHOWN else ""
            raise InvalidInputs(f"{text} is the id of several records: {shown}{more}. Write more of the one you mean.")
        return found[0]

    def of_workflow(
        self, name: str, filters: Mapping[str, str] | None = None, *, since: datetime | None = None
    ) -> list[Record]:
        """Return the records of the workflows of a name, newest first.

        Args:
            name: A WorkflowExecution's name, with or without `namespace/`; or the name that `run` printed, which is
                that of one run.
            filters: Other filters.
            since: The earliest time.
        """
        filters = filters or {}
        if found := self.records({**filters, "workflow": name}, since=since):
            return found
        namespace, _, run = name.rpartition("/")
        if not (stem := run[:-_RUN_HASH]):
            return []
        prefix = f"{namespace}/" if namespace else ""
        if found := _of_run(self.records({**filters, "workflow": prefix + stem}, since=since), run):
            return found
        # the PipelineRun of a long name has only its beginning
        found = _of_run(self.records(filters, since=since), run)
        return [one for one in found if not namespace or (one.workflow and one.workflow.namespace == namespace)]

    def newest_seq(self) -> int:
        """Return the number of the last change, from which `follow` goes on; 0 before the first."""
        return self.storage.newest_seq()

    def follow(self, filters: Mapping[str, str], after_seq: int) -> Iterator[Record]:
        """Yield each record that changes after a change, without an end."""
        return self.storage.follow(after_seq, interval=1.0, **filters)

    @staticmethod
    def is_of_workflow(record: Record, name: str) -> bool:
        """Return True if a record is of a workflow of this name, in one of the forms that `of_workflow` takes."""
        workflow = record.workflow
        if workflow is None:
            return False
        run = run_name_of(workflow.name, workflow.uid) if workflow.uid else None
        return name in {one for known in (workflow.name, run) for one in (known, f"{workflow.namespace}/{known}")}

    def siblings(self, record: Record) -> list[Record]:
        """Return the records of a record's workflow, itself among them, in the order in which they ended."""
        workflow = record.workflow
        if workflow is None:
            return [record]
        name = f"{workflow.namespace}/{workflow.name}" if workflow.namespace else workflow.name
        found = [one for one in self.records({"workflow": name}) if one.workflow and one.workflow.uid == workflow.uid]
        return in_order(found)

    def undos(self, since: datetime | None = None) -> dict[UUID, list[Record]]:
        """Return the records that undo something since a time, by what they undo, newest first."""
        found: dict[UUID, list[Record]] = {}
        for record in self.records({"undoes": "any"}, since=since):
            if record.undoes is not None:
                found.setdefault(record.undoes, []).append(record)
        return found

    def episodes(self, fingerprint: str | None = None) -> list[dict[str, Any]]:
        """Return the episodes of one signal, or of all, oldest first."""
        found = self.storage.get_signals(utcnow() - _EVER)
        return [one for one in found if fingerprint in {None, one["fingerprint"]}]

    def fingerprints(self, signal: str) -> list[str]:
        """Return the fingerprints of a signal that is named by fingerprint or by its alert's name."""
        named = sorted({one["fingerprint"] for one in self.episodes() if one["name"] == signal})
        return named or [signal]

    def count(self) -> int | None:
        """Return the number of records there are, or None if the service does not say."""
        try:
            return self.storage.count_records()
        except StorageUnavailable:
            return None

    def looked(self) -> str:
        """Return where records were looked for, and how many there are."""
        count = self.count()
        if count is None:
            return f"in {self.place}"
        return f"in {self.place}, which holds {count:,} record{'' if count == 1 else 's'}"


def in_order(records: list[Record]) -> list[Record]:
    """Return records in the order in which their steps began and ended; those that have not ended come last."""
    return sorted(records, key=lambda one: (one.finished_at is None, one.finished_at or one.at, one.id))


@contextmanager
def open_history(data: Path | None) -> Iterator[HistoryReader]:
    """Yield a reader of the store that the environment or `--data` names; its problems are sentences.

    Raises:
        NotFound: if `--data` names a folder without records.
    """
    with open_record_store(data, reads=True) as store, storage_errors("history cannot be read"):
        storage = DataStorage(store.url, store.token_file, patience=_PATIENCE)
        try:
            yield HistoryReader(storage, place_of(store, data))
        finally:
            storage.close()


def place_of(store: RecordStore, data: Path | None) -> str:
    """Return where a store is, for people."""
    if store.embedded:
        return f"the embedded store in {data_folder(data)}"
    return f"Data Storage at {store.address}"


def _of_run(records: list[Record], run: str) -> list[Record]:
    return [
        record
        for record in records
        if record.workflow and record.workflow.uid and run_name_of(record.workflow.name, record.workflow.uid) == run
    ]


def _mention(record: Record) -> str:
    step = f" of {record.workflow.name}/{record.step}" if record.workflow and record.step else ""
    return f"{record.id} ({record.action_type or 'no action'}{step}, {record.state}, {when(record.at)})"
