"""The `for` of alerting rules, as Prometheus tells it: so long after a resolution an alert cannot fire again."""

from typing import Any

import httpx

from kubernaut_sdk.addresses import without_userinfo

__all__ = ["RulesUnknown", "read_pending_for"]

_TIMEOUT = 10.0


class RulesUnknown(Exception):
    """Prometheus does not tell its rules; the text says why, as a sentence."""


def read_pending_for(prometheus: str) -> dict[str, float]:
    """Return alert name → `for` in seconds, from Prometheus' `/api/v1/rules`.

    Of several rules with one name the longest counts: more silence is asked for then, never less.

    Args:
        prometheus: The address of a Prometheus, or of what speaks as one (Thanos, Mimir).

    Raises:
        RulesUnknown: if it cannot be reached, or answers something else.
    """
    url = f"{prometheus.rstrip('/')}/api/v1/rules"
    address = without_userinfo(url)
    try:
        answer = httpx.get(url, params={"type": "alert"}, timeout=_TIMEOUT, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = without_userinfo(str(error)) or type(error).__name__
        raise RulesUnknown(f"{address} cannot be read: {why}.") from None
    if answer.status_code != httpx.codes.OK:
        raise RulesUnknown(f"{address} answers {answer.status_code}.")
    try:
        groups = answer.json()["data"]["groups"]
        return _longest([rule for group in groups for rule in group["rules"] if rule.get("type") == "alerting"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RulesUnknown(f"{address} answers no list of rules, as Prometheus would.") from None


def _longest(rules: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for rule in rules:
        name, seconds = str(rule["name"]), float(rule.get("duration", 0.0))
        found[name] = max(seconds, found.get(name, 0.0))
    return found
