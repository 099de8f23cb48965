"""A repository on a forge, for tests: on one of the stand-ins, or on a real Gitea where its program is here."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forge_standin import TOKEN, WEB, ForgeStandin
from loopback import await_listener, free_port

__all__ = ["FORGES", "ForgeWorld", "GiteaWorld", "RealGitea", "gitea_server", "standin_world"]

FORGES = ("github", "gitlab", "gitea")


class ForgeWorld:
    """A repository, the inputs and secrets with which an action finds it, and a look at its pull requests."""

    def __init__(self, repository: Any, standin: ForgeStandin) -> None:
        self.repository, self.standin = repository, standin
        self.inputs: dict[str, Any] = {
            "repository": str(repository.bare),
            "forge": standin.kind,
            "api": standin.api,
        }
        self.secrets = {"token": TOKEN}
        self.web = WEB

    def git(self, *words: str) -> str:
        return str(self.repository.git(*words, cwd=self.repository.bare))

    def show(self, ref: str, name: str) -> str:
        return self.git("show", f"{ref}:{name}")

    def branches(self) -> list[str]:
        return self.git("branch", "--format=%(refname:short)").split()

    def pulls(self) -> list[dict[str, Any]]:
        return [
            {
                "number": pull.number,
                "state": pull.state,
                "title": pull.title,
                "body": pull.body,
                "head": pull.head,
                "labels": pull.labels,
                "reviewers": pull.reviewers,
            }
            for pull in self.standin.pulls
        ]

    def close(self, number: int) -> None:
        pull = self.standin.pull(str(number))
        pull.frozen, pull.state = self.standin.sha(pull), "closed"

    def set_status(self, commit: str, name: str, state: str) -> None:
        self.standin.statuses.setdefault(commit, {})[name] = state

    def require(self, *names: str) -> None:
        self.standin.required = list(names)

    def push_elsewhere(self, branch: str, start: str, name: str, text: str) -> str:
        """Push a commit to a branch as somebody else, and return it."""
        git = self.repository.git
        git("fetch", "--quiet", "origin")
        git("checkout", "--quiet", "-B", "elsewhere", f"origin/{start}")
        (self.repository.work / name).write_text(text)
        git("add", ".")
        git("commit", "--quiet", "--message=theirs")
        git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return str(git("rev-parse", "HEAD")).strip()


@contextmanager
def standin_world(kind: str, repository: Any) -> Iterator[ForgeWorld]:
    """A repository on a stand-in."""
    forge = ForgeStandin(kind, repository.bare)
    try:
        yield ForgeWorld(repository, forge)
    finally:
        forge.close_server()


class RealGitea:
    """A running Gitea, with a user whose token may do everything."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"token {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "GET":
                return []  # Gitea's answer, too, for the pull requests of a repository that never had one
            raise
        return json.loads(text) if text.strip() else None


class GiteaWorld(ForgeWorld):
    """A repository on a real Gitea."""

    def __init__(self, gitea: RealGitea, name: str, repository: Any) -> None:
        self.gitea, self.name, self.repository = gitea, f"shop/{name}", repository
        gitea.call("POST", "/user/repos", {"name": name, "default_branch": "main", "private": True})
        self.address = f"{gitea.url}/{self.name}.git"
        self.inputs = {"repository": self.address, "forge": "gitea"}
        self.secrets = {"token": gitea.token}
        self.web = gitea.url
        with_token = self.address.replace("://", f"://shop:{gitea.token}@")
        repository.git("remote", "set-url", "origin", with_token)
        repository.git("push", "--quiet", "origin", "HEAD:refs/heads/main")

    def git(self, *words: str) -> str:
        self.repository.git("fetch", "--quiet", "--prune", "origin", "+refs/heads/*:refs/heads/*", cwd=self._mirror())
        return str(self.repository.git(*words, cwd=self._mirror()))

    def _mirror(self) -> Path:
        folder: Path = self.repository.work.parent / "mirror.git"
        if not folder.exists():
            self.repository.git("init", "--quiet", "--bare", str(folder), cwd=folder.parent)
            url = self.repository.git("remote", "get-url", "origin").strip()
            self.repository.git("remote", "add", "origin", url, cwd=folder)
        return folder

    def pulls(self) -> list[dict[str, Any]]:
        found = self.gitea.call("GET", f"/repos/{self.name}/pulls?state=all&sort=oldest")
        return [
            {
                "number": pull["number"],
                "state": "merged" if pull["merged"] else pull["state"],
                "title": pull["title"],
                "body": pull["body"],
                "head": pull["head"]["ref"],
                "labels": [label["name"] for label in pull["labels"] or ()],
                "reviewers": [user["login"] for user in pull["requested_reviewers"] or ()],
            }
            for pull in found
        ]

    def close(self, number: int) -> None:
        self.gitea.call("PATCH", f"/repos/{self.name}/pulls/{number}", {"state": "closed"})

    def set_status(self, commit: str, name: str, state: str) -> None:
        self.gitea.call("POST", f"/repos/{self.name}/statuses/{commit}", {"context": name, "state": state})

    def require(self, *names: str) -> None:
        rule = {"rule_name": "main", "enable_status_check": True, "status_check_contexts": list(names)}
        self.gitea.call("POST", f"/repos/{self.name}/branch_protections", rule)


@contextmanager
def gitea_server(program: Path, folder: Path) -> Iterator[RealGitea]:
    """A Gitea of this test run's own, on loopback, with SQLite."""
    port = free_port()
    url, config = f"http://127.0.0.1:{port}", folder / "app.ini"
    config.write_text(
        f"RUN_USER = {os.environ.get('GITEA_USER', 'root')}\nWORK_PATH = {folder}\n"
        f"[server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = {url}/\nSTATIC_ROOT_PATH = {program.parent}\n"
        "DISABLE_SSH = true\nOFFLINE_MODE = true\n"
        f"[database]\nDB_TYPE = sqlite3\nPATH = {folder}/gitea.db\n[security]\nINSTALL_LOCK = true\n"
        "[log]\nLEVEL = warn\n[actions]\nENABLED = false\n[indexer]\nISSUE_INDEXER_TYPE = db\n"
    )
    env = {
        **os.environ,
        "HOME": str(folder),
        "GITEA_WORK_DIR": str(folder),
        "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true",
    }

    def gitea(*words: str) -> str:
        done = subprocess.run([program, "--config", config, *words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    gitea("migrate")
    gitea("admin", "user", "create", "--username=shop", "--password=shop-4711-x", "--email=s@example.com", "--admin")
    token = gitea("admin", "user", "generate-access-token", "--username=shop", "--raw", "--scopes=all").strip()
    token = token.splitlines()[-1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "--config", config, "web"], env=env, stdout=log, stderr=log)
    try:
        await_listener(port, process, folder / "log")
        yield RealGitea(url, token)
    finally:
        process.terminate()
        process.wait()
