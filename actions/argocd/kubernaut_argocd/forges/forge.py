"""The interface of a forge: what the actions on pull requests need of GitHub, GitLab, Gitea and Forgejo.

GitLab's merge requests are called pull requests here, and its `iid` their number.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kubernaut_argocd._http import HttpApi, complaint
from kubernaut_sdk import PreconditionFailed

__all__ = [
    "Check",
    "CheckState",
    "Forge",
    "MergeMethod",
    "Mergeability",
    "NewPullRequest",
    "PullRequest",
    "PullRequestState",
    "mark_required",
]

CheckState = Literal["passed", "pending", "failed"]
_MOST_PAGES = 30
PullRequestState = Literal["open", "merged", "closed"]
MergeMethod = Literal["merge", "squash", "rebase"]


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its forge describes it.

    Attributes:
        number: The number by which people know it.
        url: The address of its page.
        state: `open`, `merged`, or `closed` without a merge.
        draft: True if it is not ready to be merged.
        head: The branch that it would merge.
        commit: The newest commit of that branch.
        base: The branch that it would merge into.
        merge_commit: The commit that it became on the base; empty if it is not merged.
    """

    number: int
    url: str
    state: PullRequestState
    draft: bool
    head: str
    commit: str
    base: str
    merge_commit: str = ""


@dataclass(frozen=True)
class NewPullRequest:
    """A pull request to open."""

    title: str
    body: str
    head: str
    base: str
    draft: bool


@dataclass(frozen=True)
class Check:
    """A check of a commit: a CI job, a commit status, an approval rule."""

    name: str
    state: CheckState
    required: bool


@dataclass(frozen=True)
class Mergeability:
    """The forge's answer to the question if a pull request can be merged now.

    Attributes:
        state: `ready`; `pending` if the forge is still finding out; `blocked` otherwise.
        problem: The reason for `blocked` or `pending`.
    """

    state: Literal["ready", "pending", "blocked"]
    problem: str = ""


class Forge(ABC):
    """A repository on a forge.

    Args:
        api: The forge's API.
        repository: Owner and name, such as `shop/deploy`.
    """

    kind: str
    """The name of the software."""

    def __init__(self, api: HttpApi, repository: str) -> None:
        self.api, self.repository = api, repository

    def refusal(self, document: object) -> str:
        """Return the sentence for a request that the forge refuses, from the answer's document."""
        return f"{self.api.name} refuses it: {complaint(document) or 'it says no more'}."

    def pages(
        self, path: str, field: str | None = None, query: Mapping[str, Any] | None = None, *, size: str = "per_page"
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list.

        Args:
            path: The path of the list.
            field: The field of the answer that holds the items; by default the answer is the list itself.
            query: Further fields of the query.
            size: The name of the field for the number of items on a page, of which a server may send fewer.

        Raises:
            PreconditionFailed: if there are too many pages, since a decision on a part of them could be wrong.
        """
        items: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            document = self.api.call("GET", path, query={**(query or {}), size: 100, "page": page}).document
            found = document if field is None else document.get(field)
            if not found:
                return items
            items += found
        raise PreconditionFailed(
            f"{self.api.name} has more than {len(items)} entries at {path}, of which not all can be looked at.",
            reason="TooMany",
        )

    @abstractmethod
    def find(self, head: str, base: str) -> PullRequest | None:
        """Return the pull request of two branches of this repository: the open one, or else the newest, or None."""

    @abstractmethod
    def read(self, number: int) -> PullRequest:
        """Return a pull request.

        Raises:
            NotFound: if there is none of that number.
        """

    @abstractmethod
    def open(self, new: NewPullRequest) -> PullRequest:
        """Open a pull request, or return the one that is open for these branches already.

        Raises:
            NotFound: if the forge does not know one of the branches, or not yet.
            Failed: if it refuses the pull request.
        """

    @abstractmethod
    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""

    @abstractmethod
    def request_reviews(self, number: int, reviewers: Sequence[str]) -> None:
        """Ask people, by their user names, to review a pull request."""

    @abstractmethod
    def close(self, number: int) -> None:
        """Close a pull request without a merge."""

    @abstractmethod
    def checks(self, request: PullRequest) -> list[Check]:
        """Return the checks of a pull request's newest commit; required ones that have not begun are pending."""

    @abstractmethod
    def mergeability(self, number: int) -> Mergeability:
        """Return the forge's own answer, which knows of conflicts, approvals and rules."""

    @abstractmethod
    def merge(self, number: int, commit: str, method: MergeMethod) -> None:
        """Merge a pull request, only while its newest commit is the given one.

        Raises:
            Transient: if it has another newest commit by now, or the forge is busy with it.
            PreconditionFailed: if the forge does not allow the merge.
        """


def mark_required(found: Sequence[Check], required: Sequence[str]) -> list[Check]:
    """Return the checks with the required ones marked, and a pending one for each required name that is missing."""
    missing = [name for name in required if name not in {check.name for check in found}]
    named = [Check(check.name, check.state, required=check.required or check.name in required) for check in found]
    return [*named, *(Check(name, "pending", required=True) for name in missing)]
