"""JSON values written as YAML that YAML 1.1 (Kubernetes, PyYAML) and 1.2 read alike.

Used by `kubernaut_argocd.yamltext`. A string that could be read as something else (`yes`, `1e3`, `0x10`, a date, the
empty string) is quoted. JSON's own notation will not do: it splits characters beyond 16 bits into surrogates.
"""

import json
from typing import Any

from kubernaut_sdk.yamlscalars import needs_quotes

__all__ = ["block_style", "double_quoted", "inline_style", "literal_style"]


def inline_style(value: Any, style: str | None = None) -> str:
    """Return a value on one line; a string keeps the quotes of `style` (PyYAML's scalar style) where possible."""
    match value:
        case str():
            return _text(value, style)
        case dict():
            return "{" + ", ".join(f"{inline_style(key)}: {inline_style(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(inline_style, value)) + "]"
        case float():
            number = json.dumps(value)  # YAML 1.1 reads an exponent without a point as a string
            return number if "." in number else number.replace("e", ".0e")
        case _:
            return json.dumps(value)


def double_quoted(value: Any) -> str:
    """Return a value on one line with strings in double quotes, which is valid at every place."""
    match value:
        case dict():
            return "{" + ", ".join(f"{double_quoted(key)}: {double_quoted(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(double_quoted, value)) + "]"
        case _:
            return inline_style(value, '"')


def block_style(value: dict[str, Any] | list[Any], column: int, newline: str) -> str:
    """Return a mapping or list in block style; the first line is not indented, the others by `column`."""
    return (newline + " " * column).join(_lines(value))


def literal_style(value: str, indentation: str, newline: str) -> str | None:
    """Return a string of several lines in literal style (`|`), or None if that style cannot hold it."""
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
        below = _lines(item) if nested else [inline_style(item)]
        if key is None:
            lines += [f"- {below[0]}", *(f"  {line}" for line in below[1:])]
        elif nested:
            lines += [f"{inline_style(key)}:", *(f"  {line}" for line in below)]
        else:
            lines.append(f"{inline_style(key)}: {below[0]}")
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
    """Return a character as YAML writes it within double quotes."""
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    if sign in "\n\t":
        return "\\n" if sign == "\n" else "\\t"
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
