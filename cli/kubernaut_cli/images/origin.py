"""Where an image's source comes from, as git knows it."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Origin", "read_origin", "web_address"]

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>(?!//).+)")
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^@/]*@)?(?P<host>[^/:]+)(?P<port>:\d+)?/(?P<path>.+)")


@dataclass(frozen=True)
class Origin:
    """What git says of a folder.

    Attributes:
        revision: The commit that is checked out, with `-dirty` where files differ from it; or None.
        source: The address of the remote `origin` for a browser; or None.
    """

    revision: str | None = None
    source: str | None = None

    @property
    def github(self) -> str | None:
        """`owner/name`, in the lower case that registries want, where the source is on GitHub."""
        prefix = "https://github.com/"
        return self.source.removeprefix(prefix).lower() if self.source and self.source.startswith(prefix) else None


def read_origin(folder: Path) -> Origin:
    """What git says of a folder; nothing where there is no git, no repository or no commit."""
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    if revision is None:
        return Origin()
    dirty = "-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".") else ""
    remote = _git(folder, "remote", "get-url", "origin")
    return Origin(f"{revision}{dirty}", web_address(remote) if remote else None)


def web_address(remote: str) -> str | None:
    """The https address of a remote; None for one that has none, such as a folder. What is secret in it is left out."""
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
