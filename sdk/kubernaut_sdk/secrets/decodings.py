r"""Texts with their escapes decoded, where each position is still known in the original text.

Each format that escapes text (JSON of Go, Python or .NET, a shell, YAML, a URL, XML) has its own rules; decoding all of
them is shorter than encoding each secret in each. Nested escapes are decoded three levels deep. Used by `masking`.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Self

__all__ = ["DecodedText", "decodings_of"]

_DEEPEST = 3

_BACKSLASH = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
    rb"|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|(\r?\n)|([\x00-\x7f]))"
)
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_ENTITY = re.compile(rb"&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6}));")
_SHELL_QUOTE = re.compile(rb"""'\\''|'"'"'""")
_DOUBLED_QUOTE = re.compile(rb"""''|\"\"""")
_FOLLOWS = rb"[ \t]*(?=[A-Za-z0-9+/=_-]+(?:[\r\n\"'\\<]|\Z))"
_WRAPS = [(end, re.compile(re.escape(end) + _FOLLOWS)) for end in (b"\r\n", b"\n", b"\\r\\n", b"\\n")]
"""Line ends within encoded text; one pattern each, since a pattern that begins with a literal is fast."""
_ENCODED_TAIL = re.compile(rb"[A-Za-z0-9+/_-]{8}")

_CONTROLS = dict(zip(b"0abefnrtv", b"\x00\x07\x08\x1b\x0c\n\r\t\x0b", strict=True))
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


class DecodedText:
    """A text with its escapes decoded.

    Attributes:
        data: Its bytes.
    """

    def __init__(
        self, data: bytes, outer: Self | None = None, starts: Sequence[int] = (0,), places: Sequence[int] = (0,)
    ) -> None:
        self.data = data
        self._outer = outer
        self._starts = starts  # of stretches of `data`, that are verbatim and undone escapes in turn
        self._places = places  # where they begin in the outer text

    def place(self, start: int, stop: int) -> tuple[int, int]:
        """Return the position of a part of it in the original text."""
        if self._outer is None:
            return start, stop
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, stop - 1) - 1
        begin = self._places[first] if first % 2 else self._places[first] + start - self._starts[first]
        end = self._places[last + 1] if last % 2 else self._places[last] + stop - self._starts[last]
        return self._outer.place(begin, end)

    def without_escapes(
        self, escape: re.Pattern[bytes], meant: Callable[[re.Match[bytes]], bytes | None]
    ) -> Self | None:
        """Return the text with one kind of escape decoded, or None if it has no such escape.

        Args:
            escape: The pattern of the escape.
            meant: Returns the bytes that a match means, or None if the match is no escape.
        """
        starts, places = [0], [0]
        pieces: list[bytes] = []
        end = size = 0
        for match in escape.finditer(self.data):
            if (value := meant(match)) is None:
                continue
            verbatim = self.data[end : match.start()]
            pieces += (verbatim, value)
            starts += (size := size + len(verbatim), size := size + len(value))
            places += (match.start(), end := match.end())
        return type(self)(b"".join([*pieces, self.data[end:]]), self, starts, places) if pieces else None


def decodings_of(data: bytes, *, quotes: bool) -> Iterator[DecodedText]:
    """Yield a text as it is, and with its escapes decoded in every way that changes it.

    Args:
        data: The text.
        quotes: If True, quotes of shells and doubled quotes are decoded too; only secrets with a quote need it.
    """
    kinds: list[tuple[bytes, re.Pattern[bytes], Callable[[re.Match[bytes]], bytes | None]]] = [
        (b"\\", _BACKSLASH, partial(_meant_by_backslash, points=False)),
        (b"\\x", _BACKSLASH, partial(_meant_by_backslash, points=True)),
        (b"%", _PERCENT, lambda match: bytes([int(match[1], 16)])),
        (b"&", _ENTITY, _meant_by_entity),
    ]
    if quotes:
        kinds += [(b"'", _SHELL_QUOTE, lambda _: b"'"), (b"", _DOUBLED_QUOTE, lambda match: match[0][:1])]
    seen = {data}
    level = [DecodedText(data)]
    for depth in range(_DEEPEST + 1):
        following = []
        for text in level:
            yield text
            for end, wrap in _WRAPS:
                unwrapped = text.without_escapes(wrap, _meant_by_wrap) if end in text.data else None
                if unwrapped is not None:
                    yield unwrapped
            for sign, escape, meant in kinds if depth < _DEEPEST else ():
                inner = text.without_escapes(escape, meant) if sign in text.data else None
                if inner is not None and inner.data not in seen:
                    seen.add(inner.data)
                    following.append(inner)
        level = following


def _meant_by_backslash(match: re.Match[bytes], *, points: bool) -> bytes:
    r"""Return the meaning of an escape. `\xe9` is a byte of UTF-8 (Go, Python's bytes) or a code point (`points`)."""
    high, low, short, long, byte, octal, newline, sign = match.groups()
    if high:
        point = 0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00
        return chr(point).encode()
    if short or long:
        point = int(short or long, 16)
        return chr(point).encode("utf-8", "surrogatepass") if point <= 0x10FFFF else bytes(match[0])
    if byte and points:
        return chr(int(byte, 16)).encode()
    if byte or octal:
        return bytes([int(byte, 16) if byte else int(octal, 8)])
    if newline:
        return b""
    return bytes([_CONTROLS.get(sign[0], sign[0])])


def _meant_by_wrap(match: re.Match[bytes]) -> bytes | None:
    """Return empty bytes for a line end within encoded text, such as wrapped base64; None for any other."""
    start = match.start()
    return b"" if _ENCODED_TAIL.fullmatch(match.string, max(0, start - 8), start) else None


def _meant_by_entity(match: re.Match[bytes]) -> bytes:
    name, decimal, hexadecimal = match.groups()
    if name:
        return _NAMED[name]
    point = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(point).encode("utf-8", "surrogatepass") if point <= 0x10FFFF else bytes(match[0])
