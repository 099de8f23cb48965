"""Gitea (1.22 and newer) and Forgejo (7 and newer), by their REST API, which both inherited."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from kubernaut_argocd.forges.forge import (
    Check,
    CheckState,
    Forge,
    Mergeability,
    MergeMethod,
    NewPullRequest,
    PullRequest,
    mark_required,
)
from kubernaut_sdk import Failed, PreconditionFailed, Transient

__all__ = ["Gitea"]

_DRAFT = "WIP: "
"""The prefix of a title that makes a draft, by default."""
_STATES: dict[str, CheckState] = {"success": "passed", "skipped": "passed", "warning": "passed", "pending": "pending"}


class Gitea(Forge):
    """A repository on Gitea or Forgejo."""

    kind = "Gitea"

    def find(self, head: str, base: str) -> PullRequest | None:
        path = self._path(f"/pulls/{quote(base, safe='')}/{quote(head, safe='')}")
        reply = self.api.call("GET", path, expected=(404,))
        if reply.status == 404:
            return None
        found = _pull(reply.document)
        # it may be any of several of the same branches, also one that is closed
        return found if found.state == "open" else self._open_one(head, base) or found

    def read(self, number: int) -> PullRequest:
        return _pull(self.api.call("GET", self._path(f"/pulls/{number}")).document)

    def open(self, new: NewPullRequest) -> PullRequest:
        title = f"{_DRAFT}{new.title}" if new.draft else new.title
        body = {"title": title, "body": new.body, "head": new.head, "base": new.base}
        reply = self.api.call("POST", self._path("/pulls"), body, expected=(409, 422))
        if reply.status == 409 and (found := self.find(new.head, new.base)) is not None and found.state == "open":
            return found
        if reply.status in {409, 422}:
            raise Failed(self.refusal(reply.document), reason="PullRequestRefused")
        return _pull(reply.document)

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        self.api.call("POST", self._path(f"/issues/{number}/labels"), {"labels": list(labels)})

    def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        self.api.call("POST", self._path(f"/pulls/{number}/requested_reviewers"), {"reviewers": list(reviewers)})

    def close(self, number: int) -> None:
        self.api.call("PATCH", self._path(f"/pulls/{number}"), {"state": "closed"})

    def checks(self, request: PullRequest) -> list[Check]:
        document = self.api.call("GET", self._path(f"/commits/{request.commit}/status")).document
        found = [
            Check(status["context"], _STATES.get(status["status"], "failed"), required=False)
            for status in document.get("statuses") or ()
        ]
        branch = self.api.call("GET", self._path(f"/branches/{quote(request.base, safe='')}")).document
        required = branch.get("status_check_contexts") if branch.get("enable_status_check") else None
        return mark_required(found, required or [])

    def mergeability(self, number: int) -> Mergeability:
        pull = self.api.call("GET", self._path(f"/pulls/{number}")).document
        if pull.get("mergeable"):
            return Mergeability("ready")
        # false, too, while it is still being found out; and a pull request without a conflict never stays so
        return Mergeability("pending", "it conflicts with its base, or the forge is still finding out")

    def merge(self, number: int, commit: str, method: MergeMethod) -> None:
        body = {"Do": method, "head_commit_id": commit}
        reply = self.api.call("POST", self._path(f"/pulls/{number}/merge"), body, expected=(405, 409, 422))
        said = self.refusal(reply.document)
        if reply.status == 409:
            raise Transient(f"pull request {number} has another newest commit by now: {said}", reason="Conflict")
        if reply.status == 405 and "try again" in said.lower():
            raise Transient(said, reason="ForgeBusy")
        if reply.status in {405, 422}:
            raise PreconditionFailed(said, reason="MergeRefused")

    def _open_one(self, head: str, base: str) -> PullRequest | None:
        for page in range(1, 21):
            query = {"state": "open", "base_branch": base, "sort": "recentupdate", "limit": 50, "page": page}
            items = self.api.call("GET", self._path("/pulls"), query=query).document
            own = [item for item in items if item["head"]["ref"] == head and _same_repository(item)]
            if own:
                return _pull(own[0])
            if len(items) < 50:
                break
        return None

    def _path(self, rest: str) -> str:
        return f"/repos/{quote(self.repository)}{rest}"


def _same_repository(item: dict[str, Any]) -> bool:
    return bool(item["head"].get("repo_id") == item["base"].get("repo_id"))


def _pull(item: dict[str, Any]) -> PullRequest:
    return PullRequest(
        number=item["number"],
        url=item["html_url"],
        state="merged" if item.get("merged") else item["state"],
        draft=bool(item.get("draft")),
        head=item["head"]["ref"],
        commit=item["head"]["sha"],
        base=item["base"]["ref"],
        merge_commit=item.get("merge_commit_sha") or "",
    )
