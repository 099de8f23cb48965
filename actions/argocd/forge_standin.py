"""Small forges on loopback: what GitHub's, GitLab's and Gitea's REST APIs answer to the calls that our actions make.

The branches are those of a real bare repository, and a merge is a real merge in it. Each call is kept, with the fields
that were sent and answered, for the contract tests (`test_forge_contracts.py`). As a program, for conformance.yaml, it
is a Gitea with one repository that git can reach, too:

    python3 forge_standin.py PORT REPOSITORY
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

TOKEN = "forge-token-4711"  # noqa: S105 – it opens nothing
BASES = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}
WEB = "https://forge.example.com"


@dataclass
class ForgeCall:
    """One call: the template of its path, what was sent, what was answered."""

    method: str
    template: str
    sent: Any
    status: int
    answered: Any


@dataclass
class StandinPull:
    """A pull request of the stand-in."""

    number: int
    title: str
    body: str
    head: str
    base: str
    state: str = "open"
    draft: bool = False
    merge_commit: str | None = None
    frozen: str = ""
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)


class Refused(Exception):
    """An answer with an error's status; a document of bytes is sent as it is."""

    def __init__(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.document, self.headers, self.template = status, document, headers or {}, ""


class ForgeStandin:
    """A forge with one repository.

    Attributes:
        faults: Answers to give instead, the first to the next call: a `Refused`, or a function that is called first.
        required: The checks that the base branch requires.
        statuses: Commit → check → `success`, `pending`, `failure`.
        runs: The check runs of GitHub, of any commit: name, status, and conclusion or None.
        conflict: True if no pull request can be merged.
    """

    def __init__(self, kind: str, bare: Path, port: int = 0) -> None:
        self.kind, self.bare = kind, bare
        self.pulls: list[StandinPull] = []
        self.calls: list[ForgeCall] = []
        self.tokens: list[str] = []
        self.faults: list[Refused | Callable[[], None]] = []
        self.required: list[str] = []
        self.statuses: dict[str, dict[str, str]] = {}
        self.runs: list[tuple[str, str, str | None]] = []
        self.conflict = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api = f"{self.root}{BASES[kind]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close_server(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tip(self, branch: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.bare}", "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class _ForgeHandler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                if not self.path.startswith(BASES[forge.kind]):
                    self._serve_git()
                    return
                length = int(self.headers.get("content-length") or 0)
                sent = json.loads(self.rfile.read(length)) if length else None
                forge.tokens.append(self.headers.get("authorization", ""))
                parts = urlsplit(self.path)
                path, headers = parts.path.removeprefix(BASES[forge.kind]), {}
                template = ""
                try:
                    if forge.faults and isinstance(fault := forge.faults.pop(0), Refused):
                        raise fault
                    forge.require_token(self.headers.get("authorization", ""))
                    template, status, document = forge.answer(self.command, path, dict(parse_qsl(parts.query)), sent)
                except Refused as refused:
                    status, document, headers = refused.status, refused.document, refused.headers
                    template = refused.template
                forge.calls.append(ForgeCall(self.command, template, sent, status, document))
                if isinstance(document, bytes):
                    data = document
                else:
                    data = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 – the names that http.server calls

            def _serve_git(self) -> None:
                """Let git's own CGI program answer, as any web server would."""
                parts, length = urlsplit(self.path), int(self.headers.get("content-length") or 0)
                env = {
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "GIT_PROJECT_ROOT": str(forge.bare.parent),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": re.sub(r"^/[^/]+", "", parts.path),
                    "QUERY_STRING": parts.query,
                    "CONTENT_TYPE": self.headers.get("content-type", ""),
                    "CONTENT_LENGTH": str(length),
                    "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                    "REMOTE_USER": "shop",
                }
                done = subprocess.run(
                    ["git", "http-backend"], input=self.rfile.read(length), env=env, capture_output=True, check=True
                )
                head, _, body = done.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return _ForgeHandler

    def require_token(self, header: str) -> None:
        """Refuse a call without the token."""
        if TOKEN not in header:
            raise Refused(401, {"message": "Bad credentials"})

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any) -> tuple[str, int, Any]:
        dialect = {"github": _GITHUB, "gitlab": _GITLAB, "gitea": _GITEA}[self.kind]
        for (verb, template), function in dialect.items():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if verb == method and (match := re.fullmatch(pattern, path)):
                named = {name: unquote(value) for name, value in match.groupdict().items()}
                try:
                    status, document = function(self, named, query, sent)
                except Refused as refused:
                    refused.template = template
                    raise
                return template, status, document
        raise Refused(404, {"message": f"Not Found: {method} {path}"})

    def pull(self, number: str) -> StandinPull:
        found = next((pull for pull in self.pulls if pull.number == int(number)), None)
        if found is None:
            raise Refused(404, {"message": "Not Found"})
        return found

    def sha(self, pull: StandinPull) -> str:
        return pull.frozen or self.tip(pull.head) or "0" * 40

    def open(self, title: str, body: str, head: str, base: str, draft: bool) -> StandinPull | None:
        if any((pull.head, pull.base, pull.state) == (head, base, "open") for pull in self.pulls):
            return None
        assert self.tip(head), f"no branch {head}"
        pull = StandinPull(len(self.pulls) + 1, title, body, head, base, draft=draft)
        self.pulls.append(pull)
        return pull

    def merge(self, pull: StandinPull, commit: str | None) -> None:
        """Merge for real: what the base becomes is in the repository."""
        assert commit == self.sha(pull)
        base = self.tip(pull.base)
        env = {"GIT_DIR": str(self.bare), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        env |= {f"GIT_{who}_{part}": "f@example.com" for who in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}

        def git(*words: str) -> str:
            return subprocess.run(["git", *words], env=env, capture_output=True, text=True, check=True).stdout.strip()

        tree = git("merge-tree", "--write-tree", base, commit).splitlines()[0]
        pull.frozen, pull.state = commit, "merged"
        pull.merge_commit = git("commit-tree", tree, "-p", base, "-p", commit, "-m", f"Merge {pull.number}")
        git("update-ref", f"refs/heads/{pull.base}", pull.merge_commit, base)


Dialect = dict[tuple[str, str], Callable[[ForgeStandin, dict[str, str], dict[str, str], Any], tuple[int, Any]]]


def _page(items: list[Any], query: dict[str, str]) -> list[Any]:
    """Return a page of a list; as on Gitea, one has 50 items at most."""
    size = min(int(query.get("limit") or query.get("per_page") or 30), 50 if "limit" in query else 100)
    begin = (int(query.get("page") or 1) - 1) * size
    return items[begin : begin + size]


def _github_pull(forge: ForgeStandin, pull: StandinPull) -> dict[str, Any]:
    merged = pull.state == "merged"
    return {
        "number": pull.number,
        "html_url": f"{WEB}/shop/deploy/pull/{pull.number}",
        "state": "open" if pull.state == "open" else "closed",
        "merged_at": "2026-01-01T00:00:00Z" if merged else None,
        "merge_commit_sha": pull.merge_commit,
        "draft": pull.draft,
        "head": {"ref": pull.head, "sha": forge.sha(pull)},
        "base": {"ref": pull.base, "sha": forge.tip(pull.base)},
    }


def _github_list(forge: ForgeStandin, named: Any, query: dict[str, str], sent: Any) -> tuple[int, Any]:
    head = query["head"].partition(":")[2]
    found = [pull for pull in forge.pulls if (pull.head, pull.base) == (head, query["base"])]
    return 200, [_github_pull(forge, pull) for pull in reversed(found)]


def _github_open(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.open(sent["title"], sent["body"], sent["head"], sent["base"], sent["draft"])
    if pull is None:
        said = f"A pull request already exists for shop:{sent['head']}."
        error = {"resource": "PullRequest", "code": "custom", "message": said}
        raise Refused(422, {"message": "Validation Failed", "errors": [error]})
    return 201, _github_pull(forge, pull)


def _github_read(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    extra = {"mergeable": not forge.conflict, "mergeable_state": "dirty" if forge.conflict else "clean"}
    return 200, {**_github_pull(forge, forge.pull(named["pull_number"])), **extra}


def _github_patch(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["pull_number"])
    pull.frozen, pull.state = forge.sha(pull), sent["state"]
    return 200, _github_pull(forge, pull)


def _github_merge(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["pull_number"])
    if sent["sha"] != forge.sha(pull):
        raise Refused(409, {"message": "Head branch was modified. Review and try the merge again."})
    forge.merge(pull, sent["sha"])
    return 200, {"sha": pull.merge_commit, "merged": True, "message": "Pull Request successfully merged"}


def _github_labels(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    forge.pull(named["issue_number"]).labels += sent["labels"]
    return 200, [{"name": name} for name in sent["labels"]]


def _reviewers(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    number = named.get("pull_number") or named["index"]
    if "nobody" in sent["reviewers"]:
        raise Refused(422, {"message": "Reviews may only be requested from collaborators."})
    forge.pull(number).reviewers += sent["reviewers"]
    return 201, _github_pull(forge, forge.pull(number)) if forge.kind == "github" else []


def _github_runs(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    runs = [{"name": name, "status": status, "conclusion": end} for name, status, end in forge.runs]
    return 200, {"total_count": len(runs), "check_runs": _page(runs, query)}


def _github_status(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    found = forge.statuses.get(named["ref"], {})
    statuses = [{"context": name, "state": state} for name, state in found.items()]
    return 200, {"state": "success", "statuses": _page(statuses, query)}


def _github_branch(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    return 200, {
        "name": named["branch"],
        "protected": bool(forge.required),
        "protection": {"required_status_checks": {"contexts": forge.required}},
    }


_GITHUB: Dialect = {
    ("GET", "/repos/{owner}/{repo}/pulls"): _github_list,
    ("POST", "/repos/{owner}/{repo}/pulls"): _github_open,
    ("GET", "/repos/{owner}/{repo}/pulls/{pull_number}"): _github_read,
    ("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}"): _github_patch,
    ("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/merge"): _github_merge,
    ("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels"): _github_labels,
    ("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers"): _reviewers,
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs"): _github_runs,
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/status"): _github_status,
    ("GET", "/repos/{owner}/{repo}/branches/{branch}"): _github_branch,
    ("GET", "/repos/{owner}/{repo}/rules/branches/{branch}"): lambda *_: (200, []),
}


def _gitea_pull(forge: ForgeStandin, pull: StandinPull) -> dict[str, Any]:
    return {
        "number": pull.number,
        "html_url": f"{WEB}/shop/deploy/pulls/{pull.number}",
        "state": "open" if pull.state == "open" else "closed",
        "merged": pull.state == "merged",
        "merge_commit_sha": pull.merge_commit,
        "mergeable": not forge.conflict,
        "draft": pull.title.startswith("WIP: "),
        "head": {"ref": pull.head, "sha": forge.sha(pull), "repo_id": 1},
        "base": {"ref": pull.base, "sha": forge.tip(pull.base), "repo_id": 1},
    }


def _gitea_find(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    found = [pull for pull in forge.pulls if (pull.base, pull.head) == (named["base"], named["head"])]
    if not found:
        raise Refused(404, {"message": "The target couldn't be found."})
    return 200, _gitea_pull(forge, found[0])


def _gitea_list(forge: ForgeStandin, named: Any, query: dict[str, str], sent: Any) -> tuple[int, Any]:
    found = [pull for pull in forge.pulls if pull.state == query["state"] and pull.base == query["base_branch"]]
    return 200, _page([_gitea_pull(forge, pull) for pull in found], query)


def _gitea_open(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.open(sent["title"], sent["body"], sent["head"], sent["base"], sent["title"].startswith("WIP: "))
    if pull is None:
        raise Refused(409, {"message": "pull request already exists for these targets"})
    return 201, _gitea_pull(forge, pull)


def _gitea_read(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    return 200, _gitea_pull(forge, forge.pull(named["index"]))


def _gitea_patch(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["index"])
    pull.frozen, pull.state = forge.sha(pull), sent["state"]
    return 201, _gitea_pull(forge, pull)


def _gitea_merge(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["index"])
    if sent["head_commit_id"] != forge.sha(pull):
        raise Refused(409, {"message": "head out of date"})
    forge.merge(pull, sent["head_commit_id"])
    return 200, None


def _gitea_labels(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["index"])
    pull.labels += [name for name in sent["labels"] if name != "unknown"]
    return 200, [{"name": name} for name in pull.labels]


def _gitea_status(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    found = forge.statuses.get(named["ref"], {})
    statuses = [{"context": name, "status": state} for name, state in found.items()]
    return 200, {"state": "", "statuses": _page(statuses, query)}


def _gitea_branch(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    required = forge.required
    return 200, {"name": named["branch"], "enable_status_check": bool(required), "status_check_contexts": required}


def _reset(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    forge.pulls.clear()
    return 200, {}


_GITEA: Dialect = {
    ("POST", "/standin/reset"): _reset,
    ("GET", "/version"): lambda *_: (200, {"version": "1.25.4"}),
    ("GET", "/repos/{owner}/{repo}/pulls"): _gitea_list,
    ("POST", "/repos/{owner}/{repo}/pulls"): _gitea_open,
    ("GET", "/repos/{owner}/{repo}/pulls/{index}"): _gitea_read,
    ("GET", "/repos/{owner}/{repo}/pulls/{base}/{head}"): _gitea_find,
    ("PATCH", "/repos/{owner}/{repo}/pulls/{index}"): _gitea_patch,
    ("POST", "/repos/{owner}/{repo}/pulls/{index}/merge"): _gitea_merge,
    ("POST", "/repos/{owner}/{repo}/pulls/{index}/requested_reviewers"): _reviewers,
    ("POST", "/repos/{owner}/{repo}/issues/{index}/labels"): _gitea_labels,
    ("GET", "/repos/{owner}/{repo}/commits/{ref}/status"): _gitea_status,
    ("GET", "/repos/{owner}/{repo}/branches/{branch}"): _gitea_branch,
}


def _gitlab_pull(forge: ForgeStandin, pull: StandinPull) -> dict[str, Any]:
    return {
        "iid": pull.number,
        "web_url": f"{WEB}/shop/deploy/-/merge_requests/{pull.number}",
        "state": {"open": "opened"}.get(pull.state, pull.state),
        "draft": pull.title.startswith("Draft: "),
        "sha": forge.sha(pull),
        "source_branch": pull.head,
        "target_branch": pull.base,
        "source_project_id": 1,
        "target_project_id": 1,
        "merge_commit_sha": pull.merge_commit,
        "squash_commit_sha": None,
        "detailed_merge_status": "conflict" if forge.conflict else "mergeable",
    }


def _gitlab_list(forge: ForgeStandin, named: Any, query: dict[str, str], sent: Any) -> tuple[int, Any]:
    wanted = (query["source_branch"], query["target_branch"])
    found = [pull for pull in forge.pulls if (pull.head, pull.base) == wanted]
    return 200, [_gitlab_pull(forge, pull) for pull in reversed(found)]


def _gitlab_open(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    draft = sent["title"].startswith("Draft: ")
    pull = forge.open(sent["title"], sent["description"], sent["source_branch"], sent["target_branch"], draft)
    if pull is None:
        raise Refused(409, {"message": ["Another open merge request already exists for this source branch: !1"]})
    return 201, _gitlab_pull(forge, pull)


def _gitlab_read(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    return 200, _gitlab_pull(forge, forge.pull(named["merge_request_iid"]))


def _gitlab_put(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["merge_request_iid"])
    if sent.get("state_event") == "close":
        pull.frozen, pull.state = forge.sha(pull), "closed"
    pull.labels += [name for name in sent.get("add_labels", "").split(",") if name]
    pull.reviewers += ["alice"] * len(sent.get("reviewer_ids", ()))
    return 200, _gitlab_pull(forge, pull)


def _gitlab_merge(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    pull = forge.pull(named["merge_request_iid"])
    if sent["sha"] != forge.sha(pull):
        raise Refused(409, {"message": "SHA does not match HEAD of source branch"})
    forge.merge(pull, sent["sha"])
    return 200, _gitlab_pull(forge, pull)


def _gitlab_statuses(forge: ForgeStandin, named: Any, query: Any, sent: Any) -> tuple[int, Any]:
    states = {"success": "success", "pending": "running", "failure": "failed"}
    found = dict.fromkeys(forge.required, "pending") | forge.statuses.get(named["sha"], {})
    optional = forge.statuses.get("optional", {})
    items = [
        {"name": name, "status": states.get(state, state), "allow_failure": name in optional}
        for name, state in found.items()
    ]
    return 200, _page(items, query)


def _gitlab_users(forge: ForgeStandin, named: Any, query: dict[str, str], sent: Any) -> tuple[int, Any]:
    return 200, [] if query["username"] == "nobody" else [{"id": 7, "username": query["username"]}]


_GITLAB: Dialect = {
    ("GET", "/projects/{id}/merge_requests"): _gitlab_list,
    ("POST", "/projects/{id}/merge_requests"): _gitlab_open,
    ("GET", "/projects/{id}/merge_requests/{merge_request_iid}"): _gitlab_read,
    ("PUT", "/projects/{id}/merge_requests/{merge_request_iid}"): _gitlab_put,
    ("PUT", "/projects/{id}/merge_requests/{merge_request_iid}/merge"): _gitlab_merge,
    ("GET", "/projects/{id}/repository/commits/{sha}/statuses"): _gitlab_statuses,
    ("GET", "/users"): _gitlab_users,
}


if __name__ == "__main__":
    ForgeStandin("gitea", Path(sys.argv[2]), int(sys.argv[1]))
    threading.Event().wait()
