"""git/open_pull_request and git/merge_pull_request on each forge: stand-ins, and a real Gitea (GITEA_BIN)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from forge_standin import Refused
from forge_world import FORGES, ForgeWorld, GiteaWorld, RealGitea, gitea_server, standin_world
from programs import program_in

from kubernaut_argocd._http import HttpReply, rate_limit_pause
from kubernaut_argocd.files import update_file
from kubernaut_argocd.requests.merging import merge_pull_request
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk import Action
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner, Ran

HPA = "spec:\n  minReplicas: 2\n  maxReplicas: 6 # sized in spring\n"


@pytest.fixture(scope="module")
def real_gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGitea]:
    with gitea_server(program_in("GITEA_BIN", "gitea"), tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture(params=[*FORGES, "real gitea"])
def world(request: pytest.FixtureRequest, repository: Any, tmp_path: Path) -> Iterator[ForgeWorld]:
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    if request.param == "real gitea":
        yield GiteaWorld(request.getfixturevalue("real_gitea"), f"r{mint().hex}", repository)
        return
    with standin_world(request.param, repository) as made:
        yield made


@pytest.fixture(params=FORGES)
def standin(request: pytest.FixtureRequest, repository: Any) -> Iterator[ForgeWorld]:
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world(request.param, repository) as made:
        yield made


@pytest.fixture
def github(repository: Any) -> Iterator[ForgeWorld]:
    """One forge, where the code behind a test is one for all."""
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world("github", repository) as made:
        yield made


EDIT: dict[str, Any] = {"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}


def runner_of(action: Action, world: ForgeWorld) -> ActionRunner:
    """A runner whose pauses take their time where the forge is a real one: it may not know a branch at once."""
    return ActionRunner(action, secrets=world.secrets, real_time=isinstance(world, GiteaWorld))


def opened(world: ForgeWorld, record_id: Any = None, runner: ActionRunner | None = None, **inputs: Any) -> Ran:
    edits = [EDIT]
    runner = runner or runner_of(open_pull_request, world)
    return runner.run({**world.inputs, "edits": edits, **inputs}, record_id=record_id)


def merged(world: ForgeWorld, number: int, **inputs: Any) -> Ran:
    runner = runner_of(merge_pull_request, world)
    return runner.run({**world.inputs, "number": number, **inputs})


def test_a_change_is_proposed_on_a_branch_of_the_record(world: ForgeWorld) -> None:
    ran = opened(world, title="More checkout pods", body="The HPA is at its maximum.", reviewers=[])

    head = f"kubernaut/{ran.record_id}"
    assert (ran.exit_code, ran.status, ran.changed) == (0, "succeeded", True), ran.error
    assert ran.output is not None
    assert (ran.output["state"], ran.output["head"], ran.output["number"]) == ("open", head, 1)
    assert ran.output["url"].startswith(world.web)
    assert world.show(head, "hpa.yaml") == HPA.replace("6 #", "12 #")
    assert world.show("main", "hpa.yaml") == HPA
    (pull,) = world.pulls()
    assert (pull["state"], pull["title"], pull["head"]) == ("open", "More checkout pods", head)
    assert str(ran.record_id) in pull["body"]
    assert "The HPA is at its maximum." in pull["body"]
    assert "-  maxReplicas: 6 # sized in spring\n+  maxReplicas: 12 # sized in spring" in pull["body"]


def test_several_fields_and_files_are_one_commit(world: ForgeWorld) -> None:
    edits = [
        {"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12},
        {"path": "hpa.yaml", "field": "/spec/minReplicas", "value": 4},
        {"path": "kustomization.yaml", "field": "images[name=web].newTag", "value": "v2", "create": True},
        {"path": "docs/why.md", "content": "# Why\n", "create": True},
    ]
    ran = opened(world, edits=edits)

    head = f"kubernaut/{ran.record_id}"
    assert ran.exit_code == 0, ran.error
    assert world.show(head, "hpa.yaml") == "spec:\n  minReplicas: 4\n  maxReplicas: 12 # sized in spring\n"
    assert world.show(head, "kustomization.yaml") == "images:\n  - name: web\n    newTag: v2\n"
    assert world.show(head, "docs/why.md") == "# Why\n"
    assert world.git("rev-list", "--count", f"main..{head}").strip() == "1"
    assert world.pulls()[0]["title"] == "Make 4 changes in 3 files"


def test_the_same_step_again_finds_its_request(world: ForgeWorld) -> None:
    record, runner = mint(), runner_of(open_pull_request, world)
    first = opened(world, record, runner)
    second = opened(world, record, runner_of(open_pull_request, world))

    assert (first.status, second.status) == ("succeeded", "unchanged")
    assert len(world.pulls()) == 1


def test_a_push_without_a_request_is_gone_on_with(standin: ForgeWorld) -> None:
    """The first try is killed, as far as the forge can tell, between the push and the pull request."""
    record = mint()
    standin.standin.faults = [lambda: None, Refused(502, {"message": "bad gateway"})]
    first = opened(standin, record)
    assert (first.exit_code, first.changed) == (75, None)
    assert standin.pulls() == []
    assert f"kubernaut/{record}" in standin.branches()
    second = opened(standin, record)

    assert second.exit_code == 0, second.error
    assert len(standin.pulls()) == 1
    assert standin.git("rev-list", "--count", f"main..kubernaut/{record}").strip() == "1"


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("gitea", Refused(404, {"message": "not found"})),
        ("github", Refused(422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]})),
    ],
)
def test_a_forge_that_does_not_know_the_branch_yet_is_asked_again(repository: Any, kind: str, refusal: Refused) -> None:
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world(kind, repository) as world:
        looks: list[Any] = [
            lambda: None
        ] * 2  # for the plan, and before it is opened; GitHub is looked at after a 422, too
        world.standin.faults = [*looks, refusal, *looks[: kind == "github"], refusal]
        ran = opened(world)

        assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
        assert "does not know branch" in ran.log
        assert len(world.pulls()) == 1


def test_a_request_that_was_opened_without_an_answer_is_found(standin: ForgeWorld) -> None:
    record = mint()
    assert opened(standin, record).exit_code == 0
    branch = f"kubernaut/{record}"
    pull = standin.standin.open("again", "", branch, "main", draft=False)
    assert pull is None  # the stand-in, as the forges, keeps one open request of two branches
    again = opened(standin, record)

    assert again.status == "unchanged"
    assert len(standin.pulls()) == 1


def test_a_request_that_a_person_closed_stays_closed(world: ForgeWorld) -> None:
    record = mint()
    opened(world, record)
    world.close(1)
    ran = opened(world, record)

    assert (ran.exit_code, ran.changed) == (3, False)
    assert ran.error is not None
    assert ran.error.reason == "ClosedByPerson"
    assert "was closed without a merge" in ran.error.message
    assert [pull["state"] for pull in world.pulls()] == ["closed"]


def test_a_branch_with_other_content_is_left_alone(world: ForgeWorld) -> None:
    theirs = world.push_elsewhere("hotfix", "main", "hpa.yaml", "spec: {maxReplicas: 99}\n")
    ran = opened(world, head="hotfix")

    assert ran.exit_code == 3
    assert ran.error is not None
    assert ran.error.reason == "BranchTaken"
    assert world.git("rev-parse", "hotfix").strip() == theirs
    assert world.pulls() == []


def test_a_branch_with_more_below_its_newest_commit_is_left_alone(world: ForgeWorld) -> None:
    """The newest commit is exactly this change; merged would be what is below it, too."""
    world.push_elsewhere("hotfix", "main", "app.yaml", "replicas: 0\n")
    theirs = world.push_elsewhere("hotfix", "hotfix", "hpa.yaml", HPA.replace("6 #", "12 #"))
    ran = opened(world, head="hotfix")

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "BranchTaken")
    assert theirs[:12] in ran.error.message
    assert world.pulls() == []


def test_a_branch_that_holds_exactly_this_change_is_proposed(world: ForgeWorld) -> None:
    world.push_elsewhere("hotfix", "main", "hpa.yaml", HPA.replace("6 #", "12 #"))
    world.push_elsewhere("main", "main", "app.yaml", "replicas: 4\n")  # the base may go on
    ran = opened(world, head="hotfix")

    assert (ran.exit_code, ran.status) == (0, "succeeded"), ran.error
    assert [pull["head"] for pull in world.pulls()] == ["hotfix"]


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed by a person"])
def test_undo_leaves_a_branch_to_which_somebody_pushed(world: ForgeWorld, closed: bool) -> None:
    runner = runner_of(open_pull_request, world)
    ran = opened(world, runner=runner)
    head = f"kubernaut/{ran.record_id}"
    theirs = world.push_elsewhere(head, head, "hpa.yaml", HPA.replace("6 #", "12 #").replace("2\n", "3\n"))
    if closed:
        world.close(1)
    assert ran.change is not None
    undone = runner.undo({**world.inputs, "edits": [EDIT]}, ran.change)

    assert undone.error is not None
    assert (undone.exit_code, undone.error.reason) == (3, "BranchTaken")
    assert world.git("rev-parse", head).strip() == theirs
    assert [pull["state"] for pull in world.pulls()] == ["closed" if closed else "open"]


def test_a_request_that_is_closed_between_plan_and_apply_is_planned_anew(github: ForgeWorld) -> None:
    record = mint()
    assert opened(github, record).exit_code == 0
    github.close(1)
    answer, looks = github.standin.answer, [0]

    def hide(method: str, path: str, query: Any, sent: Any) -> Any:
        template, status, document = answer(method, path, query, sent)
        if (method, path) == ("GET", "/repos/shop/deploy/pulls") or path.endswith("/pulls"):
            looks[0] += 1
            document = [] if looks[0] == 1 else document  # it is closed right after the first look
        return template, status, document

    github.standin.answer = hide  # type: ignore[method-assign]
    runner = ActionRunner(open_pull_request, secrets=github.secrets, retries=1)
    again = opened(github, record, runner)

    assert again.error is not None
    assert again.error.reason == "ClosedByPerson"
    assert [pull["state"] for pull in github.pulls()] == ["closed"]


def test_undo_closes_the_request_and_deletes_its_branch(world: ForgeWorld) -> None:
    runner = runner_of(open_pull_request, world)
    ran = opened(world, runner=runner)
    inputs = {**world.inputs, "edits": [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}]}
    assert ran.change is not None
    undone, again = runner.undo(inputs, ran.change), runner.undo(inputs, ran.change)

    assert (undone.exit_code, undone.status) == (0, "succeeded"), undone.error
    assert again.status == "unchanged"
    assert [pull["state"] for pull in world.pulls()] == ["closed"]
    assert "main" in world.branches()
    assert f"kubernaut/{ran.record_id}" not in world.branches()


def test_a_merged_request_is_not_undone(world: ForgeWorld) -> None:
    runner = runner_of(open_pull_request, world)
    ran = opened(world, runner=runner)
    assert merged(world, 1).exit_code == 0
    inputs = {**world.inputs, "edits": [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}]}
    assert ran.change is not None
    undone = runner.undo(inputs, ran.change)

    assert undone.exit_code == 3
    assert undone.error is not None
    assert "not what the action left behind" in undone.error.message


def test_what_the_base_has_already_needs_no_request(world: ForgeWorld) -> None:
    ran = opened(world, edits=[{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 6}])

    assert (ran.exit_code, ran.status) == (0, "unchanged")
    assert world.pulls() == []
    assert world.branches() == ["main"]


def test_labels_and_reviewers_that_are_refused_are_warnings(standin: ForgeWorld) -> None:
    fine = opened(standin, labels=["remediation"], reviewers=["alice"], draft=True)
    refused = opened(standin, labels=["remediation"], reviewers=["nobody"])

    assert (fine.exit_code, refused.exit_code) == (0, 0)
    assert fine.output is not None
    assert refused.output is not None
    assert fine.output["warnings"] == []
    assert len(refused.output["warnings"]) == 1
    assert standin.pulls()[0]["labels"] == ["remediation"]
    assert standin.pulls()[0]["reviewers"] == ["alice"]


@pytest.mark.parametrize(
    ("fault", "code", "reason", "text"),
    [
        (Refused(401, {"message": "Bad credentials"}), 3, "TokenRefused", "is not valid, or has expired"),
        (Refused(403, {"message": "Resource not accessible"}), 3, "AccessDenied", "has not the right for it; it needs"),
        (Refused(404, {"message": "Not Found"}), 3, "NotFound", "or the token may not see it"),
        (Refused(500, {"message": "oops"}), 75, "Unreachable", "it says: oops"),
        (
            Refused(307, None, {"location": "http://evil.example.com/x"}),
            3,
            "Redirected",
            "a redirect to evil.example.com; none is followed, since the token would go along",
        ),
        (
            Refused(429, {"message": "slow down"}, {"retry-after": "9000"}),
            75,
            "RateLimited",
            "asks for fewer requests: the next one in 9000 s",
        ),
    ],
)
def test_a_refusal_says_what_to_do(github: ForgeWorld, fault: Refused, code: int, reason: str, text: str) -> None:
    github.standin.faults = [fault]
    ran = opened(github)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, ran.changed) == (code, reason, False)
    assert text in ran.error.message
    assert github.secrets["token"] not in ran.log + str(ran.results)


@pytest.mark.parametrize(
    ("status", "document", "headers"),
    [
        (429, {"message": "slow down"}, {"retry-after": "30"}),
        (403, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "30"}),
        (403, {"message": "You have exceeded a secondary rate limit."}, {}),
        (403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    ],
)
def test_a_limit_that_the_step_has_time_for_is_waited_out(
    github: ForgeWorld, status: int, document: Any, headers: dict[str, str]
) -> None:
    github.standin.faults = [Refused(status, document, headers)]
    ran = opened(github)

    assert (ran.exit_code, ran.status) == (0, "succeeded")
    assert "asks for fewer requests" in ran.log


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 07:26:00 GMT"}, 1),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
    ],
)
def test_the_time_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float) -> None:
    now = datetime(2015, 10, 21, 7, 27, tzinfo=UTC).timestamp()

    assert rate_limit_pause(HttpReply(429, None, headers), now) == seconds


@pytest.mark.parametrize("status", [200, 404])
def test_a_page_of_a_proxy_is_no_answer_of_the_forge(repository: Any, status: int) -> None:
    """Gitea answers 404 where there is no request, so that a proxy's 404 would have been taken for that."""
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world("gitea", repository) as world:
        world.standin.faults = [Refused(status, b"<html><h1>Please log in</h1></html>")]
        ran = opened(world)

        assert ran.error is not None
        assert (ran.exit_code, ran.error.reason, ran.changed) == (3, "NotTheApi", False)
        assert "speaks no JSON; perhaps it is a page to log in" in ran.error.message
        assert world.branches() == ["main"]


