"""Reading a request's body: limited in size, also after decompression, and in time."""

import asyncio
import json
import zlib
from typing import Any

from starlette.requests import ClientDisconnect, Request

from kubernaut_datastorage.http.problems import Problem
from kubernaut_sdk.portable import shorten

__all__ = ["LARGEST_BODY", "read_body", "read_json"]

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a request, after decompression."""
_PATIENCE = 20.0
"""Seconds that a body may take to arrive."""


async def read_body(request: Request) -> bytes:
    """Return a request's body, plain or from gzip.

    Raises:
        Problem: 413 where it is too large, 415 for another encoding, 400 where it is not gzip, 408 where it is slow.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise Problem(415, "Unsupported encoding", f"content-encoding {shorten(encoding)}: send it plain, or gzip.")
    try:
        async with asyncio.timeout(_PATIENCE):
            return await (_unpacked(request) if encoding == "gzip" else _plain(request))
    except TimeoutError:
        detail = f"the body did not arrive within {_PATIENCE:.0f} s."
        raise Problem(408, "Too slow", detail, {"connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(400, "Cut off", "the body ended before its end.") from None


async def read_json(request: Request, *, lenient: bool = False) -> Any:
    """Return the JSON value of a request's body.

    Args:
        request: The request.
        lenient: True to replace bytes that are not UTF-8, so that they spoil only the value that they are in.

    Raises:
        Problem: as `read_body`, and 400 where it is not JSON.
    """
    try:
        body = await read_body(request)
        return json.loads(body.decode("utf-8", "replace") if lenient else body)
    except (ValueError, RecursionError) as error:
        raise not_json(error) from None


def not_json(error: Exception) -> Problem:
    """Return the problem of a body that is not JSON."""
    return Problem(400, "Not JSON", f"the body is not JSON: {shorten(str(error))}.")


async def _plain(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


async def _unpacked(request: Request) -> bytes:
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: with the header and checksum of gzip
    body = bytearray()
    async for part in request.stream():
        try:
            # never unpacks more than would be refused anyway
            body += unpack.decompress(part, LARGEST_BODY + 1 - len(body))
        except zlib.error as error:
            raise Problem(400, "Not gzip", f"the body is not gzip: {error}.") from None
        if len(body) > LARGEST_BODY:
            raise _too_large()
        if unpack.unused_data:
            raise Problem(400, "Not gzip", "there is more after the end of the gzip body; send one gzip member.")
    if not unpack.eof:
        raise Problem(400, "Not gzip", "the gzip body ends too early.")
    return bytes(body)


def _too_large() -> Problem:
    return Problem(413, "Too large", f"a request may have {LARGEST_BODY} bytes (4 MiB) after decompression.")
