"""git/merge_pull_request on each forge: required checks, refusals, and the commit of a merge."""

from typing import Any

import pytest
from forge_standin import Refused
from forge_world import ForgeWorld, GiteaWorld
from proposals import HPA, merged, opened, standin_of


def test_a_merge_needs_the_required_checks(world: ForgeWorld) -> None:
    ran = opened(world)
    assert ran.output is not None
    commit = ran.output["commit"]
    world.require("ci/test")
    pending = merged(world, 1, wait=0)
    world.set_status(commit, "ci/test", "failure")
    failed = merged(world, 1)
    world.set_status(commit, "ci/test", "success")
    green = merged(world, 1)

    assert pending.error is not None
    assert (pending.exit_code, pending.error.reason) == (3, "ChecksPending")
    assert "ci/test must pass and has not ended" in pending.error.message
    assert failed.error is not None
    assert (failed.exit_code, failed.error.reason) == (3, "ChecksFailed")
    assert (green.exit_code, green.status) == (0, "succeeded"), green.error
    assert green.output is not None
    assert green.output["commit"] == world.git("rev-parse", "main").strip()
    assert world.show("main", "hpa.yaml") == HPA.replace("6 #", "12 #")


@pytest.mark.parametrize(
    ("runs", "code", "reason"),
    [
        ([("test", "in_progress", None)], 3, "ChecksPending"),
        ([("test", "completed", "failure")], 3, "ChecksFailed"),
        ([("test", "completed", "failure"), ("test", "completed", "success")], 3, "ChecksFailed"),
        ([("test", "completed", "success"), ("test", "queued", None)], 3, "ChecksPending"),
        ([("test", "completed", "skipped"), ("lint", "completed", "failure")], 0, None),
    ],
)
def test_a_required_check_of_github_has_passed_if_every_run_of_its_name_has(
    github: ForgeWorld, runs: Any, code: int, reason: str | None
) -> None:
    opened(github)
    github.require("test")
    github.standin.runs = runs
    ran = merged(github, 1, wait=0)

    assert (ran.exit_code, ran.error and ran.error.reason) == (code, reason)


@pytest.mark.parametrize("status", ["preparing", "scheduled", "canceling", "waiting_for_callback"])
def test_a_job_of_gitlab_that_has_not_ended_is_waited_for(repository: Any, status: str) -> None:
    with standin_of("gitlab", repository) as world:
        ran = opened(world)
        assert ran.output is not None
        world.set_status(ran.output["commit"], "test", status)
        waiting = merged(world, 1, wait=0)

    assert waiting.error is not None
    assert (waiting.exit_code, waiting.error.reason) == (3, "ChecksPending")


def test_a_check_on_a_later_page_is_seen(world: ForgeWorld) -> None:
    ran = opened(world)
    assert ran.output is not None
    commit = ran.output["commit"]
    for number in range(54 if isinstance(world, GiteaWorld) else 104):  # each forge has pages of its own size
        world.set_status(commit, f"job {number:03}", "success")
    world.set_status(commit, "a last one", "failure")  # a forge may show the newest first, or the last
    world.set_status(commit, "z last one", "failure")
    refused = merged(world, 1, wait=0)

    assert refused.error is not None
    assert (refused.exit_code, refused.error.reason) == (3, "ChecksFailed"), refused.error
    assert "a last one" in refused.error.message
    assert "z last one" in refused.error.message


@pytest.mark.parametrize("pattern", ["ci/*", "ci/{lint,test}", "ci/[st]est", "*"])
def test_a_required_check_of_gitea_may_be_a_pattern(repository: Any, pattern: str) -> None:
    with standin_of("gitea", repository) as world:
        ran = opened(world)
        assert ran.output is not None
        world.require(pattern)
        missing = merged(world, 1, wait=0)
        world.set_status(ran.output["commit"], "ci/test", "failure")
        failed = merged(world, 1, wait=0)
        world.set_status(ran.output["commit"], "ci/test", "success")
        passed = merged(world, 1, wait=0)

    assert missing.error is not None
    assert failed.error is not None
    assert (missing.error.reason, failed.error.reason) == ("ChecksPending", "ChecksFailed")
    assert passed.exit_code == 0, passed.error


@pytest.mark.parametrize(
    ("kind", "refusal", "code", "reason"),
    [
        (
            "github",
            Refused(405, {"message": "Base branch was modified. Review and try the merge again."}),
            75,
            "ForgeBusy",
        ),
        ("github", Refused(405, {"message": "At least 1 approving review is required."}), 1, "MergeRefused"),
        ("gitlab", Refused(401, {"message": "401 Unauthorized"}), 1, "AccessDenied"),
        ("gitlab", Refused(406, {"message": "Branch cannot be merged"}), 1, "MergeRefused"),
        ("gitea", Refused(405, {"message": "Please try again later"}), 75, "ForgeBusy"),
    ],
)
def test_a_merge_that_a_forge_refuses_is_tried_again_only_if_that_can_help(
    repository: Any, kind: str, refusal: Refused, code: int, reason: str
) -> None:
    with standin_of(kind, repository) as world:
        opened(world)
        answer = world.standin.answer

        def refuse(method: str, path: str, query: Any, sent: Any) -> Any:
            if path.endswith("/merge"):
                raise refusal
            return answer(method, path, query, sent)

        world.standin.answer = refuse  # type: ignore[method-assign]
        ran = merged(world, 1)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (code, reason)


def test_the_commit_of_a_merge_is_waited_for(repository: Any) -> None:
    """GitLab may merge after its answer, and a fast-forward makes no commit of its own."""
    with standin_of("gitlab", repository) as world:
        ran = opened(world)
        assert ran.output is not None
        answer, looks = world.standin.answer, [0]

        def later(method: str, path: str, query: Any, sent: Any) -> Any:
            template, status, document = answer(method, path, query, sent)
            if method == "GET" and isinstance(document, dict) and document.get("state") == "merged":
                looks[0] += 1
                document |= {"merge_commit_sha": None, "state": "opened" if looks[0] < 4 else "merged"}
            return template, status, document

        world.standin.answer = later  # type: ignore[method-assign]
        done = merged(world, 1)

    assert done.exit_code == 0, done.error
    assert done.output is not None
    assert done.output["commit"] == ran.output["commit"]


def test_a_merge_again_changes_nothing(world: ForgeWorld) -> None:
    opened(world)
    first, second = merged(world, 1), merged(world, 1)

    assert (first.status, second.status) == ("succeeded", "unchanged")


def test_only_the_commit_that_was_named_is_merged(world: ForgeWorld) -> None:
    ran = opened(world)
    assert ran.output is not None
    head = f"kubernaut/{ran.record_id}"
    world.push_elsewhere(head, head, "app.yaml", "replicas: 0\n")
    refused = merged(world, 1, commit=ran.output["commit"])

    assert refused.error is not None
    assert (refused.exit_code, refused.error.reason) == (3, "CommitChanged")
    assert world.show("main", "hpa.yaml") == HPA


def test_a_conflict_is_not_merged(standin: ForgeWorld) -> None:
    opened(standin)
    standin.standin.conflict = True
    ran = merged(standin, 1)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "MergeBlocked")
    assert "it conflicts with its base" in ran.error.message
