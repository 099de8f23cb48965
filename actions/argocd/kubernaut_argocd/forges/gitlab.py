"""GitLab (16 and newer), by its REST API, version 4."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from kubernaut_argocd._http import complaint
from kubernaut_argocd.forges.forge import (
    Check,
    CheckState,
    Forge,
    Mergeability,
    MergeMethod,
    NewPullRequest,
    PullRequest,
    PullRequestState,
)
from kubernaut_sdk import Failed, NotFound, PreconditionFailed, Transient

__all__ = ["GitLab"]

_DRAFT = "Draft: "
_STATES: dict[str, PullRequestState] = {"opened": "open", "locked": "open", "merged": "merged", "closed": "closed"}
_PASSED = {"success", "skipped", "manual"}
_ENDED = _PASSED | {"failed", "canceled"}
"""The statuses of a job that has ended, or waits for a person; every other one may still become one of them
(docs.gitlab.com/api/jobs/: created, waiting_for_resource, preparing, pending, running, scheduled, canceling)."""
_UNDECIDED = {"unchecked", "checking", "approvals_syncing", "preparing", "ci_still_running"}
_BLOCKS = {
    "broken_status": "it conflicts with its base, or has no commits",
    "ci_must_pass": "its pipeline must pass first",
    "commits_status": "it has no commits, or its branch is gone",
    "conflict": "it conflicts with its base",
    "discussions_not_resolved": "its discussions must be resolved first",
    "draft_status": "it is a draft",
    "merge_request_blocked": "another merge request blocks it",
    "need_rebase": "it must be rebased first",
    "not_approved": "it needs an approval",
    "not_open": "it is not open",
    "requested_changes": "a reviewer asks for changes",
}
"""The values of `detailed_merge_status` that say no, in words."""


class GitLab(Forge):
    """A project on GitLab; its merge requests are the pull requests."""

    kind = "GitLab"

    def find(self, head: str, base: str) -> PullRequest | None:
        query = {"source_branch": head, "target_branch": base, "state": "all", "per_page": 100}  # the newest first
        items = self.api.call("GET", self._path("/merge_requests"), query=query).document
        found = [_pull(item) for item in items if item["source_project_id"] == item["target_project_id"]]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    def read(self, number: int) -> PullRequest:
        return _pull(self._read(number))

    def open(self, new: NewPullRequest) -> PullRequest:
        title = f"{_DRAFT}{new.title}" if new.draft else new.title
        body = {"title": title, "description": new.body, "source_branch": new.head, "target_branch": new.base}
        reply = self.api.call("POST", self._path("/merge_requests"), body, expected=(409, 422))
        if reply.status == 409 and (found := self.find(new.head, new.base)) is not None and found.state == "open":
            return found
        if reply.status in {409, 422}:
            raise Failed(self.refusal(reply.document), reason="PullRequestRefused")
        return _pull(reply.document)

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        self.api.call("PUT", self._path(f"/merge_requests/{number}"), {"add_labels": ",".join(labels)})

    def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        ids = []
        for name in reviewers:
            users = self.api.call("GET", "/users", query={"username": name}).document
            if not users:
                raise NotFound(f"{self.api.name} has no user {name}.")
            ids.append(users[0]["id"])
        self.api.call("PUT", self._path(f"/merge_requests/{number}"), {"reviewer_ids": ids})

    def close(self, number: int) -> None:
        self.api.call("PUT", self._path(f"/merge_requests/{number}"), {"state_event": "close"})

    def checks(self, request: PullRequest) -> list[Check]:
        items = self.pages(self._path(f"/repository/commits/{request.commit}/statuses"))
        return [Check(item["name"], _state(item["status"]), required=not item["allow_failure"]) for item in items]

    def mergeability(self, number: int) -> Mergeability:
        status = self._read(number)["detailed_merge_status"]
        if status == "mergeable":
            return Mergeability("ready")
        if status in _UNDECIDED:
            return Mergeability("pending", f"{self.api.name} says {status}")
        return Mergeability("blocked", _BLOCKS.get(status, f"{self.api.name} says {status}"))

    def merge(self, number: int, commit: str, method: MergeMethod) -> None:
        if method == "rebase":
            raise PreconditionFailed(
                "GitLab has no method rebase for one merge: the project's settings decide; use merge or squash.",
                reason="MergeRefused",
            )
        body = {"sha": commit, "squash": method == "squash"}
        path = self._path(f"/merge_requests/{number}/merge")
        reply = self.api.call("PUT", path, body, expected=(401, 405, 406, 409, 422))
        if reply.status == 401:  # its answer to a token that is valid: it has been used to look at the checks
            raise PreconditionFailed(
                f"{self.api.name} does not let the token's user merge into this branch ({complaint(reply.document)}).",
                reason="AccessDenied",
            )
        if reply.status == 409:
            raise Transient(f"merge request {number} has another newest commit by now.", reason="Conflict")
        if reply.status in {405, 406, 422}:
            raise PreconditionFailed(self.refusal(reply.document), reason="MergeRefused")

    def _read(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.api.call("GET", self._path(f"/merge_requests/{number}")).document
        return found

    def _path(self, rest: str) -> str:
        return f"/projects/{quote(self.repository, safe='')}{rest}"


def _pull(item: dict[str, Any]) -> PullRequest:
    made = item.get("merge_commit_sha") or item.get("squash_commit_sha")
    if not made and item["state"] == "merged":
        made = item["sha"]  # a fast-forward makes no commit of its own
    return PullRequest(
        number=item["iid"],
        url=item["web_url"],
        state=_STATES[item["state"]],
        draft=bool(item.get("draft")),
        head=item["source_branch"],
        commit=item["sha"],
        base=item["target_branch"],
        merge_commit=made or "",
    )


def _state(status: str) -> CheckState:
    if status in _PASSED:
        return "passed"
    return "failed" if status in _ENDED else "pending"
