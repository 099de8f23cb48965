"""The plan of one commit: from the stored records and the new events to the rows to write. A pure function.

Commits come one after the other: a backend reads, calls this and writes under one lock (an advisory lock in PostgreSQL,
SQLite's write lock). So no merge is lost between two replicas, seq is the order of commit without a gap, and the log is
one chain.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from kubernaut_datastorage.log.checkpoints import Commit, NoSigner, Signer, commit_statement
from kubernaut_datastorage.log.merkle import GENESIS, Leaf, leaf_hash, next_chain, pack_leaves, tree_root
from kubernaut_datastorage.records.access import bind_pod, find_trespass, has_foreign_pods
from kubernaut_datastorage.records.columns import RECORD_COLUMNS
from kubernaut_datastorage.records.documents import decode, digest, encode
from kubernaut_datastorage.records.ingest import ReceivedEvent
from kubernaut_datastorage.records.merge import merge, without_containers
from kubernaut_datastorage.records.provenance import Pods, pack_pods, pack_provenance, unpack_provenance
from kubernaut_sdk.states import Source

__all__ = [
    "ROW_COLUMNS",
    "CommitPlan",
    "EventOutcome",
    "LogHead",
    "RecordRow",
    "StoredRecord",
    "column_values",
    "plan_commit",
    "plan_import",
]

EventOutcome = Literal["stored", "merged", "duplicate", "refused"]


class LogHead(NamedTuple):
    """The position of the log's end.

    Attributes:
        batch: The last commit's number; 0 before the first.
        next_seq: The seq of the next leaf.
        chain: The chain after the last commit.
        at: The time of the last commit.
    """

    batch: int = 0
    next_seq: int = 1
    chain: bytes = GENESIS
    at: datetime | None = None

    @staticmethod
    def after(commit: Commit) -> "LogHead":
        """Return the head after this commit."""
        return LogHead(commit.batch, commit.next_seq, commit.chain, commit.at)


class StoredRecord(NamedTuple):
    """A record as the database holds it."""

    document: str
    provenance: str | None


class RecordRow(NamedTuple):
    """A row of `action_records`.

    Attributes:
        id: 16 bytes.
        seq: The seq of the record's last change.
        recorded_at: The time of that commit.
        values: The values of `RECORD_COLUMNS`, in their order.
        document: The record as text.
        provenance: The keys of its values, see `provenance.py`.
    """

    id: bytes
    seq: int
    recorded_at: datetime
    values: tuple[Any, ...]
    document: str
    provenance: str | None


ROW_COLUMNS = ("id", "seq", "recorded_at", *(column.name for column in RECORD_COLUMNS), "document", "provenance")
"""The names of a row's columns, in their order."""


@dataclass(frozen=True)
class CommitPlan:
    """The rows to write, all of them in one transaction.

    Attributes:
        outcomes: The outcome of each event, with the reason of a refusal.
        inserts: Records that are new.
        updates: Records that are not.
        counts: (day, action type, state, whether a dry run) → by how much the number of records changes.
        commit: The log's row; None if nothing changed.
    """

    outcomes: list[tuple[EventOutcome, str | None]]
    inserts: list[RecordRow] = field(default_factory=list)
    updates: list[RecordRow] = field(default_factory=list)
    counts: dict[tuple[str, str, str, bool], int] = field(default_factory=dict)
    commit: Commit | None = None


_DAY = 86_400_000
"""Milliseconds of a day."""
_DAMAGED = "id: what is stored of this record cannot be read; `kubernaut records verify` says more."


@lru_cache(1_000)
def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(number)).isoformat()


@dataclass(slots=True)
class _RecordState:
    """A record while events are merged into it."""

    document: dict[str, Any]
    text: str
    provenance: str | None
    pods: Pods
    seq: int = 0


def plan_commit(
    events: Sequence[ReceivedEvent],
    known: Mapping[bytes, StoredRecord],
    head: LogHead,
    *,
    now: datetime,
    signer: Signer,
    note: str | None = None,
) -> CommitPlan:
    """Merge events into records, and return the commit of it.

    Args:
        events: Events, in the order in which they came.
        known: The stored records that the events are about, by their key.
        head: The log's end.
        now: The time of the commit, if the last one was not later.
        signer: Signs the commit.
        note: JSON that the commit states beside its events, or None.
    """
    now = now if head.at is None else max(now, head.at)
    states: dict[bytes, _RecordState] = {}
    outcomes: list[tuple[EventOutcome, str | None]] = []
    leaves: list[Leaf] = []
    hashes: list[bytes] = []
    for item in events:
        try:
            before = states.get(item.key) or _state_of(known.get(item.key))
        except (ValueError, LookupError, TypeError, AttributeError, msgspec.MsgspecError):
            outcomes.append(("refused", _DAMAGED))
            continue
        if before is None and _is_whole_record(item.event):
            after, record, outcome = *_first(item), "stored"
        else:
            document, pods = (before.document, before.pods) if before else (None, {})
            if refusal := find_trespass(item.caller, item.event, document, pods):
                outcomes.append(("refused", f"{refusal}."))
                continue
            after, outcome = _merge_event(before, item)
            if outcome == "duplicate":
                outcomes.append(("duplicate", None))
                continue
            record = digest(item.key, after.text, after.provenance)
        after.seq = head.next_seq + len(leaves)
        leaf = Leaf(item.key, item.digest, record)
        leaves.append(leaf)
        hashes.append(leaf_hash(after.seq, leaf))
        states[item.key] = after
        outcomes.append((outcome, None))  # type: ignore[arg-type] # merge has three of the four
    if not leaves and note is None:
        return CommitPlan(outcomes)
    plan = CommitPlan(outcomes, commit=_commit(head, now, leaves, hashes, note, signer))
    _add_rows(plan, states, known, now)
    return plan


