"""A page for each installed action, from its definition: `make docs` writes them, and a test keeps them fresh."""

import json
import sys
from pathlib import Path
from typing import Any

from kubernaut_sdk.catalog import all_actions, spec

__all__ = ["page", "pages"]


def pages() -> dict[str, str]:
    """File name → Markdown, for every installed action."""
    entries = spec(all_actions())["actions"]
    return {f"{entry['action_type'].replace('/', '-')}.md": page(entry) for entry in entries}


def page(entry: dict[str, Any]) -> str:
    """The page of one action, from its entry in `kubernaut-action spec`."""
    traits = [
        f"risk: {entry['risk']}",
        "idempotent" if entry["idempotent"] else "not idempotent",
        "can be undone" if entry["undoable"] else "cannot be undone",
        "verified" if entry["verified"] else "not verified",
    ]
    lines = [f"# {entry['action_type']}", "", entry["summary"], "", "; ".join(traits) + ".", ""]
    lines += ["## Inputs", "", *_table(entry["inputs"])]
    if entry["result"]:
        lines += ["## Output", "", *_table(entry["result"])]
    if entry["permissions"]:
        lines += ["## Permissions", "", *(f"- `{permission}`" for permission in entry["permissions"]), ""]
    for example in entry["examples"]:
        lines += ["## Example", "", "```json", json.dumps(example, indent=2), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(schema: dict[str, Any]) -> list[str]:
    rows = ["| name | type | required | what |", "| --- | --- | --- | --- |"]
    for name, field in schema.get("properties", {}).items():
        required = "yes" if name in schema.get("required", ()) else f"no: `{json.dumps(field.get('default'))}`"
        rows.append(f"| `{name}` | {_type(field)} | {required} | {field.get('description', '')} |")
    return [*rows, ""]


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field['items'])}"
    limits = [f"{sign} {field[name]}" for name, sign in (("minimum", "≥"), ("maximum", "≤")) if name in field]
    limits += [f"≤ {field['maxLength']} characters"] if "maxLength" in field else []
    return f"{kind}, {', '.join(limits)}" if limits else kind


def main() -> None:
    """Writes the pages into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
