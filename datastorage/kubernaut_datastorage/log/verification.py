"""Verification of records against the log: finds what was edited, deleted, added or cut off behind the service's back.

It reads the database itself and does not trust the service. Records may be missing from months that the log says were
dropped. With an exported checkpoint it also finds a log that was cut off or written anew; without one, it checks only
that the chain is whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from kubernaut_datastorage.log.checkpoints import (
    Commit,
    PublicKeys,
    commit_statement,
    is_signature_valid,
    make_checkpoint,
)
from kubernaut_datastorage.log.merkle import GENESIS, LEAF_BYTES, Leaf, leaf_hash, next_chain, tree_root, unpack_leaves
from kubernaut_datastorage.log.plan import column_values
from kubernaut_datastorage.records.columns import RECORD_COLUMNS
from kubernaut_datastorage.records.documents import decode, digest
from kubernaut_datastorage.records.months import Month

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["LogReader", "VerificationReport", "verify"]

_MOST_FAULTS = 100


class LogReader(Protocol):
    """The part of a store that verification reads; `Store` says what each method returns."""

    async def head(self) -> Commit | None:
        """Return the last commit."""

    async def notes(self) -> list[Commit]:
        """Return the commits that have a note."""

    async def commits(self, after: int, limit: int) -> list[Commit]:
        """Return commits after a batch."""

    async def commit_of(self, seq: int) -> Commit | None:
        """Return the commit that has the leaf of this seq."""

    async def rows(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Return whole rows of records."""

    async def all_rows(self, after: UUID, limit: int) -> list[dict[str, Any]]:
        """Return whole rows of records with ids after this one."""

    async def count(self, seq: int) -> int:
        """Return the number of records whose last change has this seq or a lesser one."""


