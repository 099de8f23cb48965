"""How a JSON value is written as YAML, so that YAML 1.1 (Kubernetes, PyYAML) and 1.2 read the same from it.

Called by `kubernaut_argocd.yamltext`, which knows where it goes. Texts that could be read as something else (`yes`,
`1e3`, `0x10`, a date, nothing) are quoted; JSON itself will not do, because it splits what is beyond 16 bits.
"""

import json
from typing import Any

from kubernaut_sdk.yamlscalars import needs_quotes

__all__ = ["block", "inline", "literal", "quoted"]


def inline(value: Any, style: str | None = None) -> str:
    """A value on one line; a text in the quotes of `style`, a scalar's in PyYAML's words, where they do."""
    match value:
        case str():
            return _text(value, style)
        case dict():
            return "{" + ", ".join(f"{inline(key)}: {inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(inline, value)) + "]"
        case float():
            number = json.dumps(value)  # YAML 1.1 takes an exponent without a point for text
            return number if "." in number else number.replace("e", ".0e")
        case _:
            return json.dumps(value)


def quoted(value: Any) -> str:
    """A value on one line that holds in every place, with texts in double quotes."""
    match value:
        case dict():
            return "{" + ", ".join(f"{quoted(key)}: {quoted(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(quoted, value)) + "]"
        case _:
            return inline(value, '"')


def block(value: dict[str, Any] | list[Any], column: int, newline: str) -> str:
    """A mapping or list in block style; the first line has no indentation, the others that of `column`."""
    return (newline + " " * column).join(_lines(value))


def literal(value: str, indentation: str, newline: str) -> str | None:
    """A text of several lines in literal style (`|`), or None where that style cannot hold it."""
    body = value.removesuffix("\n")
    lines = body.split("\n")
    if not all(map(_showable, lines)) or not lines[0].strip() or lines[0][0] in " \t" or not lines[-1].strip():
        return None
    head = "|" if value.endswith("\n") else "|-"
    return newline.join([head, *(indentation + line if line else "" for line in lines)])


def _lines(value: dict[str, Any] | list[Any]) -> list[str]:
    lines: list[str] = []
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        nested = isinstance(item, dict | list) and bool(item)
        below = _lines(item) if nested else [inline(item)]
        if key is None:
            lines += [f"- {below[0]}", *(f"  {line}" for line in below[1:])]
        elif nested:
            lines += [f"{inline(key)}:", *(f"  {line}" for line in below)]
        else:
            lines.append(f"{inline(key)}: {below[0]}")
    return lines


def _text(value: str, style: str | None) -> str:
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and not needs_quotes(value):
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _showable(line: str) -> bool:
    return line.replace("\t", " ").isprintable()


def _escaped(sign: str) -> str:
    """A character within double quotes, as YAML escapes it."""
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    if sign in "\n\t":
        return "\\n" if sign == "\n" else "\\t"
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
