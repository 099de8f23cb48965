"""A search for many byte strings at once, in time linear in the text, for any number of strings.

Some windows of eight (or four) bytes of each string are put into a table. The text is read in steps of one window; a
string in the text contains at least one whole step, wherever it begins. The steps are looked up by the interpreter's
own loops, at a few nanoseconds a byte; Python code runs only for steps that are in the table. Used by `masking`.
"""

from array import array
from collections.abc import Iterator

__all__ = ["PatternIndex"]

Span = tuple[int, int]

_CHUNK = 512
_CROWD = 64
"""The most patterns of one window; of more, whole lines are hidden instead."""
_FEW = 48
"""The most patterns of one length, too short for a window, that are searched one by one."""
_FRAGMENT = 24
"""The least bytes of a fragment that is found without the rest of its pattern."""
_OFFSET_BITS = 32


class PatternIndex:
    """A set of byte strings that can be found in a text."""

    def __init__(self) -> None:
        self._patterns: list[bytes] = []
        self._fragments: list[bool] = []
        self._known: dict[bytes, bool] = {}
        self._long, self._middle = _Windows("Q", 8), _Windows("I", 4)
        self._by_length: dict[int, set[bytes]] = {}
        self._lines: set[int] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, pattern: bytes, *, fragments: bool = False) -> None:
        """Search for a pattern from now on.

        Args:
            pattern: At least one byte.
            fragments: If True, parts of it of 24 bytes or more are found too, for text that was cut or wrapped. Of
                patterns over 16 KiB some parts under 80 bytes are not found, and of those over 128 KiB some under 272,
                so that the table stays small.
        """
        if not pattern or (pattern in self._known and self._known[pattern] >= fragments):
            return
        self._known[pattern] = fragments
        number = len(self._patterns)
        self._patterns.append(pattern)
        self._fragments.append(fragments)
        if len(pattern) >= self._long.shortest:
            for key in self._long.add(number, pattern, _stride(pattern) if fragments else 0):
                self._lines.add(key)
        elif len(pattern) < self._middle.shortest or any(self._middle.add(number, pattern, 0)):
            self._by_length.setdefault(len(pattern), set()).add(pattern)

    def spans(self, text: bytes) -> list[Span]:
        """Return the spans of all patterns in a text, in no particular order; spans may overlap."""
        found = list(self._short(text))
        for windows in (self._long, self._middle):
            reached: dict[Span, int] = {}
            for at, key in windows.hits(text):
                if windows is self._long and key in self._lines:
                    found.append(_line(text, at))
                    continue
                for entry in windows.entries(key):
                    number, offset = entry >> _OFFSET_BITS, entry & ((1 << _OFFSET_BITS) - 1)
                    diagonal = (number, at - offset)
                    if reached.get(diagonal, 0) > at:
                        continue
                    span = self._match(text, at, number, offset, windows.width)
                    if span is not None:
                        reached[diagonal] = span[1]
                        found.append(span)
        return found

    def _match(self, text: bytes, at: int, number: int, offset: int, width: int) -> Span | None:
        pattern, start = self._patterns[number], at - offset
        if start >= 0 and text.startswith(pattern, start):
            return start, start + len(pattern)
        if not self._fragments[number]:
            return None
        stop = at + width + _common(text, at + width, pattern, offset + width)
        start = at - _common_before(text, at, pattern, offset)
        return (start, stop) if stop - start >= min(_FRAGMENT, len(pattern)) else None

    def _short(self, text: bytes) -> Iterator[Span]:
        for length, patterns in self._by_length.items():
            if len(patterns) <= _FEW:
                for pattern in patterns:
                    start = text.find(pattern)
                    while start >= 0:
                        yield start, start + length
                        start = text.find(pattern, start + 1)
            else:
                for start in range(len(text) - length + 1):
                    if text[start : start + length] in patterns:
                        yield start, start + length


class _Windows:
    """The windows of one width, each with the patterns that it leads to.

    Attributes:
        width: Bytes of a window.
        shortest: Bytes of the shortest pattern that holds a whole step wherever it begins.
    """

    def __init__(self, code: str, width: int) -> None:
        self.width, self.shortest = width, 2 * width - 1
        self._code = code
        self._table: dict[int, int] = {}
        self._more: dict[int, list[int]] = {}

    def add(self, number: int, pattern: bytes, stride: int) -> list[int]:
        """Put the windows of a pattern into the table; return those that too many patterns share."""
        width, crowded = self.width, []
        if stride:
            last = len(pattern) - width
            offsets = [base + rest for base in range(0, last + 1, stride) for rest in range(width)]
            offsets = [offset for offset in offsets if offset <= last]
        else:
            base = self._least_used(pattern)
            offsets = list(range(base, base + width))
        for key, offset in zip(self._keys(pattern, offsets), offsets, strict=True):
            entry = number << _OFFSET_BITS | offset
            if self._table.setdefault(key, entry) == entry:
                continue
            more = self._more.setdefault(key, [])
            if len(more) < _CROWD:
                more.append(entry)
            else:
                crowded.append(key)
        return crowded

    def _least_used(self, pattern: bytes) -> int:
        """Return the offset of the windows that the fewest other patterns share: many patterns begin alike."""
        last = len(pattern) - self.shortest
        bases = sorted({0, last // 4, last // 2, last * 3 // 4, last})

        def used(base: int) -> int:
            ends = self._keys(pattern, [base, base + self.width - 1])
            return max((key in self._table) + len(self._more.get(key, ())) for key in ends)

        return min(bases, key=used)

    def _keys(self, pattern: bytes, offsets: list[int]) -> "array[int]":
        return array(self._code, b"".join([pattern[offset : offset + self.width] for offset in offsets]))

    def entries(self, key: int) -> list[int]:
        """Return the patterns of a window, each with the window's offset in it."""
        return [self._table[key], *self._more.get(key, ())]

    def hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield position and key of each step of the text that is a known window, in ascending order."""
        keys, size = self._table.keys(), _CHUNK * self.width
        if not keys:
            return
        whole = len(text) - len(text) % self.width
        for start in range(0, whole, size):
            steps = array(self._code, text[start : min(start + size, whole)])
            if not keys.isdisjoint(steps):
                for number, key in enumerate(steps):
                    if key in keys:
                        yield start + number * self.width, key


def _stride(pattern: bytes) -> int:
    return next(stride for most, stride in ((1 << 14, 16), (1 << 17, 64), (1 << 62, 256)) if len(pattern) <= most)


def _line(text: bytes, at: int) -> Span:
    """Return the line around a position, which is hidden whole where too many patterns look alike."""
    stop = text.find(b"\n", at)
    return text.rfind(b"\n", 0, at) + 1, stop if stop >= 0 else len(text)


def _common(text: bytes, at: int, pattern: bytes, offset: int) -> int:
    """Return the number of equal bytes from here on."""
    most, length = min(len(text) - at, len(pattern) - offset), 0
    for step in (4096, 64, 1):
        while length + step <= most and (
            text[at + length : at + length + step] == pattern[offset + length : offset + length + step]
        ):
            length += step
    return length


def _common_before(text: bytes, at: int, pattern: bytes, offset: int) -> int:
    """Return the number of equal bytes before here."""
    most, length = min(at, offset), 0
    for step in (4096, 64, 1):
        while length + step <= most and (
            text[at - length - step : at - length] == pattern[offset - length - step : offset - length]
        ):
            length += step
    return length
