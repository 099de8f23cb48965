"""The parts of a secret that are secret by themselves: its lines, and the values inside formats that contain secrets.

The formats are JSON, YAML, INI, dotenv, connection strings, netrc, `.git-credentials`, pgpass, PEM, and base64 of any
of them. None is parsed by its exact grammar: one part too many hides a little more text, one too few shows a secret.
Used by `masking`.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from itertools import islice
from textwrap import dedent
from typing import Any
from urllib.parse import unquote

__all__ = ["SHORTEST", "parts_of", "trivial"]

SHORTEST = 4
"""The least characters of a value that is searched in text; a shorter one would be found everywhere."""

_SHORTEST_LINE = 6
_SHORTEST_UNNAMED = 8
"""The least characters of a value whose key does not say that it is secret."""
_DEEPEST = 4
_MOST_PAIRS, _LONGEST_PAIR = 5_000, 4_096

_TRIVIAL = frozenset({"false", "none", "null", "true"})
_COMMON = re.compile(
    r"(?i)active|admin|default|disabled?|enabled?|info|latest|local|localhost|main|master|opaque|prefer|public|"
    r"readonly|required?|root|test|undefined|user"
)
"""Common words of configurations: such a value is hidden only if its key says that it is secret."""
_SECRET_KEY = re.compile(
    r"(?i)pass|pwd|secret|token|key|credential|auth|private|session|cookie|bearer|signature|salt|\bpin\b|\bsas\b|dsn"
)
_PLAIN_KEY = re.compile(
    r"(?i)(.*[._-])?(addr(ess)?|alg(orithm)?|api_?version|cluster|context|database|db|dbname|domain|driver|email|"
    r"endpoint|engine|env(ironment)?|format|host(name)?|kind|login|machine|name|namespace|output|path|port|project|"
    r"project_id|protocol|region|role|role_arn|scheme|server|sslmode|type|uri|url|user|user_?name|version|zone)"
)
_KEY_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_PLAIN_VALUE = re.compile(
    r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?|[\w.+-]+@[\w-]+(\.[\w-]+)+|[a-z][a-z0-9+.-]*://[^@\s]*|/[\w./-]*|"
    r"\d+([.,:]\d+)+|\d{4}-\d\d-\d\d[\dTZ:.+ -]*"
)
"""A host name, an e-mail address, a URL without user, a path, a version or a time."""
_NO_WORD = re.compile(r"[\W_]*")
_MOST_SIGNS = 3
"""Different signs of a line that only separates."""
_STRUCTURE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----|\[[^\]]*\]|[\W_]{0,7}|[\w.\"'-]+\s*[:=]\s*[\[{|>]?[+-]?")
"""A line without a value: a boundary, the head of a section, brackets, a key."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\'\'|\\.)*)\'')
_BARE = re.compile(r"[^\s\"'][^\s]*")
_USERINFO = re.compile(r"://([^/\s\"<>]*)@")
_NETRC = re.compile(r"\b(?:password|passwd|account)\s+(\S+)")
_BLOCK = re.compile(
    r"^([ \t]*)(?:- )?[\w./\"'-]+:[ \t]*[|>][+-]?\d?[ \t]*\n((?:(?:\1[ \t]+\S.*|[ \t]*)(?:\n|\Z))+)", re.MULTILINE
)
_ELEMENT = re.compile(r"<([\w:.-]++)[^<>]*+>([^<>]++)</")
_PEM = re.compile(r"-----BEGIN [^-\n]+-----[ \t\r]*\n((?:[A-Za-z0-9+/=]+[ \t\r]*\n)+)-----END ")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")


def parts_of(secret: str) -> Iterator[str]:
    """Yield the secret and its parts that are to be hidden on their own; some more than once."""
    yield from _whole(secret)
    yield from _within(secret, 0)


def trivial(value: str) -> bool:
    """Return True if a value is too short or too common to be searched: words as `true`, numbers as `5432`."""
    return len(value) < SHORTEST or value.casefold() in _TRIVIAL or (len(value) < 6 and value.isdigit())


def _whole(secret: str) -> Iterator[str]:
    if not trivial(secret.strip()):
        yield secret
        yield secret.strip()


