"""The git binary as this image's actions use it: a shallow clone in scratch space, the mounted Secret's credentials."""

import base64
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_sdk import (
    ActionError,
    Completed,
    Context,
    Failed,
    InvalidInputs,
    NotFound,
    PreconditionFailed,
    Transient,
)

__all__ = ["Checkout", "cloned"]

_REPOSITORY = {
    "Authentication failed": PreconditionFailed,
    "Could not read from remote repository": PreconditionFailed,
    "Host key verification failed": PreconditionFailed,
    "Permission denied": PreconditionFailed,
    "could not read Username": PreconditionFailed,
    "does not appear to be a git repository": NotFound,
    "does not exist": NotFound,
    "not found": NotFound,
    "repository not exported": NotFound,
    "transport 'ext' not allowed": PreconditionFailed,
}
_OUT_OF_REACH = (
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Could not resolve host",
    "Failed to connect",
    "The requested URL returned error: 429",
    "The requested URL returned error: 5",
    "early EOF",
    "remote end hung up unexpectedly",
    "unable to connect",
)
_REFUSED = ("hook declined", "protected branch", "pre-receive", "GH006")
_SOMEBODY_WAS_FIRST = (
    "[rejected]",
    "cannot lock ref",
    "failed to update ref",
    "fetch first",
    "incorrect old value",
    "non-fast-forward",
)


@dataclass(frozen=True)
class Checkout:
    """A branch's newest commit, checked out.

    Attributes:
        folder: Where.
        branch: Which.
    """

    folder: Path
    branch: str
    _ctx: Context
    _env: Mapping[str, str]

    def path(self, name: str) -> Path:
        """A file of the repository.

        Raises:
            InvalidInputs: if the name leads out of it.
            NotFound: if there is no such file.
        """
        root = self.folder.resolve()
        path = (root / name).resolve()
        inside = (
            path.is_relative_to(self.folder.resolve()) and ".git" not in path.relative_to(self.folder.resolve()).parts
        )
        if not inside or name.startswith("/"):
            raise InvalidInputs(f"path {name} leads out of the repository; give one relative to its root.")
        if not path.is_file():
            raise NotFound(f"there is no file {name} on branch {self.branch}.")
        return path

    def commit(self, name: str, message: str, author: str) -> str:
        """Commits a file and returns the commit's id."""
        who, _, address = author.partition("<")
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", who.strip()), ("EMAIL", address.rstrip("> ")))
        }
        self._git(["add", "--", name])
        self._git(["commit", "--quiet", "--no-verify", f"--message={message}"], identity)
        return self._git(["rev-parse", "HEAD"]).stdout.strip()

    def push(self) -> None:
        """Pushes this branch and nothing else, never by force.

        Raises:
            Transient: if somebody pushed in between, or the server is out of reach.
            Failed: if the server refuses the push.
        """
        self._git(["push", "--quiet", "origin", f"HEAD:refs/heads/{self.branch}"])

    def newest(self) -> str:
        """The commit that the branch has on the server now."""
        answer = self._git(["ls-remote", "origin", f"refs/heads/{self.branch}"]).stdout
        return answer.split("\t", 1)[0]

    def _git(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        return _git(self._ctx, words, {**self._env, **(env or {})}, self.folder)


@contextmanager
def cloned(ctx: Context, repository: str, branch: str) -> Iterator[Checkout]:
    """A shallow clone of one branch, gone when the block ends.

    Raises:
        NotFound: if there is no such repository or branch.
        PreconditionFailed: if access is denied.
        Transient: if the server is out of reach.
    """
    folder = Path(tempfile.mkdtemp(prefix="git-", dir=ctx.workspace))
    try:
        env = _environment(ctx, repository, folder)
        where = folder / "checkout"
        # a path is cloned as a file:// URL: shallow clones need a server's side
        url = f"file://{Path(repository).resolve()}" if repository.startswith("/") else repository
        words = ["clone", "--quiet", "--depth=1", "--single-branch", f"--branch={branch}", "--", url, str(where)]
        _git(ctx, words, env, folder)
        yield Checkout(where, branch, ctx, env)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(ctx: Context, repository: str, folder: Path) -> dict[str, str]:
    """No prompts, no configuration of this machine's, no protocol that runs programs; and the credentials."""
    env = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "LC_ALL": "C.UTF-8",
    }
    if ctx.secret_path("password") is not None:
        username = ctx.secret("username") if ctx.secret_path("username") else "git"
        credentials = base64.b64encode(f"{username}:{ctx.secret('password')}".encode()).decode()
        ctx.mask(credentials)
        # for this server only, so that a redirect to another does not carry it along
        server = "/".join(repository.split("/")[:3])
        env |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{server}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {credentials}",
        }
    if (key := ctx.secret_path("ssh-privatekey")) is not None:
        private = folder / "key"
        private.touch(mode=0o600)
        private.write_text(key.read_text())
        known = ctx.secret_path("known_hosts") or "/dev/null"
        options = "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o BatchMode=yes"
        env["GIT_SSH_COMMAND"] = f"ssh -i {private} -o UserKnownHostsFile={known} {options}"
    return env


def _git(ctx: Context, words: Sequence[str], env: Mapping[str, str], folder: Path) -> Completed:
    completed = ctx.run(["git", *words], env=env, cwd=folder, check=False)
    if completed.exit_code != 0:
        raise _error(completed, words[0])
    return completed


def _error(completed: Completed, verb: str) -> ActionError:
    said = completed.stderr
    remote = [line.removeprefix("remote:").strip() for line in said.splitlines() if line.startswith("remote:")]
    message = f"git {verb} failed: {' / '.join(filter(None, [*remote[:5], completed.complaint()]))}"
    if any(sign in said for sign in _REFUSED):
        return Failed(message, reason="PushRefused")
    if any(sign in said for sign in _SOMEBODY_WAS_FIRST):
        return Transient(message, reason="PushRejected")
    if any(sign in said for sign in _OUT_OF_REACH) and "Permission denied" not in said:
        return Transient(message, reason="Unreachable")
    for sign, kind in _REPOSITORY.items():
        if sign in said:
            return kind(message)
    return Failed(message, reason="GitFailed")
