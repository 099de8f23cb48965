"""The verdict on one action type, as JSON has it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = [
    "ActionVerdict",
    "AlarmState",
    "BaselineComparison",
    "ComeBack",
    "DigestShare",
    "MarkedChange",
    "Share",
    "Trend",
    "WeekShare",
]


class _Verdict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(_Verdict):
    """A share over targets, each with one vote. `rate` and its bounds are None where `refusal` says why."""

    good: int
    incidents: int
    targets: int
    largest_target: float | None = None
    rate: float | None = None
    lower: float | None = None
    upper: float | None = None
    effective_n: float | None = None
    refusal: str | None = None


class ComeBack(_Verdict):
    """The share of resolved incidents that fired again in a time.

    None where too few were followed so far, or where the rules' `for` let none fire again so soon.
    """

    within_seconds: float
    followed: int
    share: float | None = None


class BaselineComparison(_Verdict):
    """The share resolved within 30 min of the decision, against incidents in which the action was kept from running."""

    verdict: Literal["helped", "worse", "no difference shown", "too few to tell", "not comparable", "no baseline"]
    acted: Share | None = None
    otherwise: Share | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    strata: int = 0
    comparable: float = 0.0


class Trend(_Verdict):
    """The last 30 days against the 60 before."""

    before: Share
    recent: Share
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None


class MarkedChange(_Verdict):
    """The one change that the last 90 days show, if any: between two days, with the digests that came in then."""

    between: tuple[str, str]
    before: float
    after: float
    q_value: float
    digests: tuple[str, ...]


class AlarmState(_Verdict):
    """The alarm on failures."""

    raised: bool
    since: str | None = None
    expected: float
    value: float
    limit: float


class WeekShare(_Verdict):
    """The incidents of one week."""

    week: str
    good: int
    incidents: int


class DigestShare(_Verdict):
    """The incidents of one image."""

    image: str
    first: str
    share: Share


class ActionVerdict(_Verdict):
    """The verdict on one action type, or on several that are always the steps of one workflow."""

    action_type: str
    alone: Share
    outcomes: dict[str, int]
    unwatched: dict[str, int]
    if_unwatched_held: float | None = None
    if_unwatched_not: float | None = None
    baseline: BaselineComparison
    came_back: list[ComeBack]
    records: int
    ran: int
    errors: int
    error_reasons: dict[str, int]
    not_counted: dict[str, int]
    undone: int
    second_line: int
    touched_by_people: int
    signals: list[str]
    weeks: list[WeekShare]
    digests: list[DigestShare]
    trend: Trend
    mark: MarkedChange | None = None
    alarm: AlarmState | None = None
    for_known: bool

    @property
    def unsolved(self) -> int:
        """The number of watched incidents that it did not solve alone."""
        return self.alone.incidents - self.alone.good
