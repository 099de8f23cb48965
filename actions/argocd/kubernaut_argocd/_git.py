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


_REMOTE = "origin"
_FILE, _PROGRAM, _LINK, _FOLDER = "100644", "100755", "120000", "040000"
"""The modes of entries in git's trees; _PROGRAM is an executable file."""


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

    def path(self, name: str, *, create: bool = False) -> Path:
        """Return the path of a file in the working tree, with the branch's content.

        Args:
            name: The file, from the repository's root.
            create: True if the file may be missing; the folders for it are made.

        Raises:
            NotFound: if there is no such file.
            PreconditionFailed: if the path contains a symbolic link, or a folder stands there.
        """
        path, mode = self.folder / name, self._mode(name)
        if mode == _FILE:
            if not path.exists():  # its content is fetched only now
                self._git(["update-index", "--no-skip-worktree", "--", name])
                self._git(["checkout-index", "--force", "--", name])
            return path
        parents = name.split("/")[:-1]
        outer = ["/".join(parents[: depth + 1]) for depth in range(len(parents))]
        if mode == _LINK or any(self._mode(folder) == _LINK for folder in outer):
            raise PreconditionFailed(f"{name} is, or is within, a symbolic link; name the file that it leads to.")
        if not create:
            raise NotFound(f"there is no file {name} on branch {self.branch}.")
        if mode or any(self._mode(folder) not in {"", _FOLDER} for folder in outer):
            raise PreconditionFailed(f"{name} cannot be created on branch {self.branch}; something else stands there.")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def read(self, name: str) -> str:
        """Return the text of a file, line ends as they are; raises as `path`.

        Raises:
            PreconditionFailed: if it is not UTF-8.
        """
        path = self.path(name)
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return file.read()
        except UnicodeDecodeError as error:
            raise PreconditionFailed(f"{path.name} is not UTF-8 text: {error.reason}.") from None

    def write(self, name: str, text: str, *, create: bool = False) -> None:
        """Write the text of a file, to the byte; raises as `path`."""
        self.path(name, create=create).write_text(text, encoding="utf-8", newline="")

    def _mode(self, name: str) -> str:
        """Return the kind of what stands at a path, as git's tree names it; empty if there is nothing."""
        listed = self._git(["ls-tree", "-z", "HEAD", "--", name]).stdout
        mode = listed.partition(" ")[0]
        return _FILE if mode in {_FILE, _PROGRAM} else mode

    def commit(self, names: Sequence[str], message: str, author: str) -> str:
        """Commit files and return the commit's id."""
        self._git(["add", "--sparse", "--", *names])
        return self.commit_index(message, author)

    def commit_index(self, message: str, author: str) -> str:
        """Commit the index and return the commit's id."""
        who, _, address = author.partition("<")
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", who.strip()), ("EMAIL", address.rstrip("> ")))
        }
        self._git(["commit", "--quiet", "--no-verify", f"--message={message}"], identity)
        return self.head()

    def head(self) -> str:
        """Return the id of the checked-out commit."""
        return self._git(["rev-parse", "HEAD"]).stdout.strip()

    def push(self, *, dry_run: bool = False, to: str | None = None) -> None:
        """Push to this branch and nothing else, never with force.

        Args:
            dry_run: True to only ask the server.
            to: Another branch, which must not be there yet.

        Raises:
            Transient: if somebody pushed in between, or the server is out of reach.
            Failed: if the server refuses the push.
        """
        options = ["--quiet", *(["--dry-run"] if dry_run else [])]
        if to is not None:
            options.append(f"--force-with-lease=refs/heads/{to}:")
        self._git(["push", *options, "--", self.url, f"HEAD:refs/heads/{to or self.branch}"])

    def delete_branch(self, branch: str, commit: str) -> None:
        """Delete a branch of the server, only while its newest commit is the given one.

        Raises:
            Transient: if it has another one by now.
        """
        lease = f"--force-with-lease=refs/heads/{branch}:{commit}"
        self._git(["push", "--quiet", lease, "--", self.url, f":refs/heads/{branch}"])

    def branch_tip(self, branch: str) -> str:
        """Return the newest commit of a branch of the server; empty if there is no such branch."""
        listed = self._git(["ls-remote", "--", self.url, f"refs/heads/{branch}"]).stdout
        return listed.split("\t")[0].strip()

    def follows(self, base: str) -> bool:
        """Return True if the checked-out commit is the first one after a commit of another branch of the server."""
        # commits alone, since only their parents are looked at
        fetch = ["fetch", "--quiet", "--no-tags", "--filter=tree:0", "--", _REMOTE, f"refs/heads/{base}"]
        self._git(fetch)
        parents = self._git(["rev-list", "--parents", "--max-count=1", "HEAD"]).stdout.split()[1:]
        return len(parents) == 1 and (
            self.try_run(["merge-base", "--is-ancestor", parents[0], "FETCH_HEAD"]).exit_code == 0
        )

    def diff(self, context: int = 3) -> str:
        """Return the change of the checked-out commit as a unified diff, masked."""
        shown = self._git(
            ["diff", "--no-color", "--no-ext-diff", "--no-textconv", f"--unified={context}", "HEAD~", "HEAD"]
        )
        return shown.mask(shown.stdout)

    def changed_files(self) -> list[str]:
        """Return the files that the checked-out commit changes."""
        listed = self._git(["diff", "--name-only", "--no-renames", "-z", "HEAD~", "HEAD"]).stdout
        return [name for name in listed.split("\0") if name]

    def message(self) -> str:
        """Return the message of the checked-out commit."""
        return self._git(["log", "-1", "--format=%B"]).stdout

    def run(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        """Run git in this clone.

        Raises:
            ActionError: the one that fits git's message, if it fails.
        """
        return self._git(words, env)

    def try_run(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        """Run git in this clone, for a caller that looks at the exit code itself."""
        return self._ctx.run(["git", *words], env={**self._access.env, **(env or {})}, cwd=self.folder, check=False)

    def find_commit(self, text: str) -> str:
        """Return the newest commit in this clone whose message contains a text; empty if there is none."""
        return self._git(["log", "-1", "--format=%H", "--fixed-strings", f"--grep={text}"]).stdout.strip()

    def error(self, verb: str, completed: Completed) -> ActionError:
        """Return the error that fits what a failed git command says."""
        return error_of(verb, completed.mask(completed.stderr or completed.stdout), self._access)

    def _git(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        return _git(self._ctx, words, self._access, self.folder, env)


@contextmanager
def clone(ctx: Context, repository: str, branch: str, *, depth: int | None = 1) -> Iterator[Checkout]:
    """Make a shallow clone of one branch, and remove it when the block ends.

    It is a partial clone, too, where the server can serve one: the content of a file is fetched when it is needed, so
    that a large repository takes seconds.

    Args:
        ctx: The context with time and secrets.
        repository: The repository's address.
        branch: The branch.
        depth: The number of commits to fetch; None for the whole history.

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
        (where / ".git" / "config").write_text(_partial_clone(url))
        history = [f"--depth={depth}"] if depth else []
        fetch = ["fetch", "--quiet", *history, "--no-tags", "--filter=blob:none", "--", _REMOTE, f"refs/heads/{branch}"]
        try:
            _git(ctx, fetch, access, where)
        except NotFound as error:
            if error.reason != NO_SUCH_BRANCH:
                raise
            raise _no_such_branch(ctx, url, branch, access, where) from None
        attributes = where / ".git" / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* -text -filter -ident -working-tree-encoding\n")
        # no file is checked out before it is needed
        (attributes.parent / "sparse-checkout").write_text("/.kubernaut-none/\n")
        _git(ctx, ["update-ref", "HEAD", "FETCH_HEAD"], access, where)
        _git(ctx, ["read-tree", "-m", "-u", "HEAD"], access, where)
        yield Checkout(where, url, branch, ctx, access)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _partial_clone(url: str) -> str:
    """Return the configuration of a partial clone; git reads its extensions from this file only."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    return (
        "[core]\n\trepositoryformatversion = 1\n\tsparseCheckout = true\n"
        f"[extensions]\n\tpartialClone = {_REMOTE}\n"
        f'[remote "{_REMOTE}"]\n\turl = "{quoted}"\n\tpromisor = true\n\tpartialclonefilter = blob:none\n'
    )


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
