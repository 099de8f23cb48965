"""Months as storage has them: a range of UUIDv7 ids, a partition's name, and which of them to make or to drop."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

__all__ = ["AHEAD", "Month", "first_kept_month", "log_months_to_drop", "months_to_create", "months_to_drop"]

AHEAD = 3
"""Months that are made ahead, at least."""


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    month: int

    @staticmethod
    def of(time: datetime) -> "Month":
        """The month of a time."""
        return Month(time.astimezone(UTC).year, time.astimezone(UTC).month)

    @staticmethod
    def of_key(key: bytes) -> "Month":
        """The month within an id."""
        return Month.of(datetime.fromtimestamp(int.from_bytes(key[:6]) / 1000, UTC))

    @staticmethod
    def parse(text: str) -> "Month":
        """A month as `2026-01`.

        Raises:
            ValueError: for anything else.
        """
        time = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return Month(time.year, time.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def following(self) -> "Month":
        """The next."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def first_id(self) -> UUID:
        """The least id of it. Ids of the month are from here to below the next month's."""
        return UUID(int=int(self.start.timestamp() * 1000) << 80)

    def partition(self, table: str) -> str:
        """The name of its partition, such as `action_records_2026_01`."""
        return f"{table}_{self.year:04}_{self.month:02}"


def months_to_create(now: datetime, retention: timedelta) -> list[Month]:
    """The months in which a record may be: from the oldest that is taken to `AHEAD` months from now."""
    months = [Month.of(now - retention)]
    ahead = Month.of(now)
    for _ in range(AHEAD):
        ahead = ahead.following
    while months[-1] < ahead:
        months.append(months[-1].following)
    return months


def months_to_drop(
    months: Iterable[Month], held: Collection[Month], now: datetime, retention: timedelta
) -> list[Month]:
    """Of these months those to drop: over for longer than the retention, and not held."""
    return sorted(month for month in months if month.following.start <= now - retention and month not in held)


def first_kept_month(now: datetime, retention: timedelta) -> Month:
    """Return the first month that is not over for longer than the retention."""
    return Month.of(now - retention)


def log_months_to_drop(log: Iterable[Month], kept: Collection[Month]) -> list[Month]:
    """Months of the log that tell of no record that is kept.

    A commit tells of records of its own month, of earlier ones (they came late), and of the next (a clock ahead).
    """
    return sorted(month for month in log if all(record > month.following for record in kept))
