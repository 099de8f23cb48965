"""Verdicts on action types ("did it help?"), from action records and the firings of their signals.

    fleet = read_fleet(records, signals, monitoring, now=utcnow())
    for verdict in verdicts_of(fleet):
        print(verdict.action_type, alone_words(verdict.alone))

Everything beside `service` is a function of records: nothing is read, sent or stored, and the arithmetic needs only the
standard library.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kubernaut_effectiveness.counting.acts import Act, act_of_record
from kubernaut_effectiveness.counting.deletions import deletions_of_acts
from kubernaut_effectiveness.counting.outcomes import JudgedIncident, Outcome
from kubernaut_effectiveness.counting.problems import AlertProblem, Firing, firing_of_item
from kubernaut_effectiveness.counting.watching import Watch, WatchSpan, span_of_item
from kubernaut_effectiveness.settings import CountingRules
from kubernaut_effectiveness.verdicts.fleet import Fleet, judge_fleet, verdicts_of
from kubernaut_effectiveness.verdicts.models import ActionVerdict
from kubernaut_effectiveness.verdicts.words import alone_words, baseline_words, change_words
from kubernaut_sdk.records import Record

__all__ = [
    "Act",
    "ActionVerdict",
    "AlertProblem",
    "CountingRules",
    "Firing",
    "Fleet",
    "JudgedIncident",
    "Outcome",
    "Watch",
    "WatchSpan",
    "alone_words",
    "baseline_words",
    "change_words",
    "judge_fleet",
    "read_fleet",
    "verdicts_of",
]


def read_fleet(
    records: Iterable[Record],
    signals: Iterable[Mapping[str, Any]],
    monitoring: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    settings: CountingRules | None = None,
) -> Fleet:
    """Return the fleet of what Data Storage answers.

    Args:
        records: Of all action types: another action in between changes what one action's success means.
        signals: The items of `/api/v1/signals`.
        monitoring: The items of `/api/v1/monitoring`.
        now: The time.
        settings: The settings.
    """
    acts = [act for record in records if (act := act_of_record(record)) is not None]
    firings = [firing_of_item(item) for item in signals]
    watch = Watch([*map(span_of_item, monitoring), *deletions_of_acts(acts)])
    return judge_fleet(acts, firings, watch, now=now.timestamp(), settings=settings)
