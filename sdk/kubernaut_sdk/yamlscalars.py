"""YAML's scalars as Kubernetes reads them, and the texts that must be quoted so that every reader sees a text.

kubectl and the API server read YAML with sigs.k8s.io/yaml (go.yaml.in/yaml/v2, then JSON). That is neither YAML 1.1 nor
1.2: `yes` and `y` are booleans, `0o17` and `017` are 15, `089` is 89, `1e3` is 1000, while `22:00` and `2024-01-01` are
texts. The rules here are those of its `resolve.go`; `tests/data/yaml-scalars.json` holds what the original made of some
1,500 scalars. Called by all that read or write YAML.
"""

import base64
import binascii
import math
import re
from datetime import datetime

__all__ = ["Scalar", "key_text", "needs_quotes", "plain_value", "tagged_value"]

Scalar = None | bool | int | float | str

_PREFIX = "tag:yaml.org,2002:"
_CONSTANTS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **dict.fromkeys("null Null NULL".split(), None),  # noqa: SIM905 – as the original spells them
    **dict.fromkeys("y Y yes Yes YES true True TRUE on On ON".split(), True),  # noqa: SIM905
    **dict.fromkeys("n N no No NO false False FALSE off Off OFF".split(), False),  # noqa: SIM905
    **dict.fromkeys(".inf .Inf .INF +.inf +.Inf +.INF".split(), math.inf),  # noqa: SIM905
    **dict.fromkeys("-.inf -.Inf -.INF".split(), -math.inf),  # noqa: SIM905
    **dict.fromkeys(".nan .NaN .NAN".split(), math.nan),  # noqa: SIM905
}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_BASED = re.compile(r"[-+]?0(?:[xX](?P<x>[0-9a-fA-F]+)|[bB](?P<b>[01]+)|[oO]?(?P<o>[0-7]+))", re.ASCII)
_BINARY = re.compile(r"(?:-0b|0b([-+]?))([01]+)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LEADING_POINT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?)?",
    re.ASCII,
)


def plain_value(text: str) -> Scalar:
    """Return the value of a plain (unquoted) scalar.

    As in the JSON that the API server gets, a number without a fraction is an integer (`1.0`, `1e3`). A decimal integer
    beyond 64 bits is returned exactly, although Kubernetes would round it; whoever passes values on refuses it. `.inf`
    and `.nan` are floats, which JSON does not have.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[:1] == ".":
        number = _float(text.replace("_", "")) if _LEADING_POINT.fullmatch(text) else None
    elif text[:1] in set("+-0123456789"):
        number = _number(text.replace("_", ""))
    else:
        number = None
    return text if number is None else number


def tagged_value(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with an explicit tag, such as `tag:yaml.org,2002:str` (`!!str`).

    Raises:
        ValueError: if the text is none of that type, as a sentence without a full stop.
    """
    value, kind = plain_value(text), tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else ""
    match kind:
        case "binary":
            return _binary(text)
        case "bool":
            fits = isinstance(value, bool)
        case "int":
            fits = type(value) is int and _integer(text.replace("_", "")) is not None
        case "float":
            fits = type(value) is float or (
                type(value) is int and not 2**63 <= value < 2**64
            )  # Go's unsigned ones fail
            value = _float(repr(float(value))) if type(value) is int else value
        case "null":
            fits = value is None
        case "timestamp":
            fits = _is_time(text)
        case _:
            return text
    if not fits:
        raise ValueError(f"{text[:100]!r} is not of the type !!{kind}")
    return value


def key_text(text: str) -> str:
    """Return the JSON key that Kubernetes makes of a plain key: `8080` stays, `y` becomes `true`, `0x10` becomes `16`.

    Raises:
        ValueError: if it refuses the key, or would write its number in another way, as a sentence without a full stop.
    """
    value = plain_value(text)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        case int() if _integer(text.replace("_", "")) is not None and value < 2**63:
            return str(value)
        case int() | float() if abs(value) < 1e38 and float(short := f"{value:g}") == value:  # 32 bits have six digits
            return short
    raise ValueError(f"the key {text or 'that is empty'} is not a text, and Kubernetes would not keep it; quote it")


