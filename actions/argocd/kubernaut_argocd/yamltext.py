"""One value within a YAML text, read and replaced so that every other byte stays: comments, order, quotes, indentation.

ruamel.yaml tells where in the text a value stands. A scalar is replaced right there; only where a scalar becomes a
mapping or a list (or the other way round) the document is written anew, by ruamel, which keeps comments and order.
"""

import io
import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kubernaut_sdk import InvalidInputs, NotFound, PreconditionFailed

__all__ = ["parse_field", "read_value", "replace_value"]

_TOKEN = re.compile(r"\.?(?:([^.\[\]\"]+)|\"((?:[^\"\\]|\\.)*)\")|\[(\d+)\]")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_SCALARS = (str, int, float, bool, type(None))

Path = list[str | int]


def parse_field(field: str) -> Path:
    """The keys and indexes of `spec.containers[0].image`; a key with dots stands in double quotes.

    Raises:
        InvalidInputs: if it is not such a path.
    """
    path: Path = []
    place = 0
    while place < len(field):
        match = _TOKEN.match(field, place)
        if match is None or (place == 0 and field[0] == "."):
            place_told = f"at character {place + 1}"
            raise InvalidInputs(f"field {field!r}: {place_told}; write a path such as spec.containers[0].image.")
        name, quoted, index = match.groups()
        path.append(int(index) if index else name or json.loads(f'"{quoted}"'))
        place = match.end()
    if not path:
        raise InvalidInputs("field: is empty; write a path such as spec.replicas.")
    return path


def read_value(text: str, field: str, document: int) -> Any:
    """The value at a field, as JSON.

    Raises:
        NotFound: if there is no such field or document, with what there is.
        PreconditionFailed: if the text is not YAML.
    """
    value = _documents(text)[_require_document(text, document)]
    path = parse_field(field)
    for depth, key in enumerate(path):
        known = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        if key not in known:
            raise NotFound(f"there is no {_spell(path[: depth + 1])}; {_there(value)}.")
        value = known[key]
    return value


def replace_value(text: str, field: str, document: int, value: Any) -> str:
    """The text with another value at a field that is there.

    Raises:
        NotFound, PreconditionFailed: as `read_value`.
    """
    node = _node(text, field, document)
    if isinstance(node, ScalarNode) and isinstance(value, _SCALARS) and node.style not in {"|", ">"}:
        start, end = node.start_mark.index, node.end_mark.index
        changed = text[:start] + _spelt(value, node) + text[end:]
        if read_value(changed, field, document) == value:
            return changed
    return _rewritten(text, field, document, value)


def _documents(text: str) -> list[Any]:
    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError) as error:
        raise PreconditionFailed(f"the file is not usable YAML: {' '.join(str(error).split())[:200]}") from None


def _require_document(text: str, document: int) -> int:
    count = len(_documents(text))
    if document >= count:
        raise NotFound(f"there is no document {document} in the file; it has {count}, counted from 0.")
    return document


def _node(text: str, field: str, document: int) -> Node:
    node = list(YAML(pure=True).compose_all(text))[document]
    for key in parse_field(field):
        if isinstance(node, MappingNode):
            # the last of equal keys counts, as for everyone who reads the file
            node = [value for name, value in node.value if name.value == str(key)][-1]
        else:
            assert isinstance(node, SequenceNode)
            node = node.value[key]
    assert isinstance(node, Node)
    return node


def _spelt(value: Any, node: ScalarNode) -> str:
    """A scalar as YAML text that YAML 1.1 and 1.2 read alike; in the quotes that stand there, where they are enough."""
    if not isinstance(value, str):
        return json.dumps(value)
    if node.style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    ambiguous = value.lower() in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    if node.style is None and _PLAIN.fullmatch(value) and not ambiguous:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(sign: str) -> str:
    """A character within double quotes, as YAML (not JSON, which splits what is beyond 16 bits) escapes it."""
    if sign in '"\\':
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _rewritten(text: str, field: str, document: int, value: Any) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.explicit_start = text.startswith("---")
    documents = list(yaml.load_all(text))
    parent, path = documents[document], parse_field(field)
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    buffer = io.StringIO()
    yaml.dump_all(documents, buffer)
    return buffer.getvalue()


def _spell(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def _there(value: Any) -> str:
    if isinstance(value, dict):
        return f"there is {', '.join(map(str, value))}" if value else "there is an empty mapping"
    return (
        f"there is a list of {len(value)}" if isinstance(value, list) else f"there is {json.dumps(value, default=str)}"
    )
