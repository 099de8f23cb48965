"""git/open_pull_request on each forge: proposed, repeated, refused and undone."""

import json
from typing import Any

import pytest
from forge_standin import Refused
from forge_world import ForgeWorld, GiteaWorld, RealGitea
from proposals import EDIT, HPA, merged, opened, runner_of

from kubernaut_argocd.files import update_file
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk.ids import mint
from kubernaut_sdk.testing import ActionRunner


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


def test_a_dry_run_opens_nothing(world: ForgeWorld) -> None:
    inputs = {**world.inputs, "edits": [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 12}]}
    ran = runner_of(open_pull_request, world).dry_run(inputs)

    assert (ran.exit_code, ran.status) == (0, "planned")
    assert ran.change is not None
    assert ran.change.before["edits"] == [{"path": "hpa.yaml", "field": "spec.maxReplicas", "value": 6}]
    assert world.branches() == ["main"]
