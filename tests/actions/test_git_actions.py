"""git/update_file on real repositories, as the process that a container would run."""

import json
from typing import Any

import pytest

UPDATE = "git/update_file"
HOSTILE = "$(params.x) 'q' \"d\"\n --force é 🚀"


def update(action: Any, repository: Any, value: Any, field: str = "replicas", **env: str) -> Any:
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": field, "value": value}
    return action.run("run", UPDATE, ACTION_INPUTS=json.dumps(inputs), **env)


def test_one_commit_with_one_line_changed(action: Any, repository: Any) -> None:
    ended = update(action, repository, 6)

    assert (ended.code, ended.document["changed"]) == (0, True), ended.stderr
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"
    assert repository.commits() == 2
    assert (
        json.loads(ended.results["output"])["commit"]
        == repository.git("rev-parse", "main", cwd=repository.bare).strip()
    )
    assert ended.results["record-id"] in repository.git("log", "-1", "--format=%B", "main", cwd=repository.bare)


def test_what_stands_there_already_is_not_committed(action: Any, repository: Any) -> None:
    ended = update(action, repository, 3)

    assert (ended.code, ended.document["status"]) == (0, "unchanged")
    assert repository.commits() == 1


def test_a_hostile_value_arrives_to_the_byte(action: Any, repository: Any) -> None:
    first, second = (update(action, repository, HOSTILE, "image") for _ in range(2))

    assert (first.code, second.document["status"]) == (0, "unchanged")
    assert json.loads(first.results["output"])["value"] == HOSTILE


def test_somebody_who_pushes_in_between_is_not_overwritten(action: Any, repository: Any) -> None:
    """Another push lands between this one's clone and its push, by a hook that runs as the server receives it."""
    theirs = f"""
test -e "$PWD/raced" && exit 0
touch "$PWD/raced"
unset GIT_DIR GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
cd {repository.work} && echo 'image: theirs:9' >> app.yaml && sed -i 2d app.yaml
git -c user.name=T -c user.email=t@example.com commit --quiet --all --message=theirs && git push --quiet origin main
exit 0
"""
    repository.hook("pre-receive", theirs)
    ended = update(action, repository, 6, ACTION_RETRIES="3")

    assert ended.code == 0, ended.stderr
    assert ended.document["record"]["attempt"] == 1
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: theirs:9\n"
    assert repository.commits() == 3


def test_a_refused_push_is_final_and_recorded(action: Any, repository: Any, closed_port: str) -> None:
    repository.hook("pre-receive", "echo 'main is frozen' >&2; exit 1")
    ended = update(action, repository, 6, ACTION_RETRIES="3", DATA_STORAGE_URL=closed_port)

    assert ended.code == 1
    assert json.loads(ended.results["error"])["reason"] == "PushRefused"
    assert "main is frozen" in json.loads(ended.results["error"])["message"]
    assert [event["state"] for event in ended.marked] == ["started", "applying", "failed"]
    assert repository.commits() == 1


@pytest.mark.parametrize(
    ("inputs", "code", "told"),
    [
        ({"repository": "/no/such/repo.git"}, 3, "git fetch failed"),
        ({"repository": "--upload-pack=touch /tmp/x"}, 2, "inputs.repository"),
        ({"repository": "ext::sh -c touch% /tmp/x"}, 2, "inputs.repository"),
        ({"repository": "ext::touch"}, 3, "transport 'ext' not allowed"),
        ({"repository": "git://127.0.0.1:1/x.git"}, 75, "git fetch failed"),
        ({"branch": "nothing"}, 3, "the repository has no such branch"),
        ({"branch": "-x"}, 2, "inputs.branch"),
        ({"path": "../../etc/passwd"}, 2, "leads out of the repository"),
        ({"path": "/etc/passwd"}, 2, "leads out of the repository"),
        ({"path": ".git/config"}, 2, "leads out of the repository"),
        ({"path": "none.yaml"}, 3, "there is no file none.yaml on branch main."),
        ({"field": "nope"}, 3, "there is no nope; there is replicas, image."),
        ({"field": "a["}, 2, "write a path such as"),
        ({"author": "nobody"}, 2, "inputs.author"),
    ],
)
def test_what_cannot_be_done_is_told(action: Any, repository: Any, inputs: Any, code: int, told: str) -> None:
    base = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps({**base, **inputs}))

    assert ended.code == code, ended.stderr
    assert told in ended.document["error"]["message"]
    assert repository.commits() == 1


def test_no_git_is_a_missing_tool(action: Any, repository: Any, tmp_path: Any) -> None:
    ended = update(action, repository, 6, PATH=str(tmp_path / "empty"))

    assert ended.code == 3
    assert "the tool git is not on PATH" in ended.document["error"]["message"]


def test_undo_sets_the_value_back(action: Any, repository: Any, tmp_path: Any) -> None:
    change = tmp_path / "change.json"
    change.write_text(json.dumps(update(action, repository, 6).document["change"]))
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    ended = action.run("undo", UPDATE, "--change", str(change), ACTION_INPUTS=json.dumps(inputs))

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml") == "replicas: 3 # why\nimage: app:1\n"
