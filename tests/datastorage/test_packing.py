"""Documents as PostgreSQL keeps them: the same text comes back, and what somebody else wrote is known for that."""

import asyncio
import hashlib
import json

import asyncpg
import httpx
import zstandard
from conftest import run_sql
from hypothesis import given
from hypothesis import strategies as st

from kubernaut_datastorage.log.verification import verify
from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.records import packing
from kubernaut_datastorage.records.packing import DAMAGED, pack_document, unpack_document
from kubernaut_datastorage.server import hosted
from kubernaut_sdk.ids import mint


@given(st.text())
def test_the_same_text_comes_back(text: str) -> None:
    text = text.encode(errors="replace").decode()

    assert unpack_document(pack_document(text)) == text


@given(st.binary(max_size=64))
def test_what_nobody_packed_is_damaged(packed: bytes) -> None:
    assert unpack_document(b"\x02" + packed) == DAMAGED
    assert json.loads(unpack_document(packed) if unpack_document(packed) == DAMAGED else DAMAGED) == {"damaged": True}


def test_a_frame_that_would_fill_the_memory_is_damaged() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(64 * 1024 * 1024))

    assert len(bomb) < 10_000
    assert unpack_document(b"\x01" + bomb) == DAMAGED


def test_the_first_dictionary_is_for_ever() -> None:
    """Databases hold documents that were packed with it."""
    of_it = hashlib.sha256(packing._FIRST).hexdigest()

    assert of_it == "ad301355712af320b037dcba360523f4ec95bc2b9abdf81ec3928e886daef6fa"
    assert unpack_document(bytes.fromhex("0128b52ffd20154d0000107b7d0100a4c40801")) == '{"state":"succeeded"}'


def test_a_record_that_was_edited_in_postgresql_is_named_and_harms_no_other(database: str) -> None:
    ids = [str(mint()) for _ in range(3)]
    with hosted(PostgresStore(database)) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        events = [{"id": one, "state": "failed", "at": "2026-01-31T09:05:07Z"} for one in ids]
        client.post("/api/v1/action-records", json=events).raise_for_status()
        forged = pack_document(client.get(f"/api/v1/action-records/{ids[0]}").text.replace("failed", "succeeded"))
        for one, document in ((ids[0], forged), (ids[1], b"no frame")):
            run_sql(database, rf"UPDATE action_records SET document = '\x{document.hex()}' WHERE id = '{one}'")
        found = client.get("/api/v1/action-records").json()["items"]
    report = asyncio.run(verified(database))

    assert {item["id"]: item.get("damaged", False) for item in found} == {ids[0]: False, ids[1]: True, ids[2]: False}
    assert [fault.partition(":")[0] for fault in report] == [f"record {one} was edited" for one in ids[:2]]


async def verified(database: str) -> list[str]:
    store = PostgresStore(database)
    report = await verify(store)
    await store.close()
    return report.faults


def test_a_long_document_is_kept_whole(database: str) -> None:
    """Beyond 2 KB after packing it lies in TOAST, as it is."""
    noise = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(500)]
    event = {"id": str(mint()), "state": "succeeded", "at": "2026-01-31T09:05:07Z", "output": {"noise": noise}}
    with hosted(PostgresStore(database)) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        client.post("/api/v1/action-records", json=[event]).raise_for_status()
        answer = client.get(f"/api/v1/action-records/{event['id']}").json()

    async def stored() -> int:
        connection = await asyncpg.connect(database)
        size: int = await connection.fetchval("SELECT pg_column_size(document) FROM action_records")
        await connection.close()
        return size

    assert answer["output"]["noise"] == noise
    assert 8_000 < asyncio.run(stored()) < 40_000
