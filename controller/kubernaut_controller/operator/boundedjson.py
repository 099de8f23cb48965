"""A JSON parser of bounded depth for what the API server and Data Storage answer.

Python's parser gives up at about a thousand levels (3.11, 3.12) or at ten thousand (3.13), the API server keeps ten
thousand, and a list is one text: one object that is nested too deep would hide all others in its list. Therefore an
array or object nested deeper than `DEEPEST` is read as null. No admitted value is that deep: `require_portable` refuses
beyond 64.
"""

import json
import re
from typing import Any

import aiohttp

__all__ = ["DEEPEST", "BoundedResponse", "prune", "read_json"]

DEEPEST = 100
"""Levels: 64 of inputs, and those of the list, the object and its managedFields around them."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONGEST_INTEGER = 400


def read_json(data: bytes) -> Any:
    """Return the value of a JSON text, with null for what is nested deeper than `DEEPEST`.

    Raises:
        ValueError: for a text that is not JSON.
    """
    if _is_deep(data):
        data = prune(data)
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more than 4,300 digits
        return json.loads(text, parse_int=_integer)


def prune(data: bytes, deepest: int = DEEPEST) -> bytes:
    """Return a JSON text with null in the place of each array and object that is nested deeper than `deepest`."""
    kept, depth, start = [], 0, 0
    for token in _TOKEN.finditer(data):
        sign = data[token.start()]
        if sign in b"[{":
            depth += 1
            if depth == deepest + 1:
                kept += [data[start : token.start()], b"null"]
        elif sign in b"]}":
            if depth == deepest + 1:
                start = token.end()
            depth -= 1
    kept.append(data[start:] if depth <= deepest else b"")
    return b"".join(kept)


def _is_deep(data: bytes) -> bool:
    """Return True if something may be nested deeper than `DEEPEST`. Each list is checked, so it uses only C loops."""
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return False
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return bool(brackets)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


class BoundedResponse(aiohttp.ClientResponse):
    """An HTTP response whose JSON, and each line of a watch, is of bounded depth before kopf parses it."""

    async def start(self, connection: Any) -> "BoundedResponse":
        """Read the head, and wrap the body of a watch."""
        await super().start(connection)
        if self.url.query.get("watch"):
            self.content = _BoundedLines(self.content)  # type: ignore[assignment] # of a StreamReader, what is read of it
        return self

    async def json(self, **_: Any) -> Any:
        """Return the body's value."""
        return read_json(await self.read())


class _BoundedLines:
    """A stream of JSON lines, each of bounded depth."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> Any:
        """Yield the lines, each whole."""
        rest: list[bytes] = []
        async for chunk in self._stream.iter_chunked(size):
            *lines, last = chunk.split(b"\n")
            for line in lines:
                yield _bounded_line(b"".join([*rest, line])) + b"\n"
                rest = []
            rest.append(last)
        if any(rest):
            yield _bounded_line(b"".join(rest))


def _bounded_line(line: bytes) -> bytes:
    """Return a line that Python's own parser reads."""
    return json.dumps(read_json(line)).encode() if _is_odd(line) else line


def _is_odd(line: bytes) -> bool:
    return _is_deep(line) or re.search(rb"\d{400}", line) is not None
