"""Any change to records or log behind the service's back is found, and nothing else is reported."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kubernaut_datastorage import embedded
from kubernaut_datastorage.log.checkpoints import Ed25519Signer, make_checkpoint, read_public_key
from kubernaut_datastorage.log.proofs import find_proof_faults, make_proof
from kubernaut_datastorage.log.verification import VerificationReport, verify
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Query, Settings, Store
from kubernaut_sdk.ids import mint
from kubernaut_sdk.storage import StorageClient

MakeStore = Callable[..., Store]


INSERTED = """
INSERT INTO action_records (id, seq, recorded_at, state, action_type, target, namespace, workflow,
  remediation, signal, dry_run, undoes, document, provenance)
SELECT '019b5e4e000070008000000000000000', seq, recorded_at, state, action_type, target, namespace, workflow,
  remediation, signal, dry_run, undoes, document, provenance
FROM action_records WHERE id = '{third}'
"""


def keys(folder: Path) -> tuple[Path, Path]:
    """A private and a public key's files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def batch(*ids: str, state: str = "succeeded") -> list[ReceivedEvent]:
    at = "2026-01-31T09:05:07.000000Z"
    more = {"requester": "r"} if state == "started" else {}
    base = {"state": state, "at": at, "step": state, "action_type": "a/b_c", **more}
    events = [{"id": record_id, **base} for record_id in ids]
    return [
        one
        for one in parse_events(json.dumps(events).encode(), retention=timedelta(days=90))
        if isinstance(one, ReceivedEvent)
    ]


async def filled(store: Store) -> list[str]:
    """Ten records in four commits; some of them were changed later."""
    ids = [str(mint()) for _ in range(10)]
    await store.start()
    await store.put(batch(*ids[:4], state="started"))
    await store.put(batch(*ids[4:]))
    await store.put(batch(*ids[:2]))
    await store.put(batch(ids[9], state="unchanged"))
    return ids


def tampered(folder: Path, statement: str, **how: Any) -> VerificationReport:
    """Return the verification of a store after somebody ran a statement on its file."""

    async def fill() -> list[str]:
        store = SqliteStore(open_sqlite(folder), Settings(signer=Ed25519Signer(keys(folder)[0])))
        ids = await filled(store)
        await store.close()
        return ids

    async def look() -> VerificationReport:
        store = SqliteStore(open_sqlite(folder))
        report = await verify(store, key=read_public_key(folder / "key.pub"), **how)
        await store.close()
        return report

    folder.mkdir()
    ids = [record_id.replace("-", "") for record_id in asyncio.run(fill())]
    with closing(sqlite3.connect(folder / "records.db")) as database:
        database.executescript(statement.format(first=ids[0], third=ids[2], last=ids[9]))
        database.commit()
    return asyncio.run(look())


def test_what_is_as_it_was_written_is_not_reported(make_store: MakeStore, tmp_path: Path) -> None:
    private, public = keys(tmp_path)

    async def work() -> None:
        store = make_store(signer=Ed25519Signer(private))
        await filled(store)
        report = await verify(store, key=read_public_key(public))
        other = await verify(store, key=Ed25519PrivateKey.generate().public_key())
        await store.close()

        assert (report.records, report.events, report.commits, report.signed) == (10, 13, 4, 4)
        assert report.faults == []
        assert len(other.faults) == 4
        assert "it is not signed by this key" in other.faults[0]

    asyncio.run(work())


