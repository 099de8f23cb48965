"""The packages of a release, as it builds them, and an index on loopback that has them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build" / "packages"


class PackageIndex(ThreadingHTTPServer):
    """An index (PEP 503) on loopback: our files, and for every other project a redirect to the real one."""

    daemon_threads = True

    def __init__(self, folder: Path, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _PackageIndexHandler)
        self.folder, self.upstream = folder, upstream
        self.asked: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple/"


class _PackageIndexHandler(BaseHTTPRequestHandler):
    server: PackageIndex

    def do_GET(self) -> None:
        *_, place, name = self.path.rstrip("/").split("/")
        if place == "files":
            return self._send((self.server.folder / name).read_bytes(), "application/octet-stream")
        self.server.asked.add(name)
        ours = sorted(path.name for path in self.server.folder.glob(f"{name.replace('-', '_')}-*"))
        if not ours:
            self.send_response(302)
            self.send_header("location", f"{self.server.upstream.rstrip('/')}/{name}/")
            self.end_headers()
            return None
        links = "".join(f'<a href="/files/{file}">{file}</a>' for file in ours)
        return self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


def build_packages() -> None:
    """Build the wheels and source distributions into PACKAGES, as the release does."""
    made = subprocess.run(["make", "packages"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    """Serve the packages; every other project is asked for where pip would ask here."""
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    ).stdout.strip()
    upstream = os.environ.get("PIP_INDEX_URL") or configured or "https://pypi.org/simple"
    with PackageIndex(PACKAGES, upstream) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