@pytest.mark.parametrize("token", ["one\ntwo", "pas\u2713"])
def test_a_token_that_no_header_can_hold_is_told_without_it(github: ForgeWorld, token: str) -> None:
    ran = opened(github, runner=ActionRunner(open_pull_request, secrets={"token": token}))

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "TokenUnusable")
    assert "the token in the step's Secret holds a line break" in ran.error.message


@pytest.mark.parametrize(
    "wrong",
    [
        {"api": "http://127.0.0.1:99999/api/v3"},
        {"api": "https://[::1/api/v3"},
        {"repository": "https://forge.example.com:port/shop/deploy.git"},
        {"base": "a..b"},
        {"base": "a/"},
        {"head": "fix.lock"},
        {"base": "a/.b"},
        {"edits": [EDIT, {"path": "hpa.yaml", "content": "a: 1\n"}]},
        {"edits": [{"path": "a/GIT~1/config", "content": "x", "create": True}]},
        {"edits": [{"path": "a" * 256, "content": "x", "create": True}]},
        {"edits": [{**EDIT, "value": json.loads("[" * 900 + "]" * 900)}]},
        {"title": "a\0b"},
        {"message": "a\0b"},
        {"author": "a\0b <a@example.com>"},
    ],
)
def test_an_input_that_cannot_be_meant_is_refused_as_such(github: ForgeWorld, wrong: dict[str, Any]) -> None:
    ran = opened(github, **wrong)

    assert ran.exit_code == 2
    assert github.standin.calls == []


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
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world("gitlab", repository) as world:
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
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world("gitea", repository) as world:
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
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world(kind, repository) as world:
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
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    with standin_world("gitlab", repository) as world:
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


