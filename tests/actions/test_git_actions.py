"""git/update_file on real repositories, as the process that a container would run."""

import json
import os
import subprocess
from typing import Any

import pytest

from kubernaut_argocd.files import with_trailer

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
    ended = update(action, repository, 6)

    assert ended.code == 0, ended.stderr
    assert ended.document["record"]["attempt"] == 0  # not a retry: only another push
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
    ("inputs", "code", "expected_text"),
    [
        ({"repository": "/no/such/repo.git"}, 3, "git fetch failed"),
        ({"repository": "--upload-pack=touch /tmp/x"}, 2, "inputs.repository"),
        ({"repository": "ext::sh -c touch% /tmp/x"}, 2, "inputs.repository"),
        ({"repository": "ext::touch"}, 3, "transport 'ext' not allowed"),
        ({"repository": "git://127.0.0.1:1/x.git"}, 75, "git fetch failed"),
        ({"branch": "nothing"}, 3, "branch nothing: the repository has no such branch; its default branch is main."),
        ({"branch": "-x"}, 2, "inputs.branch"),
        ({"path": "../../etc/passwd"}, 2, "leads out of the repository"),
        ({"path": "/etc/passwd"}, 2, "leads out of the repository"),
        ({"path": ".git/config"}, 2, "leads out of the repository"),
        ({"path": "a/.GIT/config"}, 2, "leads out of the repository"),
        ({"path": "a\0b"}, 2, "leads out of the repository"),
        ({"path": "link.yaml"}, 3, "link.yaml is, or is within, a symbolic link; name the file that it leads to."),
        ({"path": "out/passwd"}, 3, "out/passwd is, or is within, a symbolic link"),
        (
            {"branch": "v1"},
            3,
            "the repository has no such branch; its default branch is main; v1 is a tag, and nothing",
        ),
        ({"field": "replicas[name=x]"}, 3, "there is no replicas[name=x]; replicas is no list."),
        ({"path": "none.yaml"}, 3, "there is no file none.yaml on branch main."),
        ({"field": "nope"}, 3, "there is no nope; there is replicas, image."),
        ({"field": "a["}, 2, "write a path such as"),
        ({"author": "nobody"}, 2, "inputs.author"),
    ],
)
def test_what_cannot_be_done_is_told(action: Any, repository: Any, inputs: Any, code: int, expected_text: str) -> None:
    repository.work.joinpath("link.yaml").symlink_to("app.yaml")
    repository.work.joinpath("out").symlink_to("/etc")
    repository.push()
    repository.git("tag", "v1")
    repository.git("push", "--quiet", "origin", "v1")
    base = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps({**base, **inputs}))

    assert ended.code == code, ended.stderr
    assert expected_text in ended.document["error"]["message"]
    assert ended.document["changed"] is False
    assert repository.commits() == 2
    assert repository.git("branch", "--format=%(refname)", cwd=repository.bare) == "refs/heads/main\n"


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


@pytest.mark.parametrize(
    ("own", "subject"),
    [
        ({}, 'Revert "Set replicas in app.yaml"'),
        ({"message": "Scale out\n\nFor the sale."}, 'Revert "Scale out"'),
    ],
)
def test_undo_commits_a_revert_that_names_both_records(
    action: Any, service: Any, repository: Any, own: dict[str, str], subject: str
) -> None:
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6, **own}
    env = {"DATA_STORAGE_URL": str(service.base_url), "ACTION_INPUTS": json.dumps(inputs)}
    done = action.run("run", UPDATE, **env).document["record"]["id"]
    undone = action.run("undo", UPDATE, "--record", done, **env)
    lines = repository.git("log", "-1", "--format=%B", "main", cwd=repository.bare).strip().splitlines()

    assert undone.code == 0
    assert lines[0] == subject
    assert lines[-2:] == [f"Kubernaut-Record: {undone.results['record-id']}", f"Kubernaut-Undoes: {done}"]


