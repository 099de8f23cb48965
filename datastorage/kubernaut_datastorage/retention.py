"""Retention: months are created ahead, and dropped whole once they have been over for long enough.

Before a month is dropped, a commit of the log says so: verification then knows which records may be missing. Which
months are dropped is decided in `months.py`.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from kubernaut_datastorage.records.documents import encode
from kubernaut_datastorage.records.months import (
    Month,
    first_kept_month,
    log_months_to_drop,
    months_to_create,
    months_to_drop,
)
from kubernaut_datastorage.store import StorageError, Store

__all__ = ["drop_requested_month", "sweep", "sweep_regularly"]

logger = logging.getLogger(__name__)

_INTERVAL = 3_600.0
_FIRST = 5.0
"""Seconds until the first sweep, so that a run of some seconds does not pay for it."""


async def sweep_regularly(store: Store) -> None:
    """Sweep every hour, until cancelled. A sweep that fails is tried again the next time."""
    await asyncio.sleep(_FIRST)
    while True:
        try:
            for month in await sweep(store):
                logger.info("dropped %s: its records are older than the retention", month)
        except StorageError as error:
            logger.warning("retention waits: %s", error)
        except Exception:
            logger.exception("retention failed; it is tried again in an hour")
        await asyncio.sleep(_INTERVAL)


async def sweep(store: Store) -> Sequence[Month]:
    """Create the months that are needed, drop those that are over, and return the dropped ones.

    Of several replicas one does it; the others do nothing.
    """
    async with store.sweep_lock() as alone:
        return await _sweep(store) if alone else []


async def _sweep(store: Store) -> Sequence[Month]:
    now, retention = store.settings.clock(), store.settings.retention
    await store.create_months(months_to_create(now, retention))
    held = await store.holds()
    dropped = months_to_drop(await store.months(), held, now, retention)
    if not await _advance_position(store, now, retention, dropped):
        return []
    for month in dropped:
        await _drop(store, month)
    kept = [month for month in await store.months() if month not in dropped]
    for month in log_months_to_drop(await store.log_months(), kept) if kept else ():
        await _drop_log(store, month)
    return dropped


async def _advance_position(store: Store, now: datetime, retention: timedelta, months: Sequence[Month]) -> bool:
    """Return whether these months may be dropped, and keep how far retention has come.

    From one sweep to the next it comes at most one month further. Whatever lies beyond is a clock that jumped, a
    service that was off for months, or a retention that was shortened: a person says which.
    """
    kept, here = await store.sweep_position(), first_kept_month(now, retention)
    before = kept
    if before is None:
        # no sweep was ever kept: the last commit says when this store was used, and by which clock
        head = await store.head()
        before = here if head is None or head.at is None else min(here, first_kept_month(head.at, retention))
    if months and here > before.following:
        logger.error(
            "nothing is dropped: by this clock (%s) and a retention of %d days all of before %s is too old, and the "
            "last sweep came to %s; it may come one month further. If that is right, ask for the months by name: "
            "kubernaut records drop-month, for %s",
            f"{now:%Y-%m-%d}",
            retention.days,
            here,
            before,
            _names(months),
        )
        return False
    come = max(before, min(here, before.following))
    if come != kept:
        await store.save_sweep_position(come)
    return True


async def drop_requested_month(store: Store, month: Month) -> None:
    """Drop a month that an operator names; retention continues from there.

    Raises:
        StorageError: if it is held, is not over for as long as the retention says, or has no records.
    """
    now, retention = store.settings.clock(), store.settings.retention
    if month in (held := await store.holds()):
        raise StorageError(
            f"{month} is held ({held[month]}); release it first: kubernaut serve hold {month} --release."
        )
    if month >= first_kept_month(now, retention):
        message = f"{month} is not over for {retention.days} days; to keep records for a shorter time, say --retention."
        raise StorageError(message)
    if month not in await store.months():
        raise StorageError(f"there is nothing of {month}; there is {_names(await store.months())}.")
    await _drop(store, month)
    before = await store.sweep_position()
    if before is None or before < month.following:
        await store.save_sweep_position(month.following)


def _names(months: Sequence[Month]) -> str:
    return ", ".join(map(str, months)) or "no month at all"


async def _drop(store: Store, month: Month) -> None:
    await store.add_note(encode({"dropped": str(month)}))
    await store.drop_month(month)
    await store.drop_signals(month)


async def _drop_log(store: Store, month: Month) -> None:
    """Drop a month of the log, and note where the chain continues, so that it can still be verified."""
    before = await store.last_commit_before(month.following.start)
    if before is not None:
        where = {"log_dropped": str(month), "batch": before.batch, "chain": before.chain.hex()}
        await store.add_note(encode(where))
    await store.drop_log(month)