def _number(spelt: str) -> int | float | None:
    if (value := _integer(spelt)) is not None:
        return value
    return _float(spelt) if _FLOAT.fullmatch(spelt) else None


def _integer(spelt: str) -> int | None:
    """Return the integer that `resolve.go` finds by Go's `strconv.ParseInt(…, 0, 64)`, or None."""
    value: int | None = None
    signed = spelt[0] in "+-"
    if match := _BASED.fullmatch(spelt):
        base = {"x": 16, "b": 2, "o": 8}[match.lastgroup or ""]
        value = int(match[match.lastgroup or ""], base)
    elif _DECIMAL.fullmatch(spelt) and (spelt.lstrip("+-") == "0" or spelt.lstrip("+-")[0] != "0") and len(spelt) < 30:
        value = int(spelt.lstrip("+-"))
    elif match := _BINARY.fullmatch(spelt):  # `0b-11` too: the sign may follow the prefix
        value, signed = int(match[2], 2), True
        spelt = "-" if "-" in {spelt[0], match[1]} else "+"
    if value is None or value >= 2**64 or (signed and value >= 2**63 + (spelt[0] == "-")):
        return None
    return -value if spelt[0] == "-" else value


def _float(spelt: str) -> int | float | None:
    """Return the number as JSON has it; None if Go refuses it as out of range."""
    value = float(spelt)
    if not math.isfinite(value):
        return None
    if _DECIMAL.fullmatch(spelt) and abs(value) >= 2**63:
        return int(spelt)
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _binary(text: str) -> str:
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{text[:100]!r} is not base64 (!!binary)") from None
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode(errors="surrogateescape"))  # one a bad byte, as Go does


def _is_time(text: str) -> bool:
    """Return True if go-yaml's `parseTimestamp` takes the text for a timestamp."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    year, month, day, *clock = (int(part or 0) for part in match.groups())
    hour, minute, second = (max(pair) for pair in zip(clock[:3], clock[3:], strict=True))
    try:
        datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 – only tried
    except ValueError:
        return year == 0 and month != 0 and _is_time(f"0400{text[4:]}")
    return True


# The other direction. Readers take many texts for something else: PyYAML, ruamel.yaml, go-yaml 2 and 3, js-yaml,
# SnakeYAML and Psych each have numbers, dates and words of their own.

_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nil"})
_NUMBER_TO_SOMEONE = re.compile(
    r"""[-+]?(
        0[xX][0-9a-fA-F_,]* | 0[oObB][-+]?[0-9_,]*                                 # in another base
      | ([0-9_][0-9_,]*)?(\.[0-9_,]*)?([eE][-+]?[0-9_]*)?                          # decimal, perhaps with separators
      | [0-9_][0-9_,]*(:[0-9_]+)+(\.[0-9_]*)?                                      # to the base of 60
      | \.(inf|nan)
    )""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
_DATE_TO_SOMEONE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_./+-](?:[A-Za-z0-9_./@+-]|[:=](?=[A-Za-z0-9_./@+-])| (?=[A-Za-z0-9]))*", re.ASCII)


def needs_quotes(text: str) -> bool:
    """Return True if a reader of YAML 1.1 or 1.2 could read the text, written plain, as anything but this text.

    Strict: a text stays plain only if it is of ASCII letters, digits and a few signs; then it holds in flow style too.
    """
    return (
        _PLAIN.fullmatch(text) is None
        or text.startswith(("- ", "---", "..."))
        or text.lower() in _WORDS
        or _NUMBER_TO_SOMEONE.fullmatch(text) is not None
        or _DATE_TO_SOMEONE.fullmatch(text) is not None
        or not isinstance(plain_value(text), str)
    )