def plan_import(kept: Sequence[tuple[bytes, str, str | None]], head: LogHead, *, now: datetime) -> CommitPlan:
    """Plan the commit that enters records as they are: they were stored before there was a log."""
    states: dict[bytes, _RecordState] = {}
    leaves: list[Leaf] = []
    for key, document, provenance in kept:
        states[key] = _RecordState(decode(document), document, provenance, {}, head.next_seq + len(leaves))
        of_it = digest(key, document, provenance)
        leaves.append(Leaf(key, of_it, of_it))
    hashes = [leaf_hash(seq, leaf) for seq, leaf in enumerate(leaves, head.next_seq)]
    plan = CommitPlan([], commit=_commit(head, now, leaves, hashes, None, NoSigner()))
    _add_rows(plan, states, {}, now)
    return plan


def column_values(document: Mapping[str, Any], pods: Pods) -> tuple[Any, ...]:
    """Return a document's values in columns, in the order of `RECORD_COLUMNS`."""
    return tuple(column.read(document, pods) for column in RECORD_COLUMNS)


def _is_whole_record(event: dict[str, Any]) -> bool:
    """Return True if a record's first event is the record, as it stands."""
    attempts = event.get("attempts", ())
    return not attempts or (len(attempts) == 1 and len(attempts[0]) > 1)


def _first(item: ReceivedEvent) -> tuple[_RecordState, bytes]:
    """Return the record that is its first event, and its digest."""
    pods = bind_pod(item.caller, item.event, {})
    if not pods:
        return _RecordState(item.event, item.document, None, pods), item.digest
    provenance = pack_pods(pods)
    return _RecordState(item.event, item.document, provenance, pods), digest(item.key, item.document, provenance)


def _state_of(stored: StoredRecord | None) -> _RecordState | None:
    if stored is None:
        return None
    document = decode(stored.document)
    _, pods = unpack_provenance(
        document, stored.provenance
    )  # what cannot be unpacked is known before anything is made of it
    return _RecordState(document, stored.document, stored.provenance, pods)


def _merge_event(before: _RecordState | None, item: ReceivedEvent) -> tuple[_RecordState, str]:
    merged, pods = unpack_provenance(before.document, before.provenance) if before else (None, {})
    corrected = merged is not None and item.event["source"] == Source.CONTROLLER and has_foreign_pods(item.event, pods)
    if corrected and merged is not None:
        merged, pods = without_containers(merged), {}
    outcome: str
    after, outcome = merge(merged, item.event)
    if corrected:
        outcome = "merged"
    now_bound = bind_pod(item.caller, item.event, pods)
    if outcome == "duplicate" and (before is None or now_bound == pods):
        assert before is not None
        return before, outcome
    document = after.document()
    if outcome == "duplicate":
        outcome = "merged"  # nothing new but whose attempt it is
    return _RecordState(document, encode(document), pack_provenance(after, now_bound), now_bound), outcome


def _commit(
    head: LogHead, now: datetime, leaves: list[Leaf], hashes: list[bytes], note: str | None, signer: Signer
) -> Commit:
    commit = Commit(
        batch=head.batch + 1,
        at=now,
        first_seq=head.next_seq,
        count=len(leaves),
        root=tree_root(hashes),
        previous=head.chain,
        chain=b"",
        leaves=pack_leaves(leaves),
        note=note,
    )
    chain = next_chain(head.chain, commit_statement(commit))
    key_id, signature = signer.sign(chain)
    return replace(commit, chain=chain, key_id=key_id, signature=signature)


def _add_rows(
    plan: CommitPlan, states: Mapping[bytes, _RecordState], known: Mapping[bytes, StoredRecord], now: datetime
) -> None:
    counts: Counter[tuple[str, str, str, bool]] = Counter()
    for key, state in states.items():
        values = column_values(state.document, state.pods)
        row = RecordRow(key, state.seq, now, values, state.text, state.provenance)
        day = _day(int.from_bytes(key[:6]) // _DAY)
        counts[day, *_counted(state.document)] += 1
        if key in known:
            plan.updates.append(row)
            counts[day, *_counted(decode(known[key].document))] -= 1
        else:
            plan.inserts.append(row)
    plan.counts.update({place: change for place, change in counts.items() if change})


def _counted(document: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Return the group in which a record is counted: action type, state, and whether it is a dry run."""
    return document.get("action_type") or "", document["state"], bool(document.get("dry_run"))
