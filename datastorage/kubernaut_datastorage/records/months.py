"""Calendar months: their range of UUIDv7 ids, their partitions, and which of them to create or to drop."""

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
        """Return the month of a time."""
        return Month(time.astimezone(UTC).year, time.astimezone(UTC).month)

    @staticmethod
    def of_key(key: bytes) -> "Month":
        """Return the month of the time within an id."""
        return Month.of(datetime.fromtimestamp(int.from_bytes(key[:6]) / 1000, UTC))

    @staticmethod
    def parse(text: str) -> "Month":
        """Return the month of a text such as `2026-01`.

        Raises:
            ValueError: for anything else.
        """
        time = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return Month(time.year, time.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def start(self) -> datetime:
        """The month's first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def following(self) -> "Month":
        """The next month."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def first_id(self) -> UUID:
        """The smallest id of the month. Its ids go from here to below the next month's."""
        return UUID(int=int(self.start.timestamp() * 1000) << 80)

    def partition(self, table: str) -> str:
        """Return the name of the month's partition, such as `action_records_2026_01`."""
        return f"{table}_{self.year:04}_{self.month:02}"


def months_to_create(now: datetime, retention: timedelta) -> list[Month]:
    """Return the months in which a record may be: from the oldest accepted one to `AHEAD` months from now."""
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
    """Return the months that have been over for longer than the retention, and are not held."""
    return sorted(month for month in months if month.following.start <= now - retention and month not in held)


def first_kept_month(now: datetime, retention: timedelta) -> Month:
    """Return the first month that is not over for longer than the retention."""
    return Month.of(now - retention)


def log_months_to_drop(log: Iterable[Month], kept: Collection[Month]) -> list[Month]:
    """Return the months of the log that have entries of no stored record.

    A commit tells of records of its own month, of earlier ones (they came late), and of the next (a clock ahead).
    """
    return sorted(month for month in log if all(record > month.following for record in kept))
