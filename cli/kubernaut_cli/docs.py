"""The Markdown page of an action, from its entry in `kubernaut-action spec`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["action_page", "action_pages", "permission_lines", "schema_rows", "traits", "type_name"]


def action_pages(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the page of each action: file name → Markdown."""
    return {f"{entry['action_type'].replace('/', '-')}.md": action_page(entry) for entry in entries}


def traits(entry: Mapping[str, Any]) -> list[str]:
    """Return the properties to know before a run, in a few words each; one that an image does not state is omitted."""
    known = [
        f"risk: {entry['risk']}",
        "idempotent" if entry["idempotent"] else "not idempotent",
        "can be undone" if entry["undoable"] else "cannot be undone",
    ]
    if entry.get("grow_only"):
        known.append("grow-only: takes nothing away")
    if "verified" in entry:
        known.append("verified" if entry["verified"] else "not verified")
    if entry.get("restored_by"):
        known.append(f"needs a step of finally with {entry['restored_by']}")
    return known


def action_page(entry: Mapping[str, Any]) -> str:
    """Return the page of one action."""
    lines = [f"# {entry['action_type']}", "", entry["summary"], "", "; ".join(traits(entry)) + ".", ""]
    lines += ["## Inputs", "", *_table(entry["inputs"])]
    if entry["result"]:
        lines += ["## Output", "", *_table(entry["result"])]
    if entry["permissions"]:
        lines += ["## Permissions", "", *permission_lines(entry), ""]
    for example in entry["examples"]:
        lines += ["## Example", "", "```json", json.dumps(example, indent=2), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def permission_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return a line for each permission of an action, with the reason where its spec has one."""
    reasons = entry.get("permission_reasons") or {}
    return [f"- `{name}`" + (f": {reasons[name]}" if name in reasons else "") for name in entry["permissions"]]


def schema_rows(schema: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return a row for each field of an object: name, type, `yes` if required (else `no: DEFAULT`), description."""
    found = []
    for name, field in schema.get("properties", {}).items():
        required = "yes" if name in schema.get("required", ()) else f"no: {json.dumps(field.get('default'))}"
        found.append((name, type_name(field), required, " ".join(str(field.get("description", "")).split())))
    return found


def _table(schema: Mapping[str, Any]) -> list[str]:
    rows = ["| name | type | required | what |", "| --- | --- | --- | --- |"]
    for name, kind, required, what in schema_rows(schema):
        default = required.removeprefix("no: ")
        cells = (f"`{name}`", kind, required if required == default else f"no: `{default}`", what)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return [*rows, ""]


def type_name(field: Mapping[str, Any]) -> str:
    """Return the JSON type of a field and its limits, in words."""
    if "enum" in field:
        return " or ".join(json.dumps(value) for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(type_name(option) for option in field["anyOf"])
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {type_name(field.get('items', {}))}"
    limits = [f"{sign} {field[name]}" for name, sign in (("minimum", "≥"), ("maximum", "≤")) if name in field]
    limits += [f"≤ {field['maxLength']} characters"] if "maxLength" in field else []
    return f"{kind}, {', '.join(limits)}" if limits else kind
