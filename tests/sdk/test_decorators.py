"""Defining an action: both spellings of a decorator work; a wrong or a second use is refused at once, with a reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from kubernaut_sdk import Action, Change, Context, Inputs, Result

PLACES = ["plan", "apply", "verify", "undo", "target", "check"]


def plan(ctx: Context, inputs: Inputs) -> Change:
    """Plan."""
    return Change()


def three(ctx: Context, inputs: Inputs, change: Change) -> None:
    pass


def one(inputs: Inputs) -> str:
    return "it"


def check(ctx: Context, inputs: Inputs) -> dict[str, str | None]:
    return {}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "plan": plan,
    "apply": three,
    "verify": three,
    "undo": three,
    "target": one,
    "check": check,
}


async def later(ctx: Context, inputs: Inputs, change: Change) -> None:
    pass


def yields(ctx: Context, inputs: Inputs, change: Change) -> Any:
    yield


@pytest.mark.parametrize("place", PLACES)
def test_with_and_without_parentheses_a_decorator_registers_and_returns_the_function(place: str) -> None:
    bare, called = Action("probe/be_bare"), Action("probe/be_called")

    assert getattr(bare, place)(FUNCTIONS[place]) is FUNCTIONS[place]
    assert getattr(called, place)()(FUNCTIONS[place]) is FUNCTIONS[place]
    for action in (bare, called):
        assert getattr(action, f"{place}_function") is FUNCTIONS[place]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("called", [False, True])
def test_a_second_use_is_refused(place: str, *, called: bool) -> None:
    action = Action("probe/be_twice")
    getattr(action, place)(FUNCTIONS[place])
    decorate = getattr(action, place)() if called else getattr(action, place)

    with pytest.raises(TypeError, match=f"probe/be_twice: {place} is defined twice; an action has one"):
        decorate(FUNCTIONS[place])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wrong", [5, "plan", Inputs, None])
def test_what_is_no_function_is_refused(place: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"probe/be_wrong: {place} decorates a function, not "):
        getattr(Action("probe/be_wrong"), place)()(wrong)


@pytest.mark.parametrize(
    ("place", "wrong", "told"),
    [
        ("apply", one, r"apply is called as apply\(ctx, inputs, change\)"),
        ("verify", plan, r"verify is called as verify\(ctx, inputs, change\)"),
        ("undo", lambda: None, r"undo is called as undo\(ctx, inputs, change\)"),
        ("target", three, r"target is called as target\(inputs\)"),
        ("check", one, r"check is called as check\(ctx, inputs\)"),
        ("plan", one, r"plan is called as plan\(ctx, inputs\)"),
        ("apply", later, "apply must be a plain function that returns; it is async, or it yields"),
        ("verify", yields, "verify must be a plain function that returns; it is async, or it yields"),
    ],
)
def test_a_function_that_could_not_be_called_is_refused(place: str, wrong: Any, told: str) -> None:
    action = Action("probe/be_wrong")
    with pytest.raises(TypeError, match=told):
        getattr(action, place)(wrong)
    with pytest.raises(TypeError, match=told):
        getattr(action, place)()(wrong)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"within": 180}, "verify takes within and settle as timedelta, not 180"),
        ({"settle": 5.0}, "verify takes within and settle as timedelta, not 5.0"),
        ({"settle": timedelta(seconds=-1)}, "verify cannot see it hold for -1 day, 23:59:59 within None"),
        (
            {"within": timedelta(seconds=1), "settle": timedelta(seconds=2)},
            "verify cannot see it hold for 0:00:02 within 0:00:01",
        ),
    ],
)
def test_a_wrong_time_to_verify_is_refused(arguments: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Action("probe/be_wrong").verify(**arguments)


def test_verify_takes_its_times() -> None:
    action = Action("probe/be_timed")

    @action.verify(within=timedelta(minutes=3), settle=timedelta(seconds=20))
    def verify(ctx: Context, inputs: Inputs, change: Change) -> bool:
        return True

    assert (action.verify_within, action.verify_settle) == (timedelta(minutes=3), timedelta(seconds=20))


@pytest.mark.parametrize("place", ["verify", "undo", "target", "check"])
def test_a_decorator_that_decorates_nothing_is_refused_with_the_action(place: str) -> None:
    action = Action("probe/be_open")
    action.plan(plan)
    action.apply(three)
    action.require_complete()
    getattr(action, place)()

    with pytest.raises(TypeError, match=rf"probe/be_open: {place}\(\) was called and given no function"):
        action.require_complete()


def test_apply_still_says_what_it_must_return() -> None:
    def returns_text(ctx: Context, inputs: Inputs, change: Change) -> str:
        return ""

    def returns_result(ctx: Context, inputs: Inputs, change: Change) -> Result:
        return Result()

    action = Action("probe/be_wrong")
    with pytest.raises(TypeError, match="apply must return a Result or None, not <class 'str'>"):
        action.apply(returns_text)
    action.apply(returns_result)
