"""An action that raises or returns the value of a Python expression in the environment, in the place given there."""

import asyncio
import concurrent.futures
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from kubernaut_sdk import (
    Action,
    ActionError,
    Cancelled,
    Change,
    Context,
    DeadlineExceeded,
    Failed,
    Inputs,
    InvalidInputs,
    NotFound,
    PreconditionFailed,
    RecordRequired,
    Result,
    Transient,
    VerifyFailed,
)


class Strange(BaseException):
    """An exception of a library that must not be caught by `except Exception`."""


class Speechless(Exception):
    """An exception whose text cannot be produced."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Bare(ActionError):
    """An error whose author forgot super().__init__."""

    def __init__(self) -> None:
        pass


class Zero(Failed):
    exit_code = 0


class Seven(PreconditionFailed):
    exit_code = 7


class Texts(Transient):
    exit_code = "2"  # type: ignore[assignment]


def recurse() -> None:
    recurse()


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


NAMES = {
    kind.__name__: kind
    for kind in (
        *(ActionError, Cancelled, DeadlineExceeded, Failed, InvalidInputs, NotFound, PreconditionFailed),
        *(RecordRequired, Transient, VerifyFailed, Strange, Speechless, Bare, Zero, Seven, Texts),
        *(Decimal, Path, date, datetime),
    )
} | {"UTC": UTC, "asyncio": asyncio, "click": click, "futures": concurrent.futures, "json": json, "endless": endless}


def given(name: str) -> Any:
    return eval(os.environ.get(name, "None"), dict(NAMES))


def here(place: str) -> None:
    if os.environ.get("PLACE") == place:
        print("printed at", place)
        if os.environ["RAISED"] == "recurse":
            recurse()
        raise given("RAISED")


here("import")


class Nothing(Inputs):
    pass


class Odd(Result):
    plain: int
    value: Any = None
    nested: dict[str, Any] | None = None


odd = Action("probe/be_odd")


@odd.target
def target(inputs: Nothing) -> str:
    here("target")
    return "it"


@odd.plan
def plan(ctx: Context, inputs: Nothing) -> Change:
    here("plan")
    return Change(given("BEFORE"), given("AFTER") if "AFTER" in os.environ else 1)


@odd.apply
def apply(ctx: Context, inputs: Nothing, change: Change) -> Odd:
    Path(os.environ["WORLD"]).write_text("begun")
    here("apply")
    return Odd(plain=1, value=given("VALUE"), nested={"a": [given("VALUE")]})


@odd.verify(within=timedelta(milliseconds=100))
def verify(ctx: Context, inputs: Nothing, change: Change) -> bool:
    here("verify")
    return True


@odd.undo
def undo(ctx: Context, inputs: Nothing, change: Change) -> None:
    Path(os.environ["WORLD"]).write_text("begun")
    here("undo")


@odd.check
def check(ctx: Context, inputs: Nothing) -> dict[str, str | None]:
    here("check")
    return {}
