"""A refusal says what is wrong, where, and what to do; it never repeats a secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_controller import InvalidWorkflow, parse_workflow
from kubernaut_controller.validation import faults_of
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.addresses import has_credentials, without_userinfo
from kubernaut_sdk.models import input_faults
from kubernaut_sdk.portable import loads
from kubernaut_sdk.secrets.inputs import has_secret, secret_values, secrets_in
from kubernaut_sdk.storage import StorageClient
from kubernaut_sdk.testing import ActionRunner
from tests import probe_actions, secret_actions

SECRET = "hunter2-0000-not-real"
MANY = secret_actions.many
MODULES = str(Path(secret_actions.__file__))
TAKEN: list[dict[str, Any]] = [
    {"one": SECRET},
    {"listed": ["other-one-1", SECRET]},
    {"named": {"a": SECRET}},
    {"account": {"user": "shop", "token": SECRET}},
    {"accounts": {"a": [{"user": "shop", "token": SECRET}]}},
    {"raw": SECRET},
]
WRONG: list[dict[str, Any]] = [
    {"one": {"a": SECRET}},
    {"one": 1, "listed": [[SECRET]]},
    {"listed": SECRET},
    {"listed": [1, SECRET], "count": "x"},
    {"named": [SECRET]},
    {"named": {"a": {"b": SECRET}}},
    {"account": SECRET},
    {"account": {"user": "shop", "token": SECRET, "more": SECRET}},
    {"account": {"user": "shop", "tokn": SECRET}},
    {"accounts": {"a": {"user": SECRET}}},
    {"checked": SECRET},
    {"checked": SECRET[:3]},
    {"one": SECRET, "kept": "refuse"},
    {"one": SECRET, "kept": "crash"},
    {"one": SECRET, "count": "many"},
    {"count": SECRET},
    {"number": SECRET},
    {"number": [123456789012]},
]


@pytest.mark.parametrize("inputs", TAKEN, ids=lambda inputs: next(iter(inputs)))
def test_secrets_are_taken_at_any_depth_and_hidden(inputs: dict[str, Any]) -> None:
    ended = ActionRunner(MANY).run(inputs)

    assert ended.exit_code == 0
    assert "took ***" in ended.log
    told = [ended.log, json.dumps(ended.events), *ended.results.values()]
    assert all(SECRET not in place for place in told)
    assert "***" in json.dumps(ended.events[0]["inputs"])
    assert "*****" not in json.dumps(ended.events)


def test_numbers_are_secrets_too() -> None:
    ended = ActionRunner(MANY).run({"number": 123456789})

    assert ended.exit_code == 0
    assert "took ***" in ended.log
    assert "123456789" not in ended.log + json.dumps(ended.events)


@pytest.mark.parametrize("inputs", WRONG, ids=str)
def test_a_wrong_input_of_a_model_with_secrets_is_not_repeated(inputs: dict[str, Any]) -> None:
    faults = input_faults(MANY.inputs_model, inputs)
    ended = ActionRunner(MANY).run(inputs)

    assert faults
    assert ended.exit_code == 2
    told = [str(faults), ended.log, json.dumps(ended.events), *ended.results.values(), str(ended.error)]
    assert all(SECRET not in place and f"'{SECRET[:3]}'" not in place for place in told)


def test_where_no_input_is_secret_the_value_is_said() -> None:
    faults = input_faults(probe_actions.write.inputs_model, {"path": 7})

    assert faults == [("inputs.path", "input should be a valid string; it is 7")]


@pytest.mark.parametrize(
    ("given_inputs", "args"),
    [
        (f'{{"one": "{SECRET}"', []),
        (f'["{SECRET}"]', []),
        (f'"{SECRET}"', []),
        (SECRET, []),
        (f'{{"one": "{SECRET}", "one": "{SECRET}"}}', []),
        ('{"one": 12345678901234567890123}', []),
        (f'{{"one": "{SECRET}\\ud800"}}', []),
        ("{}", ["-p", SECRET]),
        ("{}", ["-p", f"={SECRET}"]),
        ("{}", ["-p", f"listed={SECRET}"]),
        ("{}", ["-p", f'listed=["{SECRET}"']),
        ("{}", ["--input-from", "one", "/a", f'{{"a": "{SECRET}"']),
        ("{}", ["--input-from", "account", "/a", f'{{"a": "{SECRET}"}}']),
    ],
)
def test_malformed_inputs_are_not_repeated(action: Any, given_inputs: str, args: list[str]) -> None:
    ended = action.run("run", "secret/take_many", *args, ACTION_INPUTS=given_inputs, ACTION_MODULES=MODULES)

    assert ended.code == 2
    for place in (ended.stdout, ended.stderr, *ended.results.values()):
        assert SECRET not in place
        assert "12345678901234567890123" not in place


def test_a_refusal_hides_what_the_mounted_secret_holds(action: Any) -> None:
    (action.secrets / "password").write_text(SECRET)
    ended = action.run("run", f"secret/{SECRET}")

    assert ended.code == 2
    assert all(SECRET not in place for place in (ended.stdout, ended.stderr, *ended.results.values()))


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("https://me:pw@git.example.com/shop.git", True),
        ("HTTPS://me:pw@git.example.com/shop.git", True),
        ("https://ghp_0000@git.example.com/shop.git", True),
        ("https://a@b:c@git.example.com/shop.git", True),
        ("https://me%3Apw@git.example.com/shop.git", True),
        ("https://me:pw@[bad/shop.git", True),
        ("ssh://git:pw@git.example.com/shop.git", True),
        ("me:pw@git.example.com:shop.git", True),
        ("ssh://git@git.example.com/shop.git", False),
        ("git@git.example.com:shop.git", False),
        ("https://git.example.com/a@b/shop.git", False),
        ("https://git.example.com/shop.git?by=a@b", False),
        ("/srv/a@b/shop.git", False),
        ("file:///srv/shop.git", False),
    ],
)
def test_which_addresses_hold_a_secret(address: str, holds: bool) -> None:
    assert has_credentials(address) is holds


@settings(max_examples=60)
@given(st.text("abcXYZ019-_~!$&'()*+,;=%:", min_size=6, max_size=20), st.sampled_from(["http", "https", "HTTPS"]))
def test_no_refusal_shows_what_stands_before_the_at_of_an_address(userinfo: str, scheme: str) -> None:
    from kubernaut_argocd.files import UpdateInputs

    address = f"{scheme}://{userinfo}@git.example.com/shop.git"
    faults = input_faults(UpdateInputs, {"repository": address, "path": "a.yaml", "field": "x", "value": 1})

    assert [path for path, _ in faults] == ["inputs.repository"]
    assert userinfo not in str(faults).replace("***", "")
    assert without_userinfo(address) == f"{scheme}://***@git.example.com/shop.git"


def workflow(inputs: Any) -> str:
    step = {"name": "a", "actionType": "secret/take_many", "image": f"x@sha256:{'0' * 64}", "inputs": inputs}
    return json.dumps(
        {
            "apiVersion": "kubernaut.io/v1alpha1",
            "kind": "WorkflowExecution",
            "metadata": {"name": "w", "namespace": "shop"},
            "spec": {"steps": [step]},
        }
    )


@settings(max_examples=60)
@given(st.sampled_from(WRONG), st.booleans())
def test_what_a_workflow_is_told_repeats_no_secret(inputs: dict[str, Any], as_text: bool) -> None:
    try:
        found = parse_workflow(workflow(json.dumps(inputs) if as_text else inputs))
        faults = [str(fault) for fault in faults_of(found, lambda _: MANY)]
    except InvalidWorkflow as error:
        faults = [str(error)]

    assert faults
    assert SECRET not in str(faults)
    assert "123456789012" not in str(faults)


def test_which_models_hold_secrets() -> None:
    assert has_secret(MANY.inputs_model)
    assert has_secret(secret_actions.Account)
    assert not has_secret(secret_actions.Tell)
    given_values = {"account": {"user": "shop", "token": "t"}, "listed": ["l"], "count": 1}
    assert sorted(secrets_in(MANY.inputs_model, given_values)) == ["l", "t"]
    inputs = MANY.inputs_model.model_validate_json(json.dumps({"raw": "r", "named": {"a": "n"}}))
    assert sorted(map(str, secret_values(inputs))) == ["b'r'", "n"]


def test_a_password_in_the_stores_address_is_told_nowhere(action: Any, closed_port: str) -> None:
    address = closed_port.replace("://", f"://shop:{SECRET}@")
    ended = action.run(
        "run", "secret/take_many", DATA_STORAGE_URL=address, DATA_STORAGE_POLICY="require", ACTION_MODULES=MODULES
    )
    wrong = action.run("run", "secret/take_many", DATA_STORAGE_URL=address.replace("http", "ftp"))

    assert (ended.code, wrong.code) == (5, 2)
    for place in (ended.stdout, ended.stderr, wrong.stdout, wrong.stderr, *wrong.results.values()):
        assert SECRET not in place
    assert StorageClient(address).url == closed_port.replace("://", "://***@")


def test_what_is_no_json_is_not_repeated() -> None:
    with pytest.raises(InvalidInputs, match=r"^ACTION_INPUTS: not JSON: expecting value at line 1, column 1\.$"):
        loads(SECRET, "ACTION_INPUTS")
