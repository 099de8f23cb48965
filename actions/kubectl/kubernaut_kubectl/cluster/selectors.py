"""Label selectors: which labels they match, and their text for kubectl."""

from collections.abc import Mapping
from typing import Any

__all__ = ["matches", "selected_keys", "selector_text"]


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return True if a LabelSelector matches the labels. An empty one matches everything, a missing one nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions") or ())


def selected_keys(selector: Mapping[str, Any] | None) -> set[str]:
    """Return the label keys that a LabelSelector looks at."""
    selector = selector or {}
    rules = selector.get("matchExpressions") or ()
    return {*(selector.get("matchLabels") or {}), *(rule["key"] for rule in rules)}


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector in the words of `kubectl --selector`."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*equal, *(_rule_text(rule) for rule in selector.get("matchExpressions") or ())])


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _rule_text(rule: Mapping[str, Any]) -> str:
    key, values = rule["key"], ",".join(rule.get("values") or ())
    match rule["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"
