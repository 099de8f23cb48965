"""The sentences of verdicts, the same on pages and in the terminal."""

from datetime import UTC, datetime
from itertools import pairwise

from kubernaut_effectiveness.counting.watching import Watch
from kubernaut_effectiveness.settings import DAY
from kubernaut_effectiveness.verdicts.models import ActionVerdict, BaselineComparison, Share

__all__ = [
    "OUTCOME_MEANINGS",
    "alone_words",
    "baseline_words",
    "bounds_words",
    "change_words",
    "counts_words",
    "length_words",
    "minute_of",
    "percent",
    "plural",
    "points",
    "share_words",
    "short_image",
    "silence_words",
]

OUTCOME_MEANINGS = {
    "held": "resolved within 30 min of the action's end, silent for the quiet time, and nothing else changed",
    "recurred": "resolved, and it fired again within the quiet time",
    "unresolved": "still firing 30 min after the action, or the same action was needed again",
    "failed": "the action failed, timed out, or was lost after a change",
    "superseded": "something else changed the target, or acted for the problem, before anything could be said",
    "unwatched": "nobody can tell: the monitoring was not heard, the alert was silenced, or the target was deleted",
    "gone": "resolved before the action began",
    "pending": "too early to say",
}
"""The outcomes of incidents in the order of bars, each in plain words."""


def silence_words(watch: Watch, since: float, until: float) -> str | None:
    """Return of which part of a time silences are not known, as a sentence; None where they are of nearly all of it.

    Before the first heartbeat nothing was watched: silences do not matter.

    Args:
        watch: When anybody was watching.
        since: The beginning of what is judged.
        until: The end of what is judged.
    """
    known = watch.silences_known
    if not known:
        return "Silences are not known: kubernaut serve --alertmanager-url asks for them."
    first, last = known[0][0], known[-1][1]
    gaps = sum(before[1] < after[0] for before, after in pairwise(known))
    if first <= max(since, watch.heard_since) + DAY and last >= until and not gaps:
        return None
    but = f", with {plural(gaps, 'gap')}" if gaps else ""
    known_in = f"from {minute_of(first)} to {minute_of(last)} only{but}"
    return f"Silences are known {known_in}: else, what was silenced counts as silent."


def minute_of(time: float) -> str:
    """Return a time to the minute, in UTC: `2026-01-31 09:05`."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")


def percent(share: float) -> str:
    """Return a share as a percentage. What is not quite nothing or all is not said to be."""
    whole = round(share * 100)
    if whole == 0 and share > 0:
        return "< 1 %"
    if whole == 100 and share < 1:
        return "> 99 %"
    return f"{whole} %"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{difference * 100:+.0f}".replace("-", "−")


def plural(number: int, name: str) -> str:
    """Return a number with its noun: `1 target`, `23 targets`."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def short_image(image: str) -> str:
    """Return an image with the first 12 digits of its digest."""
    name, separator, digest = image.partition("@sha256:")
    return f"{name}@sha256:{digest[:12]}…" if separator and len(digest) > 12 else image


def share_words(share: Share) -> str:
    """Return `68 % (52–81 %)`, or why there is no rate."""
    if share.rate is None or share.lower is None or share.upper is None:
        return share.refusal or ""
    return f"{percent(share.rate)} ({share.lower * 100:.0f}–{share.upper * 100:.0f} %)"


def length_words(seconds: float) -> str:
    """Return a length of time in its largest unit: `23 s`, `4 min`, `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def counts_words(share: Share) -> str:
    """Return what a share is of: `58 incidents on 23 targets, the largest has 12 %`."""
    largest = "" if share.largest_target is None else f", the largest has {percent(share.largest_target)}"
    return f"{plural(share.incidents, 'incident')} on {plural(share.targets, 'target')}{largest}"


def bounds_words(verdict: ActionVerdict) -> str | None:
    """Return the bounds of what was not watched: `60 % to 70 % if none or all of the unwatched had held`."""
    if verdict.if_unwatched_not is None or verdict.if_unwatched_held is None:
        return None
    bounds = f"{percent(verdict.if_unwatched_not)} to {percent(verdict.if_unwatched_held)}"
    return f"{bounds} if none or all of the unwatched had held"


def alone_words(share: Share) -> str:
    """Return the headline: `68 % of incidents on a typical target (52–81 %), 58 incidents, 23 targets`."""
    if share.rate is None or share.lower is None or share.upper is None:
        return share.refusal or ""
    return (
        f"{percent(share.rate)} of incidents on a typical target ({share.lower * 100:.0f}–{share.upper * 100:.0f} %), "
        f"{plural(share.incidents, 'incident')}, {plural(share.targets, 'target')}"
    )


def baseline_words(comparison: BaselineComparison) -> str:
    """Return the comparison with the baseline: `helped: +31 points (+18 to +44)`."""
    if comparison.difference is None or comparison.lower is None or comparison.upper is None:
        return comparison.verdict
    interval = f"{points(comparison.lower)} to {points(comparison.upper)}"
    return f"{comparison.verdict}: {points(comparison.difference)} points ({interval})"


def change_words(verdict: ActionVerdict) -> list[str]:
    """Return what changed: the alarm, the mark, the trend; nothing where nothing is shown."""
    said = []
    if verdict.alarm is not None and verdict.alarm.raised:
        said.append(f"alarm of {verdict.alarm.since}: more failures than usual")
    if (mark := verdict.mark) is not None:
        digests = ", ".join(map(short_image, mark.digests))
        came = f"; digests in that time: {digests}" if digests else "; no new digest in that time"
        shares = f"{percent(mark.before)} → {percent(mark.after)}"
        said.append(f"changed between {mark.between[0]} and {mark.between[1]}: {shares}{came}")
    trend = verdict.trend
    shown = trend.lower is not None and trend.upper is not None and (trend.lower > 0 or trend.upper < 0)
    if trend.difference is not None and trend.lower is not None and trend.upper is not None and shown:
        interval = f"{points(trend.lower)} to {points(trend.upper)}"
        said.append(f"last 30 days against the 60 before: {points(trend.difference)} points ({interval})")
    return said
