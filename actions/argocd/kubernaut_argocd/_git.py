"""The git binary as this image's actions use it: a shallow clone in scratch space, and errors by their meaning.

Called by `kubernaut_argocd.files`. Nothing of the machine's own git configuration counts, so that a run on a laptop
commits what a run in a pod commits; and no conversion of line ends or filters, so that the bytes are the repository's.
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
from kubernaut_argocd._credentials import Access, granted
from kubernaut_sdk import ActionError, Completed, Context, NotFound, PreconditionFailed

__all__ = ["PUSH_REJECTED", "Checkout", "cloned"]

_SETTINGS = {
    "commit.gpgSign": "false",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "http.followRedirects": "false",  # git would hand the password on to wherever the server points
    "http.lowSpeedLimit": "1000",  # bytes a second; a server that says nothing does not take the step's whole time
    "http.lowSpeedTime": "20",
}


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
    _access: Access

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
        """Return the id of the newest commit here."""
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
        return _git(self._ctx, words, self._access, self.folder, env)


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
        access = granted(ctx, repository, folder, _SETTINGS, _environment(where))
        # a path is cloned as a file:// URL: shallow clones need a server's side
        url = f"file://{Path(repository).resolve()}" if repository.startswith("/") else repository
        _git(ctx, ["init", "--quiet", "--template=", "--initial-branch=kubernaut", "--", str(where)], access, folder)
        # not clone --branch, which takes a tag as well: the push would make a branch of it
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


def _git(
    ctx: Context, words: Sequence[str], access: Access, folder: Path, env: Mapping[str, str] | None = None
) -> Completed:
    completed = ctx.run(["git", *words], env={**access.env, **(env or {})}, cwd=folder, check=False)
    if completed.exit_code != 0:
        raise error_of(words[0], completed.mask(completed.stderr or completed.stdout), access)
    return completed


def _no_such_branch(ctx: Context, url: str, branch: str, access: Access, where: Path) -> NotFound:
    """Return the refusal, with the branch that the repository itself would take."""
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