def test_undo_puts_the_very_bytes_back(action: Any, repository: Any, tmp_path: Any) -> None:
    before = "replicas: !Ref Count # why\nmode:   0400\nimage: &web\n  'app': |+\n    1\n\nother: *web\n"
    repository.push(app_yaml=before)
    for field, value in (("replicas", 6), ("mode", 400), ("image.app", {"a": [1]})):
        inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": field, "value": value}
        ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps(inputs))
        assert ended.code == 0, ended.stderr
        assert repository.show("app.yaml") != before
        change = tmp_path / "change.json"
        change.write_text(json.dumps(ended.document["change"]))
        ended = action.run("undo", UPDATE, "--change", str(change), ACTION_INPUTS=json.dumps(inputs))

        assert ended.code == 0, ended.stderr
        assert repository.show("app.yaml") == before


def test_undo_writes_no_mask_and_nothing_beside_the_field(action: Any, repository: Any, tmp_path: Any) -> None:
    """A record may have been masked, and a change file can be written by anybody."""
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    update(action, repository, 6)
    for source, code in (("***", 1), ("3\nadmin: true", 1), ("3 # why\nx: 1", 1), ("4", 1)):
        change = tmp_path / "change.json"
        change.write_text(json.dumps({"before": {"value": 3, "source": source}, "after": {"value": 6}}))
        ended = action.run("undo", UPDATE, "--change", str(change), ACTION_INPUTS=json.dumps(inputs))

        assert ended.code == code, source
        assert repository.commits() == 2


def test_who_follows_by_an_anchor_is_told(action: Any, repository: Any) -> None:
    repository.push(app_yaml="replicas: &n 3\nweb: {replicas: *n}\njobs:\n- *n\n")
    ended = update(action, repository, 6)

    assert ended.document["change"]["after"] == {"value": 6, "source": "&n 6", "followers": ["web.replicas", "jobs[0]"]}
    assert ended.document["output"]["followers"] == ["web.replicas", "jobs[0]"]
    assert "web.replicas, jobs[0]: follows replicas by an anchor, and changes with it" in ended.stderr


def test_several_at_once_on_one_repository_all_get_through(action: Any, repository: Any) -> None:
    """The server takes its time over a push, so that all but one of them come too late, or find the branch locked."""
    repository.push(app_yaml="a: 1\nb: 1\nc: 1\nd: 1\n")
    repository.hook("pre-receive", "exec sleep 0.3")
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "value": 2}
    started = [
        action.start("run", UPDATE, ACTION_INPUTS=json.dumps({**inputs, "field": field}), RESULTS_DIR="")
        for field in "abcd"
    ]
    codes = [action.ended(process).code for process in started]

    assert codes == [0, 0, 0, 0]
    assert repository.show("app.yaml") == "a: 2\nb: 2\nc: 2\nd: 2\n"
    assert repository.commits() == 6


def test_of_two_who_set_the_same_field_the_later_plans_anew(action: Any, repository: Any) -> None:
    """The other push lands between plan and apply: a hook runs as the second clone asks for the branch."""
    calls = repository.bare.parent / "calls"
    upload = repository.bare.parent / "upload-pack"
    upload.write_text(
        f"""#!/bin/sh
echo >> {calls}
if [ "$(wc -l < {calls})" = 2 ]; then (
  unset $(git rev-parse --local-env-vars)
  cd {repository.work} && sed -i s/3/5/ app.yaml && git -c user.name=T -c user.email=t@e commit -qam x
  git push -q origin main
) fi
exec git-upload-pack "$@"
"""
    )
    upload.chmod(0o755)
    path = repository.bare.parent / "bin"
    path.mkdir()
    stand_in = f'case "$last" in *upload*) exec {upload} {repository.bare};; esac'
    (path / "ssh").write_text(f'#!/bin/sh\nfor last; do :; done\n{stand_in}\neval "$last"\n')
    (path / "ssh").chmod(0o755)
    inputs = {"repository": f"ssh://h{repository.bare}", "path": "app.yaml", "field": "replicas", "value": 6}
    env = {"ACTION_RETRIES": "2", "PATH": f"{path}:{os.environ['PATH']}"}
    ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps(inputs), **env)

    assert ended.code == 0, ended.stderr
    assert ended.document["record"]["attempt"] == 1
    assert ended.document["change"]["before"] == {"value": 5}
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"


