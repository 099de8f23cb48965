"""Records as streams of NDJSON, CSV or Parquet, chunk by chunk: memory stays that of one chunk."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.util import find_spec
from typing import Any

import msgspec

from kubernaut_datastorage.http.queries import FIELDS
from kubernaut_datastorage.records.documents import FoundRecord, record_line

__all__ = ["STREAMS", "Fields", "select_fields"]

Fields = tuple[str, ...] | None
Chunks = AsyncIterator[list[FoundRecord]]


def select_fields(found: Sequence[FoundRecord], fields: Fields) -> list[str]:
    """Return records as JSON with the wanted fields only; a field that a record lacks is left out."""
    if fields is None:
        return [record_line(one) for one in found]
    write = _field_selector(fields)
    return [write(one) for one in found]


def _field_selector(fields: tuple[str, ...]) -> Callable[[FoundRecord], str]:
    """Return a function that takes the wanted fields out of a record without parsing the others."""
    inside = [name for name in fields if name not in {"id", "seq", "recorded_at"}]
    shape = msgspec.defstruct(
        "Narrow", [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in inside], omit_defaults=True
    )
    decode, encode = msgspec.json.Decoder(shape).decode, msgspec.json.Encoder().encode
    with_id, with_seq, with_time = ("id" in fields, "seq" in fields, "recorded_at" in fields)

    def write(one: FoundRecord) -> str:
        text = encode(decode(one.document)).decode() if inside else "{}"
        parts = [f'"id":"{one.id}"'] if with_id else []
        if len(text) > 2:
            parts.append(text[1:-1])
        if with_seq:
            parts.append(f'"seq":{one.seq}')
        if with_time:
            parts.append(f'"recorded_at":"{one.recorded_at}"')
        return f"{{{','.join(parts)}}}"

    return write


async def _ndjson(chunks: Chunks, fields: Fields) -> AsyncIterator[str]:
    write = record_line if fields is None else _field_selector(fields)
    async for chunk in chunks:
        yield "".join([write(one) + "\n" for one in chunk])


async def _csv(chunks: Chunks, fields: Fields) -> AsyncIterator[str]:
    """Write CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    names = fields or FIELDS
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    async for chunk in chunks:
        for text in select_fields(chunk, fields):
            record = msgspec.json.decode(text)
            writer.writerow([_cell(record.get(name)) for name in names])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


async def _parquet(chunks: Chunks, fields: Fields) -> AsyncIterator[bytes]:
    """Write a row group for each chunk. Times are timestamps in UTC; objects and lists are JSON."""
    import pyarrow as pa  # noqa: PLC0415 – an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = fields or FIELDS
    kinds = {
        "seq": pa.int64(),
        "attempt": pa.int64(),
        "changed": pa.bool_(),
        "dry_run": pa.bool_(),
        "confidence": pa.float64(),
        **dict.fromkeys(("at", "intended_at", "started_at", "finished_at", "recorded_at"), pa.timestamp("us", "UTC")),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        async for chunk in chunks:
            records = [msgspec.json.decode(text) for text in select_fields(chunk, fields)]
            columns = [
                _column([record.get(name) for record in records], kind, pa)
                for name, kind in zip(names, schema.types, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))
            yield sink.take()
    yield sink.take()


def _column(values: list[Any], kind: Any, pa: Any) -> Any:
    if kind == pa.string():
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values])
    if kind == pa.timestamp("us", "UTC"):
        return pa.array([v and v[:-1] for v in values], pa.string()).cast(pa.timestamp("us")).cast(kind)
    return pa.array(values, kind)


class _Sink(io.RawIOBase):
    """A file that is written from beginning to end, and taken away in parts meanwhile."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        """Return the bytes that were written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


STREAMS: dict[str, Callable[[Chunks, Fields], AsyncIterator[str] | AsyncIterator[bytes]]] = {
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}
"""Media type → writer."""
if find_spec("pyarrow") is not None:
    STREAMS["application/vnd.apache.parquet"] = _parquet
