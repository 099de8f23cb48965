"""A release as its users get it: the files of its page, and `pip install` from an index, with no clone in reach."""

import os
import subprocess
import tarfile
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.release.packageindex import package_index

__all__ = ["Release", "installed_command", "release_page"]


@dataclass(frozen=True)
class Release:
    """The files of a release, and an environment with its packages.

    Attributes:
        folder: The folder that has them, and nothing else.
        images: The images by digest: the last part of the name → the image.
    """

    folder: Path
    images: dict[str, str]

    def sh(self, *words: str, **env: str) -> str:
        """Run a program of the environment, or of the machine, in the folder."""
        path = f"{self.folder / 'env' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        known = {name: os.environ[name] for name in ("KUBECONFIG",) if name in os.environ}
        variables = {"PATH": path, "HOME": str(self.folder), **known, **env}
        ended = subprocess.run(words, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=580)
        assert ended.returncode == 0, f"{words}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout


@contextmanager
def installed_command(release: Release) -> Iterator[dict[str, str]]:
    """Make the environment, empty, and serve the packages; the variables by which pip takes them from there."""
    venv.create(release.folder / "env", with_pip=True)
    cache = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    options = {"PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1", "PIP_CACHE_DIR": cache}
    with package_index() as index:
        yield {**options, "PIP_INDEX_URL": index.url}


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def release_page(release: Release) -> Iterator[str]:
    """Serve the files of a release, its catalogue packed, and return the address that stands before their names."""
    with tarfile.open(release.folder / "catalog.tar.gz", "w:gz") as archive:
        archive.add(release.folder / "catalog", "catalog")
    handler = partial(QuietFiles, directory=str(release.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
