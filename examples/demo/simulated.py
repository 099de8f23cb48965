"""Fill a folder with a simulated fleet of 90 days: `python examples/demo/simulated.py FOLDER`. Nothing of it happened.

What is true of it stands in `kubernaut_effectiveness.demodata`: so it can be seen whether the verdicts are right.
"""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from kubernaut_datastorage.http.alertmanager import parse_webhook
from kubernaut_datastorage.records.ingest import ReceivedEvent, parse_events
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Settings, SignalFiring, WatchKind, WatchMark
from kubernaut_effectiveness.demodata import SimulatedFleet, batches, simulate_fleet

__all__ = ["fill"]


def fill(folder: Path, now: datetime) -> SimulatedFleet:
    """Store a simulated fleet in a folder, and return it."""
    fleet = simulate_fleet(now)
    store = SqliteStore(open_sqlite(folder), Settings(clock=lambda: now))
    with ThreadPoolExecutor(1) as thread:  # where an event loop runs in this one, as in a notebook
        thread.submit(asyncio.run, _store(store, fleet)).result()
    return fleet


async def _store(store: SqliteStore, fleet: SimulatedFleet) -> None:
    settings = store.settings
    await store.start()
    try:
        for some in batches(fleet.events, 1000):
            received = parse_events(json.dumps(some).encode(), retention=settings.retention, now=settings.clock())
            good = [one for one in received if isinstance(one, ReceivedEvent)]
            if len(good) != len(some):
                raise RuntimeError(f"{len(some) - len(good)} events are refused: {set(received) - set(good)}")
            await store.put(good)
        told = [
            one
            for webhook in fleet.webhooks
            for one in parse_webhook(webhook, _heard(webhook["alerts"][0])).alerts
            if isinstance(one, SignalFiring)
        ]
        await store.put_signals(told)
        await store.put_watch([WatchMark(WatchKind.HEARTBEAT, "", at) for at in fleet.heartbeats])
        await store.put_watch([WatchMark(WatchKind.POLLED, "http://alertmanager:9093", at) for at in fleet.heartbeats])
    finally:
        await store.close()


def _heard(alert: dict[str, str]) -> datetime:
    """Return when a message about an alert came: at once."""
    return datetime.fromisoformat(alert["endsAt" if alert["status"] == "resolved" else "startsAt"])


if __name__ == "__main__":
    stored = fill(Path(sys.argv[1]), datetime.now(UTC))
    print(f"{len(stored.events)} simulated records, {len(stored.webhooks)} webhooks.")
