"""Actions whose inputs say how they behave, for tests of the SDK. Loaded by ACTION_MODULES."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from kubernaut_sdk import (
    Action,
    Change,
    Context,
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

ERRORS = {
    kind.__name__: kind
    for kind in (Failed, InvalidInputs, NotFound, PreconditionFailed, RecordRequired, Transient, VerifyFailed)
}


class Text(Inputs):
    path: str
    text: str = ""


class Written(Result):
    size: int
    text: Annotated[str, Field(max_length=40)]
    whole: str | None = None


write = Action("probe/write_text", permissions=["files: write"], examples=[{"path": "/x"}])


@write.plan
def plan_text(ctx: Context, inputs: Text) -> Change:
    """Write a text to a file."""
    path = Path(inputs.path)
    before = path.read_text() if path.exists() else None
    return Change(before={"text": before}, after={"text": inputs.text})


@write.apply
def write_text(ctx: Context, inputs: Text, change: Change) -> Written:
    Path(inputs.path).write_text(inputs.text)
    return Written(size=len(inputs.text), text=inputs.text[:40], whole=inputs.text)


@write.verify(within=timedelta(seconds=5))
def text_is_there(ctx: Context, inputs: Text, change: Change) -> bool | str:
    return Path(inputs.path).read_text() == inputs.text or "another text is there"


@write.undo
def unwrite_text(ctx: Context, inputs: Text, change: Change) -> None:
    if change.before["text"] is None:
        Path(inputs.path).unlink()
    else:
        Path(inputs.path).write_text(change.before["text"])


class Behaviour(Inputs):
    how: str = "well"
    where: str = "apply"
    times: int = 0
    marks: str = ""
    token: SecretStr = SecretStr("")


behave = Action("probe/do_thing", idempotent=False, tools=["sleep"])


def _behave(ctx: Context, inputs: Behaviour, here: str) -> None:  # noqa: C901, PLR0912 – a table of cases
    if inputs.where != here:
        return
    if inputs.marks:
        with Path(inputs.marks).open("a") as file:
            file.write(f"{here}\n")
    if inputs.how in ERRORS and (not inputs.times or ctx.attempt < inputs.times):
        raise ERRORS[inputs.how](f"told to: {inputs.how}.")
    match inputs.how:
        case "crash":
            raise RuntimeError(f"nobody foresaw this; {inputs.token.get_secret_value()}")
        case "sleep":
            ctx.run(["sleep", "300"])
        case "vanish":
            os._exit(0)  # an image of another language may end like this: with code 0 and no results
        case "block":
            time.sleep(300)
        case "short-tool":
            ctx.run(["sleep", "1"])
            ctx.run(["sleep", "300"])
        case "tool":
            ctx.log.info("%s", next(line for line in ctx.run(["env"]).stdout.splitlines() if "TRACEPARENT" in line))
        case "missing-tool":
            ctx.run(["no-such-tool-anywhere"])
        case "log":
            ctx.log.info("token %s", inputs.token.get_secret_value())
        case "print":
            token = inputs.token.get_secret_value()
            for stream in (sys.stdout, sys.stderr):
                print("token", token[:4], end="", sep="=", file=stream, flush=True)
                print(token[4:], file=stream)
            subprocess.run(["echo", "by hand"], check=True)


@behave.plan
def plan_thing(ctx: Context, inputs: Behaviour) -> Change:
    """Behave as the inputs say."""
    _behave(ctx, inputs, "plan")
    return Change(before={"done": False}, after={"done": True})


@behave.apply
def do_thing(ctx: Context, inputs: Behaviour, change: Change) -> None:
    _behave(ctx, inputs, "apply")


@behave.verify(within=timedelta(seconds=1))
def thing_is_done(ctx: Context, inputs: Behaviour, change: Change) -> bool | str:
    _behave(ctx, inputs, "verify")
    return inputs.how != "never-there" or "it is not there yet"


swallow = Action("probe/swallow_errors")


@swallow.plan
def plan_swallow(ctx: Context, inputs: Behaviour) -> Change:
    """An author who catches everything."""
    return Change(before=0, after=1)


@swallow.apply
def do_swallow(ctx: Context, inputs: Behaviour, change: Change) -> None:
    for _ in range(100):
        with Path(inputs.marks).open("a") as file:
            file.write("round\n")
        try:
            ctx.run(["sleep", "0.2"])
        except Exception as error:
            ctx.log.info("swallowed %s", error)
            time.sleep(0.01)
