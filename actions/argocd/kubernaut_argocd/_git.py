"""The git binary as this image's actions use it: a shallow clone in scratch space, and errors by their meaning.

Called by `kubernaut_argocd.files`. Nothing of the machine's own git configuration counts, so that a run on a laptop
commits what a run in a pod commits; and no conversion of line ends or filters, so that the bytes are the repository's.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_argocd._credentials import credentials
from kubernaut_sdk import ActionError, Completed, Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["Checkout", "cloned"]

_SETTINGS = {
    "commit.gpgSign": "false",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1000",  # bytes a second; a server that says nothing does not take the step's whole time
    "http.lowSpeedTime": "20",
}
_REFUSED = ("hook declined", "protected branch", "GH006")
_MEANS: tuple[tuple[tuple[str, ...], type[ActionError], str, str], ...] = (
    (
        (
            "[rejected]",
            "cannot lock ref",
            "failed to update ref",
            "fetch first",
            "incorrect old value",
            "non-fast-forward",
        ),
        Transient,
        "PushRejected",
        "",
    ),
    (
        (
            "Connection closed",
            "Connection refused",
            "Connection reset",
            "Connection timed out",
            "Could not resolve host",
            "Empty reply from server",
            "Failed to connect",
            "Network is unreachable",
            "No route to host",
            "Operation too slow",
            "The requested URL returned error: 429",
            "The requested URL returned error: 5",
            "early EOF",
            "remote end hung up unexpectedly",
            "unable to connect",
        ),
        Transient,
        "Unreachable",
        "",
    ),
    (("couldn't find remote ref",), NotFound, "NotFound", "; the repository has no such branch"),
    (
        ("does not appear to be a git repository", "does not exist", "not found", "repository not exported"),
        NotFound,
        "NotFound",
        "; check the repository's address, and whether the step's Secret opens it",
    ),
    (
        (
            "Authentication failed",
            "Could not read from remote repository",
            "Host key verification failed",
            "The requested URL returned error: 401",
            "The requested URL returned error: 403",
            "could not read Password",
            "could not read Username",
            "dubious ownership",
        ),
        PreconditionFailed,
        "AccessDenied",
        "; check the step's Secret",
    ),
    (("transport '",), PreconditionFailed, "ProtocolRefused", "; use https, http, ssh, git or file"),
)
"""Signs in git's own words, the first that is found counts: what they mean, and what to do."""


@dataclass(frozen=True)
class Checkout:
    """A branch's newest commit, checked out.

    Attributes:
        folder: Where.
        url: The repository.
        branch: Which.
    """

    folder: Path
    url: str
    branch: str
    _ctx: Context
    _env: Mapping[str, str]

    def path(self, name: str) -> Path:
        """A file of the repository.

        Raises:
            NotFound: if there is no such file.
            PreconditionFailed: if the way to it leads over a symbolic link.
        """
        path = self.folder / name
        if path.resolve() != self.folder.resolve() / name:
            raise PreconditionFailed(f"{name} is, or is within, a symbolic link; name the file that it leads to.")
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

    def push(self, *, dry_run: bool = False) -> None:
        """Pushes this branch and nothing else, never by force.

        Raises:
            Transient: if somebody pushed in between, or the server is out of reach.
            Failed: if the server refuses the push.
        """
        options = ["--quiet", *(["--dry-run"] if dry_run else [])]
        self._git(["push", *options, "--", self.url, f"HEAD:refs/heads/{self.branch}"])

    def newest(self, text: str) -> str:
        """The newest commit here whose message has a text; empty if there is none."""
        return self._git(["log", "-1", "--format=%H", "--fixed-strings", f"--grep={text}"]).stdout.strip()

    def _git(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        return _git(self._ctx, words, {**self._env, **(env or {})}, self.folder)


@contextmanager
def cloned(ctx: Context, repository: str, branch: str, *, depth: int = 1) -> Iterator[Checkout]:
    """A shallow clone of one branch, gone when the block ends.

    Raises:
        NotFound: if there is no such repository or branch.
        PreconditionFailed: if access is denied.
        Transient: if the server is out of reach.
    """
    folder = Path(tempfile.mkdtemp(prefix="git-", dir=ctx.workspace))
    try:
        where = folder / "checkout"
        env = _environment(where) | credentials(ctx, repository, folder, _SETTINGS)
        # a path is cloned as a file:// URL: shallow clones need a server's side
        url = f"file://{Path(repository).resolve()}" if repository.startswith("/") else repository
        _git(ctx, ["init", "--quiet", "--template=", "--initial-branch=kubernaut", "--", str(where)], env, folder)
        # not clone --branch, which takes a tag as well: the push would make a branch of it
        _git(ctx, ["fetch", "--quiet", f"--depth={depth}", "--no-tags", "--", url, f"refs/heads/{branch}"], env, where)
        attributes = where / ".git" / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* -text -filter -ident -working-tree-encoding\n")
        _git(ctx, ["reset", "--quiet", "--hard", "FETCH_HEAD"], env, where)
        yield Checkout(where, url, branch, ctx, env)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(where: Path) -> dict[str, str]:
    """No prompts, no configuration of this machine's, no protocol that runs programs, and English messages."""
    return {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_ASKPASS": "",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DIR": str(where / ".git"),  # this and the next two: a git hook's environment may be ours
        "GIT_INDEX_FILE": str(where / ".git" / "index"),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_WORK_TREE": str(where),
        "LANGUAGE": "",
        "LC_ALL": "C.UTF-8",
    }


def _git(ctx: Context, words: Sequence[str], env: Mapping[str, str], folder: Path) -> Completed:
    completed = ctx.run(["git", *words], env=env, cwd=folder, check=False)
    if completed.exit_code != 0:
        raise _error(completed, words[0])
    return completed


def _error(completed: Completed, verb: str) -> ActionError:
    lines = completed.stderr.splitlines()
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    own = "\n".join(line for line in lines if not line.startswith("remote:"))
    told = " / ".join(filter(None, dict.fromkeys([*remote[:5], *(line.strip() for line in own.splitlines()[-3:])])))
    message = f"git {verb} failed: {completed.mask(told)[:600] or completed.complaint()}"
    if any(sign in completed.stderr for sign in _REFUSED):
        return Failed(message, reason="PushRefused")
    if "Permission denied" in own:
        return PreconditionFailed(f"{message}; check the step's Secret", reason="AccessDenied")
    for signs, kind, reason, advice in _MEANS:
        if any(sign in own for sign in signs):
            return kind(message + advice, reason=reason)
    return Failed(message, reason="GitFailed")
