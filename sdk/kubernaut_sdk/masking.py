"""Secrets, replaced by `***` wherever they would show: as they stand and in the encodings they are likely to wear."""

import base64
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "Masker"]

MASK = "***"
_ASSIGNED = re.compile(r"(?:secret|key|token|passw|credential)[^=:]*[=:]\s*[\"']?([^\s\"']{8,})", re.IGNORECASE)
_SHORTEST = 4
"""Characters below which a value is not looked for in text: it would be found everywhere and hide nothing."""


class Masker:
    """Replaces known secrets in text and in JSON values. Where they overlap, all of what they cover is replaced."""

    def __init__(self) -> None:
        self._variants: set[str] = set()
        self._around: dict[str, list[str]] = {}

    def add(self, secret: str) -> None:
        """Takes a secret to hide from now on.

        Of a text of several lines (a key, a configuration file) each long line is hidden by itself as well, and of
        `password = …` and the like what stands behind the sign.
        """
        lines = [line.strip() for line in secret.splitlines() if len(line) >= 16]
        assigned = [match[1] for line in lines if (match := _ASSIGNED.search(line))]
        for part in {secret, secret.strip(), *lines, *assigned}:
            if len(part) >= _SHORTEST:
                self._variants |= _variants(part)
        self._around = _around(self._variants)

    def text(self, text: str) -> str:
        """The text without the secrets."""
        # one search for each, at memory's speed, is ten times as fast as one pattern of all
        present = {variant for core in self._around if core in text for variant in self._around[core]}
        spans = sorted(span for variant in present for span in _spans(text, variant))
        if not spans:
            return text
        parts, end = [], 0
        for start, stop in spans:
            if start >= end:
                parts += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*parts, text[end:]])

    def json(self, value: Any) -> Any:
        """The JSON value without the secrets, in keys as well."""
        if not self._variants or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value if self.text(str(value)) == str(value) else MASK


def _around(variants: set[str]) -> dict[str, list[str]]:
    """Each text that holds no other, with those that hold it (itself too): where it is not, none of them is."""
    cores: list[str] = []
    for variant in sorted(variants, key=len):
        if not any(core in variant for core in cores):
            cores.append(variant)
    return {core: [variant for variant in variants if core in variant] for core in cores}


def _spans(text: str, part: str) -> Iterator[tuple[int, int]]:
    """Where a part stands, each time, also where it overlaps itself."""
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def _variants(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    found = {
        secret,
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1].replace("$", "\\u0024"),
        shlex.quote(secret).strip("'"),
        raw.hex(),
    }
    for offset in range(3):
        # Of base64 at an offset, the characters that also hold bits of the neighbours are not the secret's own.
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        start = -(-offset * 8 // 6)
        end = (offset + len(raw)) * 8 // 6
        inner = encoded[start:end]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {variant for variant in found if len(variant) >= _SHORTEST}