def test_after_a_rotation_of_the_signing_key_both_keys_verify(make_store: MakeStore, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    (old, old_public), (new, new_public) = (keys(tmp_path / name) for name in ("old", "new"))
    (tmp_path / "both").write_bytes(old_public.read_bytes() + new_public.read_bytes())

    async def work() -> None:
        for private in (old, new):
            store = make_store(signer=Ed25519Signer(private))
            await store.start()
            await store.put(batch(str(mint())))
            await store.close()
        store = make_store()
        both = await verify(store, key=read_public_key(tmp_path / "both"))
        alone = await verify(store, key=read_public_key(new_public))
        await store.close()

        assert (both.faults, both.signed) == ([], 2)
        [fault] = alone.faults
        assert fault.startswith("commit 1: it is not signed by this key")

    asyncio.run(work())


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE action_records SET document = replace(document, 'a', 'x') WHERE id = '{third}'", "was edited: it"),
        ("UPDATE action_records SET provenance = NULL WHERE id = '{first}'", "was edited: it is not what commit 3"),
        ("UPDATE action_records SET action_type = 'x/y_z' WHERE id = '{third}'", "its column action_type is not what"),
        ("UPDATE action_records SET state = 'failed' WHERE id = '{third}'", "its column state is not what"),
        ("UPDATE action_records SET recorded_at = '2020-01-01T00:00:00.000000Z'", "column recorded_at"),
        ("UPDATE action_records SET seq = 1 WHERE id = '{first}'", "is of seq 1, and commit 3 changed it later"),
        ("UPDATE action_records SET seq = 12 WHERE id = '{third}'", "was added: no commit tells of it with seq 12"),
        ("DELETE FROM action_records WHERE id = '{first}'", "was deleted; commit 1 tells of it"),
        ("DELETE FROM action_records WHERE id = '{last}'", "was deleted; commit 2 tells of it"),
        (INSERTED, "record 019b5e4e-0000-7000-8000-000000000000 was added"),
        ("DELETE FROM commits WHERE batch = 2", "commit 3: the log has a gap after commit 1"),
        ("DELETE FROM commits WHERE batch = 1", "the log begins at commit 2, and no note says"),
        ("UPDATE commits SET root = zeroblob(32) WHERE batch = 2", "commit 2: the root is not that of its leaves"),
        ("UPDATE commits SET leaves = zeroblob(80) WHERE batch = 4", "commit 4: the root is not"),
        ("UPDATE commits SET at = '2026-01-01T00:00:00.000000Z' WHERE batch = 2", "commit 2: its seq or its time"),
        ("UPDATE commits SET note = '{{}}' WHERE batch = 2", "commit 2: the chain is not that of what it states"),
        ("UPDATE commits SET signature = zeroblob(64) WHERE batch = 2", "commit 2: it is not signed by this key"),
        ("UPDATE commits SET previous = zeroblob(32) WHERE batch = 3", "commit 3: it does not follow from commit 2"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found(tmp_path: Path, statement: str, expected: str) -> None:
    report = tampered(tmp_path / "data", statement)

    assert any(expected in fault for fault in report.faults), report.faults


def test_an_end_that_was_cut_off_is_found_by_whoever_has_a_checkpoint(tmp_path: Path) -> None:
    cut = "DELETE FROM commits WHERE batch = 4"  # it changed no record that another did not change later
    without = tampered(tmp_path / "one", cut)
    with_one = tampered(tmp_path / "two", cut, checkpoint={"batch": 4, "chain": "00"})
    anew = tampered(tmp_path / "three", "", checkpoint={"batch": 4, "chain": "00"})

    assert any("is of seq" in fault or "added" in fault for fault in without.faults) or without.faults == []
    assert any("it was cut off" in fault for fault in with_one.faults)
    assert anew.faults == ["commit 4: the checkpoint has another chain: the log was written anew"]


def test_a_record_is_proved_without_the_service(make_store: MakeStore, tmp_path: Path) -> None:
    private, public = keys(tmp_path)

    async def work() -> None:
        store = make_store(signer=Ed25519Signer(private))
        await filled(store)
        for found in await store.find(Query()):
            commit = await store.commit_of(found.seq)
            assert commit is not None
            [row] = [row for row in await store.all_rows(mint().__class__(int=0), 100) if str(row["id"]) == found.id]
            proof = json.loads(json.dumps(make_proof(row, commit)))
            key = read_public_key(public)
            assert find_proof_faults(proof, key) == []
            assert find_proof_faults({**proof, "document": proof["document"].replace("a/b_c", "x/y_z")}, key) == [
                "the record is not in the tree of the checkpoint"
            ]
            forged = {**proof, "checkpoint": {**proof["checkpoint"], "at": "2026-01-01T00:00:00.000000Z"}}
            assert find_proof_faults(forged, key) == ["the checkpoint's chain is not that of what it states"]
            unsigned = {**proof, "checkpoint": {**proof["checkpoint"], "signature": None}}
            assert find_proof_faults(unsigned, key) == ["the checkpoint is not signed by this key"]
        await store.close()

    asyncio.run(work())


def test_verifying_goes_on_while_the_store_is_written_to(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store()
        ids = await filled(store)
        writing = True

        async def write() -> None:
            number = 0
            while writing:
                number += 1
                await store.put(batch(str(mint()), state="started"))
                await store.put(batch(ids[number % 10], state="failed"))

        task = asyncio.create_task(write())
        reports = [await verify(store) for _ in range(5)]
        writing = False
        await task
        await store.close()
        assert [report.faults for report in reports] == [[]] * 5

    asyncio.run(work())


def test_the_commands_say_what_they_found(tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "kubernaut_cli", "records", *words, "--data", str(tmp_path)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    record_id = str(mint())
    with embedded(tmp_path) as service:
        client = StorageClient(service.url)
        client.post([{"id": record_id, "state": "failed", "at": datetime.now(UTC).isoformat()}], within=10)
        client.close()
    checkpoint = run("checkpoint")
    (tmp_path / "checkpoint.json").write_text(checkpoint.stdout)
    good, proof = run("verify", "--checkpoint", str(tmp_path / "checkpoint.json")), run("prove", record_id)
    with closing(sqlite3.connect(tmp_path / "records.db")) as database:
        database.execute("DELETE FROM action_records")
        database.commit()
    bad, unknown = run("verify"), run("prove", str(mint()))

    assert (good.returncode, good.stdout) == (
        0,
        "1 records, 1 events in 1 commits, signatures not checked (--public-key)\n",
    )
    assert proof.returncode == 0
    assert find_proof_faults(json.loads(proof.stdout), None) == []
    assert "it holds: entry 1, in commit 1" in proof.stderr
    assert bad.returncode == 4
    assert f"record {record_id} was deleted; commit 1 tells of it\n" in bad.stderr
    assert "kubernaut: the store is not as it was written.\n" in bad.stderr
    assert unknown.returncode == 3
    assert "there is no record" in unknown.stderr


def test_notes_between_commits_hide_no_leaf(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store()
        await filled(store)
        for number in range(15):
            await store.add_note(json.dumps({"n": number}))
        await store.put(batch(str(mint())))
        await store.add_note("{}")
        commits = [await store.commit_of(seq) for seq in range(1, 16)]
        report = await verify(store)
        await store.close()

        assert [commit and commit.batch for commit in commits] == [1] * 4 + [2] * 6 + [3] * 2 + [4, 20, None]
        assert report.faults == []

    asyncio.run(work())


def test_a_checkpoint_names_the_state_of_the_log(make_store: MakeStore) -> None:
    async def work() -> None:
        store = make_store()
        await filled(store)
        head = await store.head()
        report = await verify(store, checkpoint=None if head is None else make_checkpoint(head))
        await store.close()
        assert head is not None
        assert (head.batch, head.next_seq) == (4, 14)
        assert report.faults == []

    asyncio.run(work())
