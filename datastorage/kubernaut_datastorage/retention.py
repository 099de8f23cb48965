"""Keeping what must be kept and no more: months are made ahead, and dropped whole when they are over for long enough.

Before a month is dropped, the log says so in a commit of its own: whoever verifies the log knows which records may be
missing. What is dropped is decided in `months.py`.
"""

import asyncio
import logging
from collections.abc import Sequence

from kubernaut_datastorage.documents import encode
from kubernaut_datastorage.months import Month, expired, log_expired, wanted
from kubernaut_datastorage.store import StorageError, Store

__all__ = ["keep", "sweep"]

logger = logging.getLogger(__name__)

_INTERVAL = 3_600.0
_FIRST = 5.0
"""Seconds until the first sweep, so that a run of some seconds does not pay for it."""


async def keep(store: Store) -> None:
    """Sweeps every hour, until it is cancelled. What fails is tried again the next time."""
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
    """Makes the months that are wanted, drops those that are over, and says which it dropped.

    Of several replicas one does it; the others do nothing.
    """
    async with store.alone() as alone:
        return await _sweep(store) if alone else []


async def _sweep(store: Store) -> Sequence[Month]:
    now, retention = store.settings.clock(), store.settings.retention
    await store.make_months(wanted(now, retention))
    held = await store.holds()
    dropped = expired(await store.months(), held, now, retention)
    for month in dropped:
        await store.note(encode({"dropped": str(month)}))
        await store.drop_month(month)
    kept = [month for month in await store.months() if month not in dropped]
    for month in log_expired(await store.log_months(), kept) if kept else ():
        await _drop_log(store, month)
    return dropped


async def _drop_log(store: Store, month: Month) -> None:
    """Drops a month of the log. What stays states where the chain goes on, so that it still hangs together."""
    before = await store.last_commit_before(month.following.start)
    if before is not None:
        where = {"log_dropped": str(month), "batch": before.batch, "chain": before.chain.hex()}
        await store.note(encode(where))
    await store.drop_log(month)
