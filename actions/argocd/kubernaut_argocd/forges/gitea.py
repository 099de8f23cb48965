"""Gitea (1.22 and newer) and Forgejo (7 and newer), by their REST API, which both inherited."""

import re
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
        reply = self.api.call("POST", self._path(f"/issues/{number}/labels"), {"labels": list(labels)})
        there = {label["name"] for label in reply.document or ()}
        if missing := [name for name in labels if name not in there]:  # it passes over those that it does not know
            raise PreconditionFailed(
                f"{self.api.name} has no label {', '.join(missing)} for this repository; make it there first.",
                reason="NoSuchLabel",
            )

    def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        self.api.call("POST", self._path(f"/pulls/{number}/requested_reviewers"), {"reviewers": list(reviewers)})

    def close(self, number: int) -> None:
        self.api.call("PATCH", self._path(f"/pulls/{number}"), {"state": "closed"})

    def checks(self, request: PullRequest) -> list[Check]:
        path = self._path(f"/commits/{request.commit}/status")
        found = [
            Check(status["context"], _STATES.get(status["status"], "failed"), required=False)
            for status in self.pages(path, "statuses", size="limit")
        ]
        branch = self.api.call("GET", self._path(f"/branches/{quote(request.base, safe='')}")).document
        patterns = (branch.get("status_check_contexts") if branch.get("enable_status_check") else None) or []
        required: list[str] = []
        for pattern in patterns:
            required += [check.name for check in found if _glob(pattern).fullmatch(check.name)] or [pattern]
        return mark_required(found, required)

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
        query = {"state": "open", "base_branch": base, "sort": "recentupdate"}
        items = self.pages(self._path("/pulls"), query=query, size="limit")
        own = [item for item in items if item["head"]["ref"] == head and _same_repository(item)]
        return _pull(own[0]) if own else None

    def _path(self, rest: str) -> str:
        return f"/repos/{quote(self.repository)}{rest}"


def _glob(pattern: str) -> re.Pattern[str]:
    """Return a required context, which may be a pattern (`ci/*`, `{lint,test}`), as a regular expression."""
    text, depth, place = "", 0, 0
    while place < len(pattern):
        sign = pattern[place]
        closing = pattern.find("]", place + 2)
        if sign == "\\" and place + 1 < len(pattern):
            place += 1
            text += re.escape(pattern[place])
        elif sign == "[" and closing > 0:
            inner = pattern[place + 1 : closing].replace("\\", "\\\\")
            text += f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
            place = closing
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
            text += "(?:" if sign == "{" else ")"
        elif sign == "," and depth:
            text += "|"
        else:
            text += {"*": ".*", "?": "."}.get(sign, re.escape(sign))
        place += 1
    try:
        return re.compile(text, re.DOTALL)
    except re.error:  # such as a brace that is not closed: it can only mean itself
        return re.compile(re.escape(pattern))


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
