"""The git binary: a shallow clone in the workspace, with git's failures as errors of the action contract.

Used by `kubernaut_argocd.files`. The machine's own git configuration is ignored, so a run on a laptop commits the same
as a run in a pod. Line ends are not converted and no filter runs, so the bytes are the repository's.
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernaut_argocd._causes import NO_SUCH_BRANCH, PUSH_REJECTED, error_of
from kubernaut_argocd._credentials import GitAccess, git_access
from kubernaut_sdk import ActionError, Completed, Context, NotFound, PreconditionFailed

__all__ = ["PUSH_REJECTED", "Checkout", "clone"]

_SETTINGS = {
    "commit.gpgSign": "false",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "http.followRedirects": "false",  # git would send the password to the redirect's target
    "http.lowSpeedLimit": "1000",  # bytes a second: a silent server must not use up the step's whole time
    "http.lowSpeedTime": "20",
}


@dataclass(frozen=True)
class Checkout:
    """The newest commit of a branch, checked out.

    Attributes:
        folder: The folder of the working tree.
        url: The repository's URL.
        branch: The branch.
    """

    folder: Path
    url: str
    branch: str
    _ctx: Context
    _access: GitAccess

    def path(self, name: str) -> Path:
        """Return the path of a file in the working tree.

        Raises:
            NotFound: if there is no such file.
            PreconditionFailed: if the path contains a symbolic link.
        """
        path = self.folder / name
        if path.resolve() != self.folder.resolve() / name:
            raise PreconditionFailed(f"{name} is, or is within, a symbolic link; name the file that it leads to.")
        if not path.is_file():
            raise NotFound(f"there is no file {name} on branch {self.branch}.")
        return path

    def commit(self, name: str, message: str, author: str) -> str:
        """Commit a file and return the commit's id."""
        who, _, address = author.partition("<")
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", who.strip()), ("EMAIL", address.rstrip("> ")))
        }
        self._git(["add", "--", name])
        self._git(["commit", "--quiet", "--no-verify", f"--message={message}"], identity)
        return self.head()

    def head(self) -> str:
        """Return the id of the checked-out commit."""
        return self._git(["rev-parse", "HEAD"]).stdout.strip()

    def push(self, *, dry_run: bool = False) -> None:
        """Push this branch and nothing else, never with force.

        Raises:
            Transient: if somebody pushed in between, or the server is out of reach.
            Failed: if the server refuses the push.
        """
        options = ["--quiet", *(["--dry-run"] if dry_run else [])]
        self._git(["push", *options, "--", self.url, f"HEAD:refs/heads/{self.branch}"])

    def find_commit(self, text: str) -> str:
        """Return the newest commit in this clone whose message contains a text; empty if there is none."""
        return self._git(["log", "-1", "--format=%H", "--fixed-strings", f"--grep={text}"]).stdout.strip()

    def _git(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        return _git(self._ctx, words, self._access, self.folder, env)


@contextmanager
def clone(ctx: Context, repository: str, branch: str, *, depth: int = 1) -> Iterator[Checkout]:
    """Make a shallow clone of one branch, and remove it when the block ends.

    Raises:
        NotFound: if there is no such repository or branch.
        PreconditionFailed: if access is denied.
        Transient: if the server is out of reach.
    """
    folder = Path(tempfile.mkdtemp(prefix="git-", dir=ctx.workspace))
    try:
        where = folder / "checkout"
        access = git_access(ctx, repository, folder, _SETTINGS, _environment(where))
        # a local path becomes a file:// URL, since shallow clones need a server
        url = f"file://{Path(repository).resolve()}" if repository.startswith("/") else repository
        _git(ctx, ["init", "--quiet", "--template=", "--initial-branch=kubernaut", "--", str(where)], access, folder)
        # not `clone --branch`: it accepts a tag, too, and the push would then create a branch of that name
        fetch = ["fetch", "--quiet", f"--depth={depth}", "--no-tags", "--", url, f"refs/heads/{branch}"]
        try:
            _git(ctx, fetch, access, where)
        except NotFound as error:
            if error.reason != NO_SUCH_BRANCH:
                raise
            raise _no_such_branch(ctx, url, branch, access, where) from None
        attributes = where / ".git" / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* -text -filter -ident -working-tree-encoding\n")
        _git(ctx, ["reset", "--quiet", "--hard", "FETCH_HEAD"], access, where)
        yield Checkout(where, url, branch, ctx, access)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(where: Path) -> dict[str, str]:
    """Return an environment without prompts, machine settings and protocols that run programs, in English."""
    return {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_ASKPASS": "",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DIR": str(
            where / ".git"
        ),  # set with the index and work tree: this process may run in a git hook, which sets them, too
        "GIT_INDEX_FILE": str(where / ".git" / "index"),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_WORK_TREE": str(where),
        "LANGUAGE": "",
        "LC_ALL": "C.UTF-8",
    }


def _git(
    ctx: Context, words: Sequence[str], access: GitAccess, folder: Path, env: Mapping[str, str] | None = None
) -> Completed:
    completed = ctx.run(["git", *words], env={**access.env, **(env or {})}, cwd=folder, check=False)
    if completed.exit_code != 0:
        raise error_of(words[0], completed.mask(completed.stderr or completed.stdout), access)
    return completed


def _no_such_branch(ctx: Context, url: str, branch: str, access: GitAccess, where: Path) -> NotFound:
    """Return the error for a missing branch, naming the repository's default branch."""
    advice = ""
    with contextlib.suppress(ActionError):
        listed = _git(ctx, ["ls-remote", "--symref", "--", url, "HEAD", f"refs/tags/{branch}"], access, where).stdout
        if default := re.search(r"^ref: refs/heads/(\S+)\tHEAD$", listed, re.MULTILINE):
            advice = f"; its default branch is {default[1]}"
        elif not listed.strip():
            advice = "; it has no branch at all, or its default branch is not there"
        if f"\trefs/tags/{branch}" in listed:
            advice += f"; {branch} is a tag, and nothing can be pushed to one"
    return NotFound(f"branch {branch}: the repository has no such branch{advice}.", reason=NO_SUCH_BRANCH)