def test_nothing_of_the_machines_own_configuration_counts(action: Any, repository: Any) -> None:
    (action.folder / "home" / ".gitconfig").write_text(
        "[commit]\n\tgpgSign = true\n[core]\n\tautocrlf = true\n[user]\n\tname = Me\n\temail = me@example.com\n"
    )
    ended = update(action, repository, 6, GIT_DIR="/nowhere", GIT_INDEX_FILE="/nowhere")

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml") == "replicas: 6 # why\nimage: app:1\n"
    who = repository.git("log", "-1", "--format=%an <%ae> %cn", "main", cwd=repository.bare)
    assert who.strip() == "Kubernaut <kubernaut@localhost> Kubernaut"


def test_no_line_end_is_converted_and_no_filter_runs(action: Any, repository: Any) -> None:
    """A file with its own line ends lies in a repository that asks for conversion, as those of many people do."""
    (repository.work / "app.yaml").write_bytes(b"replicas: 3\r\nimage: app:1\n# $Id$\r\n")
    repository.git("add", ".")
    (repository.work / ".gitattributes").write_text("* text=auto eol=lf ident filter=lfs\n")
    repository.push()
    ended = update(action, repository, 6)
    describe = subprocess.run(["git", "cat-file", "blob", "main:app.yaml"], cwd=repository.bare, capture_output=True)

    assert ended.code == 0, ended.stderr
    assert describe.stdout == b"replicas: 6\r\nimage: app:1\n# $Id$\r\n"


def test_a_message_and_an_author_of_ones_own_and_the_record(action: Any, repository: Any) -> None:
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    own = {"message": "--amend\n# not a comment $(x)", "author": "Ann O'Nym <ann@example.com>"}
    ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps({**inputs, **own}))
    commit = repository.git("log", "-1", "--format=%an <%ae>%n%B", "main", cwd=repository.bare)

    assert ended.code == 0, ended.stderr
    assert commit.startswith("Ann O'Nym <ann@example.com>\n--amend\n# not a comment $(x)\n")
    assert f"\nKubernaut-Record: {ended.results['record-id']}\n" in commit


@pytest.mark.parametrize(
    ("message", "trailers"),
    [
        ("Scale\n\nSigned-off-by: Ann <a@example.com>", ["Signed-off-by: Ann <a@example.com>"]),
        ("Scale\n\nwhy: because\nit must", []),
        ("Scale\n\nText.\n\nCo-authored-by: B <b@x>\nSigned-off-by: A\n  long <a@x>\n",
         ["Co-authored-by: B <b@x>", "Signed-off-by: A long <a@x>"]),
        ("fix: it", []),
        ("Scale\n# no comment", []),
    ],
)  # fmt: skip
def test_the_record_stands_among_the_messages_own_trailers(message: str, trailers: list[str]) -> None:
    parsed = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=with_trailer(message.rstrip(), "Kubernaut-Record: 1"),
        capture_output=True,
        text=True,
        check=True,
    )

    assert parsed.stdout.splitlines() == [*trailers, "Kubernaut-Record: 1"]


def test_the_commit_has_the_record_as_a_trailer(action: Any, repository: Any) -> None:
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    own = {"message": "Scale\n\nSigned-off-by: Ann <a@example.com>\n"}
    ended = action.run("run", UPDATE, ACTION_INPUTS=json.dumps({**inputs, **own}))
    found = repository.git("log", "-1", "--format=%(trailers)", "main", cwd=repository.bare)

    assert found.strip() == f"Signed-off-by: Ann <a@example.com>\nKubernaut-Record: {ended.results['record-id']}"


def test_a_value_on_the_command_line_keeps_its_text(action: Any, repository: Any) -> None:
    words = [f"repository={repository.bare}", "path=app.yaml", "field=image", "value=1.10"]
    ended = action.run("run", UPDATE, *(part for word in words for part in ("-p", word)))

    assert ended.code == 0, ended.stderr
    assert repository.show("app.yaml") == 'replicas: 3 # why\nimage: "1.10"\n'


def test_check_tells_whether_the_branch_may_be_pushed_to(action: Any, repository: Any) -> None:
    inputs = {"repository": str(repository.bare), "path": "app.yaml", "field": "replicas", "value": 6}
    checked = action.run("check", UPDATE, ACTION_INPUTS=json.dumps(inputs))

    assert checked.code == 0, checked.stdout
    assert {"name": "permission to push", "ok": True, "problem": None} in checked.document["checks"]
    assert repository.commits() == 1