def _within(secret: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    yield from _lines(secret)
    document = _document(secret)
    if document is not None:
        yield from _values(document, "", depth)
    else:
        yield from _pairs(secret, depth)
        yield from _last_fields(secret)
        for match in _BLOCK.finditer(secret):
            block = dedent(match[2])
            yield from _whole(block)
            yield from _whole(" ".join(block.split()))
    for match in _USERINFO.finditer(secret):
        user, colon, password = match[1].partition(":")
        if not trivial(found := password if colon else user):
            yield from (found, unquote(found), match[1])
    yield from (match[1] for match in _NETRC.finditer(secret) if not trivial(match[1]))
    yield from (match[2].strip() for match in _ELEMENT.finditer(secret) if _worth(match[1], match[2].strip()))
    yield from ("".join(match[1].split()) for match in _PEM.finditer(secret))
    yield from _unwrapped(secret, depth)


def _lines(secret: str) -> Iterator[str]:
    lines = secret.splitlines()
    if len(lines) < 2:
        return
    for line in map(str.strip, lines):
        if len(line) < _SHORTEST_LINE or (len(line) < 200 and _STRUCTURE.fullmatch(line)) or _is_rule(line):
            continue
        key, sign, value = line.lstrip("- ").replace("=", ":", 1).partition(":")
        if sign and set(key.strip("\"' \t")) <= set(_KEY_SIGNS) and not _worth(key, value.strip(" \t\"',")):
            continue
        for part in (line, line.lstrip("- "), line.strip("\"', \t")):
            if len(part) >= _SHORTEST_LINE and not _COMMON.fullmatch(part):
                yield part


def _is_rule(line: str) -> bool:
    """Return True for a line that only separates, such as `=====` or `|---|:--|`: a password has more signs."""
    return len(set(line)) <= _MOST_SIGNS and _NO_WORD.fullmatch(line) is not None


def _document(secret: str) -> Any:
    if secret.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(secret)
        except (ValueError, RecursionError):
            return None
    return None


def _values(value: Any, key: str, depth: int) -> Iterator[str]:
    """Yield the values of a JSON document that may be secrets. A secret key makes all values below it secret."""
    match value:
        case dict():
            for name, item in value.items():
                # a name that is plain by itself (`name`, `value`) hides nothing of a parent that says secret
                inherited = key if _SECRET_KEY.search(key) else ""
                yield from _values(item, f"{inherited}.{name}" if inherited else str(name), depth)
        case list():
            for item in value:
                yield from _values(item, key, depth)
        case str():
            yield from _value(key, value, depth)
        case int() | float() if not isinstance(value, bool):
            yield from _value(key, str(value), depth)


def _value(key: str, value: str, depth: int) -> Iterator[str]:
    """Yield a JSON value, if it is worth hiding, and its parts."""
    if _worth(key, value):
        yield from _whole(value)
    yield from _within(value, depth + 1)


def _worth(key: str, value: str) -> bool:
    """Return True if a value under a key is to be hidden."""
    if trivial(value):
        return False
    if _SECRET_KEY.search(key):
        return True
    if _COMMON.fullmatch(value):
        return False
    plain = _PLAIN_KEY.fullmatch(key.strip("\"' \t")) or _PLAIN_VALUE.fullmatch(value)
    return len(value) >= _SHORTEST_UNNAMED and not plain


def _pairs(secret: str, depth: int) -> Iterator[str]:
    """Yield the values of `key = value`, `key: value` and similar forms, any number in a line."""
    lines = secret.splitlines()
    separators = ((line, match.start()) for line in lines for match in re.finditer(r"[:=]", line))
    for line, place in islice(separators, _MOST_PAIRS):
        before = line[max(0, place - 64) : place].rstrip(" \t\"'>")
        key = before[len(before.rstrip(_KEY_SIGNS)) :]
        after = line[place + 1 : place + 1 + _LONGEST_PAIR].lstrip(" \t:=>")
        if not after or after.startswith("//"):
            continue
        for value in _values_at_start(after, first=not line[:place].strip(_KEY_SIGNS + "\"' \t")):
            if _worth(key, value):
                yield from _whole(value)
                yield from _unwrapped(value, depth + 1)


def _last_fields(secret: str) -> Iterator[str]:
    """Yield the passwords of a pgpass file: `host:port:database:user:password`, where a backslash escapes a colon."""
    for line in secret.splitlines():
        fields = re.split(r"(?<!\\):", line, maxsplit=4)
        if len(fields) == 5 and not trivial(fields[4].strip()):
            yield from (fields[4].strip(), re.sub(r"\\(.)", r"\1", fields[4].strip()))


def _values_at_start(after: str, *, first: bool) -> Iterator[str]:
    """Yield the possible values at the start of a text: quoted, up to a separator, or the rest of the line."""
    if (quoted := _QUOTED.match(after)) is not None:
        text = quoted[1] if quoted[1] is not None else quoted[2]
        yield text
        if quoted[1] is not None and "\\" in text:
            try:
                yield str(json.loads(f'"{text}"'))
            except ValueError:
                yield re.sub(r"\\(.)", r"\1", text)
        elif quoted[2] is not None:
            yield text.replace("''", "'")
    elif (bare := _BARE.match(after)) is not None:
        yield bare[0]
        yield re.split(r"[;&,]", bare[0], maxsplit=1)[0]
        yield bare[0].rstrip(",;)]}")
    if first:
        rest = after.strip()
        yield rest
        yield re.split(r"\s[#;]", rest, maxsplit=1)[0].rstrip()
        yield rest.rpartition(" ")[2]  # `Authorization: Bearer …`


def _unwrapped(secret: str, depth: int) -> Iterator[str]:
    """Yield the parts of a base64 text once decoded, such as a kubeconfig's keys or a registry's password."""
    text = "".join(secret.split())
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return
    try:
        plain = base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    if not all(sign.isprintable() or sign in "\r\n\t" for sign in plain):
        return
    yield from _whole(plain)
    user, colon, password = plain.partition(":")
    if colon and user and not trivial(password.strip()):
        yield password.strip()
    yield from _within(plain, depth + 1)
