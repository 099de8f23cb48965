"""The masker: it replaces secrets by `***` where text leaves the process, plain and in every likely encoding.

Text that an action reads is never masked, since the action computes with it. `secrets.parts` says which parts of a
secret are hidden, `secrets.decodings` reads escaped text, `secrets.patterns` finds many strings at once.

Not hidden: values of fewer than four characters, `true`, `false`, `none` and `null`, and numbers of fewer than six
digits: they are no real secrets, and masking them would make all other text unreadable. Lines and values within a file
are hidden if they have six characters (eight, if no key says that the value is secret) and are no host, path, number,
address or common word of configurations.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from kubernaut_sdk.secrets.decodings import decodings_of
from kubernaut_sdk.secrets.parts import SHORTEST, parts_of, trivial
from kubernaut_sdk.secrets.patterns import PatternIndex, Span

__all__ = ["MASK", "Masker"]

MASK = "***"
_ENCODED = 6
"""The least bytes of a value that is also searched at any offset in base64 and in hex; shorter ones match by chance."""
_LARGE = 16 * 1024
"""Characters of a large secret: its lines are searched as plain text only; encodings are searched of the whole."""
_OPAQUE = re.compile(rb"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9+/=_.-]{24,}")
"""A key or token: a part of it is secret too, unlike a part of a URL or a sentence."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_USERINFO = re.compile(rb"://([^/\s?#\"<>\\]+)@")


class Masker:
    """The set of known secrets; it replaces them in text and in JSON values. Overlapping matches are replaced together.

    Passwords in URLs, and everything before the @ of an http URL, are replaced as well, known or not.
    """

    def __init__(self) -> None:
        self._index = PatternIndex()
        self._parts: set[str | bytes] = set()
        self._quotes = False

    def add(self, secret: str | bytes) -> None:
        """Hide a secret from now on, its lines, and the values that it holds where it is of a known format."""
        try:
            text = secret if isinstance(secret, str) else secret.decode()
        except UnicodeDecodeError:
            assert isinstance(secret, bytes)
            self._learn_binary(secret)
            return
        large = len(text) > _LARGE
        for part in parts_of(text):
            self._learn(part, encoded=not large or part == text.strip())

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        data = text.encode("utf-8", "surrogatepass")
        spans = sorted(_whole_characters(data, span) for span in self._spans(data))
        if not spans:
            return text
        parts: list[bytes] = []
        end = 0
        for start, stop in spans:
            if start > end or not parts:
                parts += [data[end:start], MASK.encode()]
            end = max(end, stop)
        return b"".join([*parts, data[end:]]).decode("utf-8", "surrogatepass")

    def hides(self, value: Any) -> bool:
        """Return True if anything in a JSON value, keys included, would be replaced."""
        match value:
            case None | bool():
                return False
            case str():
                return any(True for _ in self._spans(value.encode("utf-8", "surrogatepass")))
            case dict():
                return any(self.hides(str(key)) or self.hides(item) for key, item in value.items())
            case list() | tuple():
                return any(map(self.hides, value))
            case _:
                return self.hides(str(value))

    def json(self, value: Any) -> Any:
        """Return the JSON value without the secrets, in keys as well."""
        match value:
            case None | bool():
                return value
            case str():
                return self.text(value)
            case dict():
                return {self.text(str(key)): self.json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.json(item) for item in value]
            case _:
                return MASK if self.hides(str(value)) else value

    def _spans(self, data: bytes) -> Iterator[Span]:
        if b"://" in data and b"@" in data:
            yield from _userinfo(data)
        if len(self._index):
            for text in decodings_of(data, quotes=self._quotes):
                for start, stop in self._index.spans(text.data.translate(_URL_SAFE)):
                    yield text.place(start, stop)

    def _learn(self, part: str, *, encoded: bool) -> None:
        if part in self._parts or trivial(part.strip()):
            return
        self._parts.add(part)
        raw = part.encode("utf-8", "surrogatepass")
        self._quotes = self._quotes or b"'" in raw or b'"' in raw
        self._find(raw, fragments=_OPAQUE.fullmatch(raw) is not None)
        if b" " in raw:
            self._find(raw.replace(b" ", b"+"))  # as HTML forms write it
        if encoded:
            for form in {raw, *(text.encode("utf-8", "surrogatepass") for text in _json_spellings(part))}:
                self._learn_encoded(form)

    def _learn_binary(self, secret: bytes) -> None:
        """Hide a secret that is not text: encoded, and in the forms that it gets if a program decodes it anyway."""
        if len(secret) < SHORTEST or secret in self._parts:
            return
        self._parts.add(secret)
        decoded = {
            secret.decode("utf-8", "replace"),
            secret.decode("latin-1"),
            secret.decode("utf-8", "surrogateescape"),
        }
        for form in {secret, *(text.encode("utf-8", "surrogatepass") for text in decoded)}:
            for line in {form, form.strip(), *form.splitlines()}:
                if len(line) >= _ENCODED and line.strip(b"\xef\xbf\xbd"):
                    self._find(line)
        self._learn_encoded(secret)
        if secret.startswith((b"\xff\xfe", b"\xfe\xff")):
            self.add(secret.decode("utf-16", "replace"))

    def _learn_encoded(self, raw: bytes) -> None:
        if len(raw) < _ENCODED:
            self._find(base64.b64encode(raw))
            return
        hexadecimal = raw.hex()
        self._find(hexadecimal.encode(), fragments=True)
        self._find(hexadecimal.upper().encode(), fragments=True)
        for offset in range(3):
            # Of base64 at an offset, the characters that also hold bits of the neighbours are not the secret's own.
            whole = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
            start, stop = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
            self._find(whole[start:stop], fragments=True)
            self._find(whole[start:])  # where nothing follows, the last character is known as well

    def _find(self, pattern: bytes, *, fragments: bool = False) -> None:
        self._index.add(pattern.translate(_URL_SAFE), fragments=fragments)


def _whole_characters(data: bytes, span: Span) -> Span:
    """Return the span, widened to whole UTF-8 characters: a binary secret may begin within one."""
    start, stop = span
    while start > 0 and data[start] & 0xC0 == 0x80:
        start -= 1
    while stop < len(data) and data[stop] & 0xC0 == 0x80:
        stop += 1
    return start, stop


def _json_spellings(part: str) -> set[str]:
    """Return the spellings of a text in JSON by Python and by Go; whole JSON documents are often encoded."""
    python = json.dumps(part, ensure_ascii=False)[1:-1]
    go = python
    for sign in "<>&\u2028\u2029":
        go = go.replace(sign, f"\\u{ord(sign):04x}")
    return {python, go, json.dumps(part)[1:-1]}


def _userinfo(data: bytes) -> Iterator[Span]:
    """Yield the spans of passwords in URLs, and of tokens in http URLs that have one in place of a user."""
    for match in _USERINFO.finditer(data):
        user, colon, password = match[1].partition(b":")
        if data[max(0, match.start() - 5) : match.start()].lower().endswith((b"http", b"https")):
            yield match.span(1)
        elif colon and password:
            yield match.start(1) + len(user) + 1, match.end(1)
