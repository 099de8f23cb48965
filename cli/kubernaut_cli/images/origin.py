"""The origin of an image's source: commit and remote, as git reports them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Origin", "read_origin", "web_address"]

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>(?!//).+)")
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^@/]*@)?(?P<host>[^/:]+)(?P<port>:\d+)?/(?P<path>.+)")


@dataclass(frozen=True)
class Origin:
    """The commit and the remote of a folder.

    Attributes:
        revision: The commit that is checked out, with `-dirty` if files differ from it; or None.
        source: The https address of the remote `origin`, or None.
    """

    revision: str | None = None
    source: str | None = None

    @property
    def github(self) -> str | None:
        """`owner/name` of a source on GitHub, in the lower case that registries require; otherwise None."""
        prefix = "https://github.com/"
        return self.source.removeprefix(prefix).lower() if self.source and self.source.startswith(prefix) else None


def read_origin(folder: Path) -> Origin:
    """Return the origin of a folder; an empty one if there is no git, no repository or no commit."""
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    if revision is None:
        return Origin()
    dirty = "-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") else ""
    remote = _git(folder, "remote", "get-url", "origin")
    return Origin(f"{revision}{dirty}", web_address(remote) if remote else None)


def web_address(remote: str) -> str | None:
    """Return the https address of a remote without credentials, or None if it has none, such as a folder."""
    match = _URL.fullmatch(remote) or _SCP.fullmatch(remote)
    if match is None:
        return None
    path = match["path"].strip("/").removesuffix(".git")
    return f"https://{match['host']}/{path}"


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
