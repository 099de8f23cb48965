"""Inputs from the params of a typed Task: a value arrives as it was given, or is refused."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubernaut_sdk import Inputs, InvalidInputs
from kubernaut_sdk.program.taskparams import read_task_params, unwrap

HOST = "10.96.0.1"
SERVICES = {"KUBERNETES_SERVICE_HOST": HOST, "SHOP_PORT": "tcp://10.96.7.7:80", "SHOP_SERVICE_PORT": "80"}


class TaskInputs(Inputs):
    text: str
    number: int = 3
    names: tuple[str, ...] = ()
    reason: str | None = None
    comment: str = "none"


def expanded_by_kubelet(text: str, defined: dict[str, str]) -> str:
    """Return a variable's value as Kubernetes documents it: `$(VAR)` is expanded where VAR is defined, `$$` is `$`."""
    return re.sub(
        r"\$(\$|\(([^)]*)\))",
        lambda found: "$" if found[1] == "$" else defined.get(found[2], found[0]),
        text,
        flags=re.DOTALL,
    )


PIECES = st.sampled_from(
    ["$", "$$", "(", ")", "$(KUBERNETES_SERVICE_HOST)", "$(SHOP_PORT)", "$(date)", "é", "\n", "'", '"', "\\", "a", ":"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("")
@example(")$$")
@example(")$(KUBERNETES_SERVICE_HOST)")
@example("$(KUBERNETES_SERVICE_HOST)$$(")
def test_a_value_arrives_as_it_was_given_or_is_refused(value: str) -> None:
    arrived = expanded_by_kubelet(f"$(:{value})", SERVICES)
    try:
        text = unwrap("text", arrived, SERVICES)
    except InvalidInputs:
        assert ")" in value
    else:
        assert text == value


@pytest.mark.parametrize(
    "value",
    ["", "$", "$$", "$HOME ${HOME} $(HOME)", 'it\'s "so"\n\tüñí 🚀', "$(KUBERNETES_SERVICE_HOST)", "a) b) c", "100%"],
)
def test_values_that_people_pass_arrive(value: str) -> None:
    assert unwrap("text", expanded_by_kubelet(f"$(:{value})", SERVICES), SERVICES) == value


@pytest.mark.parametrize("value", ["f(x) $$", "f(x) $(KUBERNETES_SERVICE_HOST)", "f(x) $y"])
def test_a_value_that_may_have_been_altered_is_refused_with_the_way_to_pass_it(value: str) -> None:
    with pytest.raises(InvalidInputs) as refused:
        unwrap("query", expanded_by_kubelet(f"$(:{value})", SERVICES), SERVICES)

    assert refused.value.message == (
        "inputs.query: a $ or a service's address after a ) may be what Kubernetes made of $$ or $(VARIABLE); "
        "pass this value with the Task kubernaut-action, in inputs, each $ written as \\u0024."
    )


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        ({"text": "a", "number": "6", "names": '["a", "b"]'}, {"text": "a", "number": 6, "names": ["a", "b"]}),
        ({"text": "", "reason": "", "names": ""}, {"text": ""}),
        ({"text": "6", "comment": ""}, {"text": "6", "comment": ""}),
        ({"text": "a", "number": "six"}, {"text": "a", "number": "six"}),
    ],
    ids=[
        "by their types",
        "an empty text is absent where the default is no text",
        "as they are",
        "faults are found later",
    ],
)
def test_texts_become_the_inputs_values(variables: dict[str, str], values: dict[str, Any]) -> None:
    env = {f"ACTION_INPUT_{name}": f"$(:{text})" for name, text in variables.items()}

    assert read_task_params(TaskInputs, {**env, "ACTION_INPUTS": "{}", "HOME": "/tmp"}) == values


def test_a_value_of_another_form_is_refused() -> None:
    with pytest.raises(
        InvalidInputs, match=r"ACTION_INPUT_text=a: write the value as \$\(:VALUE\), so that its \$ stay"
    ):
        read_task_params(TaskInputs, {"ACTION_INPUT_text": "a"})


def test_more_than_32_kib_are_refused() -> None:
    with pytest.raises(InvalidInputs, match=r"ACTION_INPUT_… have 32772 bytes; at most 32768"):
        read_task_params(TaskInputs, {"ACTION_INPUT_text": f"$(:{'é' * 16384})"})


def test_the_program_takes_them_and_an_option_wins(action: Any) -> None:
    path = action.folder / "written"
    params = {"ACTION_INPUT_path": f"$(:{path})", "ACTION_INPUT_text": "$(:$$ it's $(HOME)\n🚀)"}
    first = action.run("run", "probe/write_text", **params, ACTION_INPUTS='{"text": "below"}')
    written = path.read_text()
    second = action.run("run", "probe/write_text", "-p", "text=above", **params)

    assert (first.code, written) == (0, "$$ it's $(HOME)\n🚀")
    assert (second.code, path.read_text()) == (0, "above")


def test_results_are_found_beside_one_of_them(action: Any) -> None:
    # as a StepAction says where they are: the folder itself has no variable of Tekton's
    action.results.mkdir()
    ended = action.run(
        "run", "probe/write_text", "-p", f"path={action.folder}/x", RESULTS_DIR=f"{action.results}/status/.."
    )

    assert (ended.code, ended.results["status"]) == (0, "succeeded")