@dataclass
class VerificationReport:
    """The result of a verification.

    Attributes:
        commits: The number of the log's commits.
        signed: The number of commits whose signature was checked.
        unsigned: The number of commits without one; each is covered by the next signed one.
        events: The number of the log's leaves.
        records: The number of records that agree with the log.
        dropped: The months that were dropped, by the log.
        faults: Sentences, at most 100.
        more: The number of further faults.
    """

    commits: int = 0
    signed: int = 0
    unsigned: int = 0
    events: int = 0
    records: int = 0
    dropped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    more: int = 0

    def fault(self, text: str) -> None:
        """Add a fault."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(text)
        else:
            self.more += 1


async def verify(
    store: LogReader,
    *,
    key: "PublicKeys | Ed25519PublicKey | None" = None,
    checkpoint: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> VerificationReport:
    """Read the whole log and all its records, in constant memory. The store may be in use meanwhile.

    Args:
        store: The store; it need not be started.
        key: The key that must have signed the commits; None skips this check.
        checkpoint: One that was exported earlier.
        progress: Called with the number of commits that are done, and of all.
    """
    report = VerificationReport()
    notes = [(commit, decode(commit.note)) for commit in await store.notes() if commit.note is not None]
    dropped = {Month.parse(note["dropped"]) for _, note in notes if "dropped" in note}
    report.dropped = [str(month) for month in sorted(dropped)]
    head = await store.head()
    last = 0 if head is None else head.batch
    before: Commit | None = None
    while before is None or before.batch < last:
        chunk = await store.commits(before.batch if before else 0, 50)
        if not chunk:
            break
        for commit in chunk[: max(0, last - (before.batch if before else chunk[0].batch - 1))]:
            if before is None:
                _check_beginning(report, commit, notes)
            _check_commit(report, before, commit, key)
            _check_checkpoint(report, commit, checkpoint)
            await _check_records(report, store, commit, dropped)
            before = commit
        progress(report.commits, last)
    if checkpoint is not None and checkpoint["batch"] > last:
        there = checkpoint["batch"]
        report.fault(f"the log ends at commit {last}, before commit {there} of the checkpoint: it was cut off")
    await _check_unknown(report, store, 0 if before is None else before.next_seq - 1)
    return report


def _check_beginning(report: VerificationReport, first: Commit, notes: list[tuple[Commit, Any]]) -> None:
    if first.batch == 1:
        if first.previous != GENESIS:
            report.fault("commit 1: the chain does not begin with zeros")
        return
    for _, note in notes:
        if note.get("batch") == first.batch - 1 and note.get("chain") == first.previous.hex():
            return
    report.fault(f"the log begins at commit {first.batch}, and no note says that what was before it was dropped")


def _check_commit(
    report: VerificationReport, before: Commit | None, commit: Commit, key: "PublicKeys | Ed25519PublicKey | None"
) -> None:
    report.commits += 1
    report.events += commit.count
    name = f"commit {commit.batch}"
    if before is not None:
        _check_order(report, before, commit)
    if len(commit.leaves) != LEAF_BYTES * commit.count:
        report.fault(f"{name}: it has {len(commit.leaves) // LEAF_BYTES} leaves and says {commit.count}")
    hashes = [leaf_hash(seq, leaf) for seq, leaf in enumerate(unpack_leaves(commit.leaves), commit.first_seq)]
    if tree_root(hashes) != commit.root:
        report.fault(f"{name}: the root is not that of its leaves")
    if next_chain(commit.previous, commit_statement(commit)) != commit.chain:
        report.fault(f"{name}: the chain is not that of what it states")
    if commit.signature is None:
        report.unsigned += 1
    elif key is not None:
        report.signed += 1
        if not is_signature_valid(make_checkpoint(commit), key):
            report.fault(f"{name}: it is not signed by this key (it names key {commit.key_id})")


def _check_order(report: VerificationReport, before: Commit, commit: Commit) -> None:
    name = f"commit {commit.batch}"
    if commit.batch != before.batch + 1:
        report.fault(f"{name}: the log has a gap after commit {before.batch}")
    elif commit.previous != before.chain:
        report.fault(f"{name}: it does not follow from commit {before.batch}")
    elif commit.first_seq != before.next_seq or commit.at < before.at:
        report.fault(f"{name}: its seq or its time does not go on from commit {before.batch}")


def _check_checkpoint(report: VerificationReport, commit: Commit, checkpoint: Mapping[str, Any] | None) -> None:
    if checkpoint is not None and checkpoint["batch"] == commit.batch and checkpoint["chain"] != commit.chain.hex():
        report.fault(f"commit {commit.batch}: the checkpoint has another chain: the log was written anew")


async def _check_records(report: VerificationReport, store: LogReader, commit: Commit, dropped: set[Month]) -> None:
    leaves = list(enumerate(unpack_leaves(commit.leaves), commit.first_seq))
    for start in range(0, len(leaves), 500):
        part = leaves[start : start + 500]
        rows = await store.rows(list({UUID(bytes=leaf.key) for _, leaf in part}))
        known = {row["id"].bytes: row for row in rows}
        missing: set[bytes] = set()
        for seq, leaf in part:
            row = known.get(leaf.key)
            if row is not None:
                _check_row(report, commit, seq, leaf, row)
            elif leaf.key not in missing and Month.of_key(leaf.key) not in dropped:
                missing.add(leaf.key)
                report.fault(f"record {UUID(bytes=leaf.key)} was deleted; commit {commit.batch} tells of it")


def _check_row(report: VerificationReport, commit: Commit, seq: int, leaf: Leaf, row: Mapping[str, Any]) -> None:
    if row["seq"] > seq:
        return  # it has changed since, and is looked at where it last did
    name = f"record {row['id']}"
    if row["seq"] < seq:
        report.fault(f"{name} is of seq {row['seq']}, and commit {commit.batch} changed it later, with seq {seq}")
    elif digest(leaf.key, row["document"], row["provenance"]) != leaf.record:
        report.fault(f"{name} was edited: it is not what commit {commit.batch} made of it")
    elif (column := _differing_column(row)) is not None:
        report.fault(f"{name} was edited: its column {column} is not what its document says")
    elif row["recorded_at"] != commit.at:
        report.fault(f"{name} was edited: its column recorded_at is not the time of commit {commit.batch}")
    else:
        report.records += 1


def _differing_column(row: Mapping[str, Any]) -> str | None:
    pods = decode(row["provenance"]).get("pods", {}) if row["provenance"] else {}
    expected = column_values(decode(row["document"]), pods)
    for column, value in zip(RECORD_COLUMNS, expected, strict=True):
        found = row[column.name]
        if (str(found) if isinstance(found, UUID) else found) != value:
            return column.name
    return None


async def _check_unknown(report: VerificationReport, store: LogReader, last: int) -> None:
    """Look for records that the log does not have, if there are more records than it has."""
    if await store.count(last) <= report.records:
        return
    after = UUID(int=0)
    while rows := await store.all_rows(after, 500):
        after = rows[-1]["id"]
        for row in rows:
            if row["seq"] > last:
                continue
            commit = await store.commit_of(row["seq"])
            leaves = unpack_leaves(commit.leaves) if commit is not None else []
            place = row["seq"] - commit.first_seq if commit is not None else 0
            if place >= len(leaves) or leaves[place].key != row["id"].bytes:
                report.fault(f"record {row['id']} was added: no commit tells of it with seq {row['seq']}")
