"""The GitHub adapter beside npm's `emulate`, a GitHub with a state of its own (EMULATE_BIN; 0.11.2 runs on Node.js 20).

It has no commit statuses and no rules of branches, and opens a second request of the same branches, which GitHub
refuses: those are tested with our own stand-in (`pull_requests/`).
"""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from loopback import await_listener, free_port
from programs import program_in

from kubernaut_argocd.forges.finding import find_forge
from kubernaut_argocd.forges.forge import Forge, NewPullRequest, PullRequest
from kubernaut_sdk import Action, Change, Context, Inputs, NotFound, PreconditionFailed
from kubernaut_sdk.testing import ActionRunner

TOKEN = "emulated-token-4711"
SEED = {
    "tokens": {TOKEN: {"login": "shop", "scopes": ["repo"]}},
    "github": {
        "users": [{"login": "shop"}, {"login": "alice"}],
        "repos": [{"owner": "shop", "name": "deploy", "auto_init": True}],
    },
}
ON_LOOPBACK = """
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest.filter((one) => typeof one === "function"));
};
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulated GitHub, which listens on loopback alone."""
    program, folder = program_in("EMULATE_BIN", "emulate"), tmp_path_factory.mktemp("emulate")
    (folder / "seed.json").write_text(json.dumps(SEED))
    (folder / "loopback.cjs").write_text(ON_LOOPBACK)
    port = free_port()
    env = {**os.environ, "NODE_OPTIONS": f"--require={folder / 'loopback.cjs'}"}
    argv = [str(program), "start", "--service=github", f"--port={port}", f"--seed={folder / 'seed.json'}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
    try:
        await_listener(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def forge(url: str) -> Forge:
    """The adapter as an action finds it."""
    found: list[Forge] = []
    looking = Action("probe/find_forge")

    @looking.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        """Find the forge."""
        found.append(find_forge(ctx, f"{url}/shop/deploy.git", "github", url))
        return Change({}, {})

    @looking.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
        """Do nothing."""

    ran = ActionRunner(looking, secrets={"token": TOKEN}).run({})
    assert ran.exit_code == 0, ran.error
    return found[0]


def open_one(forge: Forge, head: str) -> PullRequest:
    """Open a pull request for a new branch with a commit of its own."""
    new = NewPullRequest(title=f"Raise {head}", body="why", head=head, base="main", draft=False)
    call: Any = forge.api.call
    start = call("GET", "/repos/shop/deploy/git/ref/heads/main").document["object"]["sha"]
    tree = call("GET", f"/repos/shop/deploy/git/commits/{start}").document["tree"]["sha"]
    commit = {"message": new.title, "tree": tree, "parents": [start]}
    made = call("POST", "/repos/shop/deploy/git/commits", commit).document["sha"]
    call("POST", "/repos/shop/deploy/git/refs", {"ref": f"refs/heads/{head}", "sha": made})
    assert forge.find(head, "main") is None
    opened = forge.open(new)
    assert (opened.state, opened.head, opened.commit, opened.base) == ("open", head, made, "main")
    return opened


def test_a_request_is_opened_once_and_found_and_closed(forge: Forge) -> None:
    opened = open_one(forge, "raise-1")
    forge.add_labels(opened.number, ["remediation"])
    forge.request_reviews(opened.number, ["alice"])
    forge.close(opened.number)

    closed = forge.find("raise-1", "main")
    assert closed is not None
    assert (closed.number, closed.state) == (opened.number, "closed")
    assert forge.read(opened.number) == closed
    shown = forge.api.call("GET", f"/repos/shop/deploy/pulls/{opened.number}").document
    assert [label["name"] for label in shown["labels"]] == ["remediation"]
    assert [user["login"] for user in shown["requested_reviewers"]] == ["alice"]


def test_a_request_is_merged_only_at_its_own_commit(forge: Forge) -> None:
    opened = open_one(forge, "raise-2")
    assert forge.mergeability(opened.number).state == "ready"
    with pytest.raises(PreconditionFailed, match="sha"):
        forge.merge(opened.number, "0" * 40, "merge")
    forge.merge(opened.number, opened.commit, "merge")

    merged = forge.read(opened.number)
    assert merged.state == "merged"
    head = forge.api.call("GET", "/repos/shop/deploy/git/ref/heads/main").document["object"]["sha"]
    assert merged.merge_commit == head


def test_a_request_that_is_not_there(forge: Forge) -> None:
    with pytest.raises(NotFound):
        forge.read(4711)