def test_a_label_that_gitea_does_not_know_is_a_warning(world: ForgeWorld) -> None:
    """Gitea passes over it without a word; the others make it."""
    ran = opened(world, labels=["unknown"])

    assert ran.exit_code == 0, ran.error
    assert ran.output is not None
    warned = [text for text in ran.output["warnings"] if "has no label unknown" in text]
    assert len(warned) == (1 if world.inputs["forge"] == "gitea" else 0)


def test_a_protected_branch_takes_no_push_and_is_changed_by_a_request(real_gitea: RealGitea, repository: Any) -> None:
    (repository.work / "hpa.yaml").write_text(HPA)
    repository.push()
    world = GiteaWorld(real_gitea, f"r{mint().hex}", repository)
    rule = {"rule_name": "main", "enable_push": False}
    real_gitea.call("POST", f"/repos/{world.name}/branch_protections", rule)
    where = {"repository": world.address, **EDIT}
    pushed = runner_of(update_file, world).run(where)
    ran = opened(world)
    done = merged(world, 1)

    assert pushed.error is not None
    assert (pushed.exit_code, pushed.error.reason) == (1, "PushRefused")
    assert "Not allowed to push to protected branch main" in pushed.error.message
    assert world.secrets["token"] not in pushed.error.message + pushed.log
    assert (ran.exit_code, done.exit_code) == (0, 0), (ran.error, done.error)
    assert world.show("main", "hpa.yaml") == HPA.replace("6 #", "12 #")


def test_a_blank_message_is_none(github: ForgeWorld) -> None:
    ran = opened(github, message=" \n ", title="  ")

    assert ran.exit_code == 0, ran.error
    title = "Set spec.maxReplicas in hpa.yaml"
    assert github.git("log", "-1", "--format=%s", f"kubernaut/{ran.record_id}").strip() == title
    assert [pull["title"] for pull in github.pulls()] == [title]


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


def test_the_token_goes_to_the_forge_alone(github: ForgeWorld, repository: Any) -> None:
    """A redirect to another server is not followed, so that server sees no request."""
    with standin_world("gitea", repository) as other:
        github.standin.faults = [Refused(302, None, {"location": other.standin.root})]
        ran = opened(github)

        assert ran.exit_code == 3
        assert other.standin.tokens == []


def test_a_dry_run_opens_nothing(world: ForgeWorld) -> None:
    inputs = {**world.inputs, "edits": [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}]}
    ran = runner_of(open_pull_request, world).dry_run(inputs)

    assert (ran.exit_code, ran.status) == (0, "planned")
    assert ran.change is not None
    assert ran.change.before["edits"] == [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 6}]
    assert world.branches() == ["main"]
