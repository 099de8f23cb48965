"""A mask is never data: what would show a secret is withheld, or refused before anything is applied."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_sdk import Action, Change, Context, Inputs, PreconditionFailed, Result
from kubernaut_sdk.execution.withholding import complete_inputs, missing_in_change
from kubernaut_sdk.masking import MASK
from kubernaut_sdk.testing import ActionRunner, Answer, Ran
from tests import secret_actions

SECRET = "s3cr3t-Value/+1"
TELL = "secret/tell_text"
MODULES = str(Path(secret_actions.__file__))


def ran(where: str, text: str = SECRET, secret: str = SECRET, **inputs: Any) -> Ran:
    runner = ActionRunner(
        secret_actions.tell, secrets={"password": secret}, tools={"cat": lambda _argv, stdin: Answer(stdin or "")}
    )
    return runner.run({"text": text, "where": where, **inputs})


def everything(run: Ran) -> str:
    return "\n".join([*map(json.dumps, run.events), *run.results.values(), run.log, json.dumps(run.output)])


def test_a_tools_output_reaches_the_action_as_it_is() -> None:
    seen: list[str] = []
    action = Action("secret/read_text")

    @action.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        """Read."""
        done = ctx.run(["tool"])
        seen.extend((done.stdout, done.stderr, done.json()["env"]))
        return Change(0, 0)

    @action.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> None: ...

    answer = Answer(json.dumps({"env": "production", "key": SECRET}), f"warning: {SECRET}")
    ended = ActionRunner(action, tools={"tool": lambda *_: answer}, secrets={"a": "production", "b": SECRET}).run({})

    assert ended.exit_code == 0
    assert seen == [answer.stdout, answer.stderr, "production"]


def test_a_field_of_output_that_shows_a_secret_is_left_out_and_named() -> None:
    ended = ran("output")

    assert ended.output == {"count": 1, "withheld": ["text", "more"]}
    assert json.loads(ended.results["output"]) == ended.output
    assert ended.events[-1]["output"] == ended.output
    assert MASK not in ended.results["output"]


def test_withheld_is_said_also_of_an_output_that_is_cut() -> None:
    class Long(Result):
        count: int
        key: str | None = None
        log: str | None = None

    action = Action("secret/say_much")

    @action.plan
    def plan(ctx: Context, inputs: Inputs) -> Change:
        """Print much."""
        return Change(0, 1)

    @action.apply
    def apply(ctx: Context, inputs: Inputs, change: Change) -> Long:
        return Long(count=1, key=SECRET, log="x" * 20_000)

    ended = ActionRunner(action, secrets={"a": SECRET}).run({})

    kept = {"count": 1, "truncated": True, "withheld": ["key"]}
    assert json.loads(ended.results["output"]) == kept
    assert ended.events[-1]["output"] == kept


@pytest.mark.parametrize("name", ["withheld", "truncated"])
def test_no_result_has_a_field_of_that_name(name: str) -> None:
    kind = type("Taken", (Result,), {"__annotations__": {name: "bool"}, "__module__": __name__})
    action = Action("secret/say_much")

    def apply(ctx: Context, inputs: Inputs, change: Change) -> Any: ...

    apply.__annotations__["return"] = kind
    with pytest.raises(TypeError, match=f"{name} is what results say of their own"):
        action.apply(apply)


@pytest.mark.parametrize(
    ("where", "inputs", "reason"),
    [
        ("output", {"target": f"db/{SECRET}"}, "SecretInTarget"),
        ("output", {"target": "https://me:pw-12345@db/shop"}, "SecretInTarget"),
        ("key", {}, "SecretInKey"),
    ],
)
def test_what_names_things_is_refused_before_anything_is_applied(
    where: str, inputs: dict[str, Any], reason: str
) -> None:
    ended = ran(where, **inputs)

    assert ended.error is not None
    assert (ended.exit_code, ended.error.reason, ended.changed) == (3, reason, False)
    assert "applying" not in ended.states
    assert not ended.calls
    assert SECRET not in everything(ended)


@pytest.mark.parametrize("pointer", ["/text", "/text/0", ""])
def test_a_step_that_takes_what_was_withheld_is_refused(action: Any, pointer: str) -> None:
    output = json.dumps({"count": 1, "withheld": ["text"]})
    ended = action.run("run", TELL, "--input-from", "text", pointer, output, ACTION_MODULES=MODULES)

    what = "text" if pointer else "its whole output"
    assert ended.code == 2
    assert f"inputs.text: the earlier step withheld {what}, because it would show a secret" in ended.stdout


def test_what_was_not_withheld_is_taken(action: Any, tmp_path: Path) -> None:
    output = json.dumps({"text": "fine", "withheld": ["more"]})
    ended = action.run("run", TELL, "--input-from", "text", "/text", output, ACTION_MODULES=MODULES)

    assert ended.document["output"] == {"count": 1, "text": "fine", "more": {"inner": ["fine"]}}


def test_a_masked_change_is_not_undone(action: Any, service: Any) -> None:
    (action.secrets / "password").write_text(SECRET)
    env = {"ACTION_MODULES": MODULES, "DATA_STORAGE_URL": str(service.base_url)}
    done = action.run("run", TELL, "-p", f"text={SECRET}", "-p", "where=change", **env)
    undone = action.run("undo", TELL, "--record", done.document["record"]["id"], **env)

    assert done.code == 0
    assert (undone.code, undone.document["error"]["reason"]) == (3, "Withheld")
    assert "does not hold the whole change" in undone.document["error"]["message"]


def test_secret_inputs_are_given_anew_for_an_undo(action: Any, service: Any, tmp_path: Path) -> None:
    (action.secrets / "password").write_text(SECRET)
    env = {"ACTION_MODULES": MODULES, "DATA_STORAGE_URL": str(service.base_url)}
    done = action.run("run", TELL, "-p", f"text={SECRET}", "-p", "where=log", **env)
    undo = ["undo", TELL, "--record", done.document["record"]["id"]]
    refused = action.run(*undo, **env)
    given = action.run(*undo, "--dry-run", "-p", f"text={SECRET}", **env)

    assert (refused.code, refused.document["error"]["reason"]) == (3, "Withheld")
    assert "inputs.text: the record does not hold it, because it was secret; give it anew" in refused.stdout
    # the plan of this action always finds `before`, so that there is nothing to undo; it got as far as to look
    assert (given.code, given.document["status"]) == (0, "unchanged")


PLACES = ["output", "change", "log", "print", "error", "crash", "tool", "json"]
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=8, max_size=24).filter(
    lambda text: len(text.strip()) >= 8 and not text.strip().isalnum()
)
SHAPES: dict[str, Any] = {
    "raw": lambda text: text,
    "json": lambda text: json.dumps({"a": text}),
    "base64": lambda text: base64.b64encode(b"--" + text.encode() + b"--").decode(),
    "hex": lambda text: text.encode().hex(),
    "line": lambda text: f"before\n{text}\nafter",
}


@settings(max_examples=80)
@given(SECRETS, st.sampled_from(sorted(SHAPES)), st.sampled_from(PLACES))
def test_a_secret_leaves_nowhere_in_any_shape(secret: str, shape: str, place: str) -> None:
    text = SHAPES[shape](secret)
    ended = ran(place, text, secret)
    told = everything(ended)
    forms = {secret.strip(), json.dumps(secret.strip())[1:-1], secret.strip().encode().hex()}
    forms.add(base64.b64encode(b"--" + secret.encode() + b"--").decode()[4:-4])

    assert all(form not in told.replace(MASK, "\0") for form in forms), (shape, place)
    if place == "output":
        assert ended.output == {"count": 1, "withheld": ["text", "more"]}


CUT = {"truncated": True}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"before": 1, "after": {"truncated": False}}, None),
        ({"before": {"a": {"truncated": True}, "b": 1}, "after": 2}, None),
        ({"before": {"text": "***"}, "after": 2}, "a part of it was secret"),
        ({"before": CUT, "after": CUT}, "it was too large"),
        ({"before": 1, "after": {"truncated": True, "bytes": 90_000}}, "it was too large"),
    ],
)
def test_what_a_record_lacks_of_a_change_is_found(change: dict[str, Any], missing: str | None) -> None:
    assert missing_in_change(change) == missing


def test_inputs_that_were_cut_are_given_anew_or_refused() -> None:
    some = {"path": "/x", "text": {"truncated": True, "bytes": 50_000}, "truncated": True}

    assert complete_inputs(some, {"text": "whole"}) == {"path": "/x", "text": "whole"}
    assert complete_inputs(CUT, {"path": "/y"}) == {"path": "/y"}
    assert complete_inputs({"path": "/x", "truncated": True}, {"path": "/y"}) == {"path": "/x", "truncated": True}
    for recorded, sentence in (
        (some, "inputs.text: the record does not hold it"),
        (CUT, "inputs: the record has none"),
    ):
        with pytest.raises(PreconditionFailed, match=sentence) as refused:
            complete_inputs(recorded, {})
        assert refused.value.reason == "Withheld"
