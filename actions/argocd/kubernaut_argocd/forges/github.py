"""GitHub and GitHub Enterprise Server, by their REST API (version 2022-11-28)."""

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
from kubernaut_sdk import Failed, NotFound, PreconditionFailed, Transient

__all__ = ["GitHub"]

_PASSED = {"success", "neutral", "skipped"}
_STATUSES: dict[str, CheckState] = {"success": "passed", "pending": "pending"}


class GitHub(Forge):
    """A repository on GitHub."""

    kind = "GitHub"

    def find(self, head: str, base: str) -> PullRequest | None:
        owner = self.repository.partition("/")[0]
        query = {"head": f"{owner}:{head}", "base": base, "state": "all", "per_page": 100}  # the newest first
        found = [_pull(item) for item in self.api.call("GET", self._path("/pulls"), query=query).document]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    def read(self, number: int) -> PullRequest:
        return _pull(self.api.call("GET", self._path(f"/pulls/{number}")).document)

    def open(self, new: NewPullRequest) -> PullRequest:
        body = {"title": new.title, "body": new.body, "head": new.head, "base": new.base, "draft": new.draft}
        reply = self.api.call("POST", self._path("/pulls"), body, expected=(422,))
        if reply.status == 422:
            found = self.find(new.head, new.base)
            if found is not None and found.state == "open":
                return found
            if any(
                error.get("field") == "head" and error.get("code") == "invalid" for error in _errors(reply.document)
            ):
                raise NotFound(self.refusal(reply.document))
            raise Failed(self.refusal(reply.document), reason="PullRequestRefused")
        return _pull(reply.document)

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        self.api.call("POST", self._path(f"/issues/{number}/labels"), {"labels": list(labels)})

    def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        self.api.call("POST", self._path(f"/pulls/{number}/requested_reviewers"), {"reviewers": list(reviewers)})

    def close(self, number: int) -> None:
        self.api.call("PATCH", self._path(f"/pulls/{number}"), {"state": "closed"})

    def checks(self, request: PullRequest) -> list[Check]:
        runs = self.pages(self._path(f"/commits/{request.commit}/check-runs"), "check_runs")
        statuses = self.pages(self._path(f"/commits/{request.commit}/status"), "statuses")
        # two workflows may have jobs of one name: a required check has passed only if each of them has
        found = [Check(run["name"], _run_state(run), required=False) for run in runs]
        found += [Check(status["context"], _status_state(status), required=False) for status in statuses]
        return mark_required(found, self._required(request.base))

    def mergeability(self, number: int) -> Mergeability:
        pull = self.api.call("GET", self._path(f"/pulls/{number}")).document
        if pull.get("mergeable") is None:
            return Mergeability("pending", f"{self.api.name} is still finding out if it can be merged")
        if not pull["mergeable"]:
            return Mergeability("blocked", "it conflicts with its base")
        if pull.get("mergeable_state") == "blocked":
            return Mergeability("blocked", "a rule of the base branch blocks it, such as a review that is missing")
        return Mergeability("ready")

    def merge(self, number: int, commit: str, method: MergeMethod) -> None:
        body = {"sha": commit, "merge_method": method}
        reply = self.api.call("PUT", self._path(f"/pulls/{number}/merge"), body, expected=(405, 409, 422))
        if reply.status == 409:
            raise Transient(f"pull request {number} has another newest commit by now.", reason="Conflict")
        said = self.refusal(reply.document)
        if reply.status == 405 and "base branch was modified" in said.lower():  # another merge came first
            raise Transient(said, reason="ForgeBusy")
        if reply.status in {405, 422}:
            raise PreconditionFailed(said, reason="MergeRefused")

    def _required(self, base: str) -> list[str]:
        branch = quote(base, safe="")
        # a token without administration rights may read both: the summary of the old protection, and the rules
        protection = self.api.call("GET", self._path(f"/branches/{branch}")).document.get("protection") or {}
        names = list((protection.get("required_status_checks") or {}).get("contexts") or ())
        reply = self.api.call("GET", self._path(f"/rules/branches/{branch}"), query={"per_page": 100}, expected=(404,))
        for rule in reply.document if reply.status == 200 else ():
            if rule["type"] == "required_status_checks":
                names += [check["context"] for check in rule["parameters"]["required_status_checks"]]
        return list(dict.fromkeys(names))

    def _path(self, rest: str) -> str:
        return f"/repos/{quote(self.repository)}{rest}"


def _pull(item: dict[str, Any]) -> PullRequest:
    merged = item.get("merged_at") is not None
    return PullRequest(
        number=item["number"],
        url=item["html_url"],
        state="merged" if merged else item["state"],
        draft=bool(item.get("draft")),
        head=item["head"]["ref"],
        commit=item["head"]["sha"],
        base=item["base"]["ref"],
        merge_commit=(item.get("merge_commit_sha") or "") if merged else "",
    )


def _errors(document: Any) -> list[dict[str, Any]]:
    """Return the errors of an answer with status 422 (docs.github.com/rest, *Validation failed*)."""
    errors = document.get("errors") if isinstance(document, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _run_state(run: dict[str, Any]) -> CheckState:
    if run["status"] != "completed":
        return "pending"
    return "passed" if run["conclusion"] in _PASSED else "failed"


def _status_state(status: dict[str, Any]) -> CheckState:
    return _STATUSES.get(status["state"], "failed")
