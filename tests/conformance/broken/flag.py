"""An action that keeps the contract; if BROKEN names a check, it breaks exactly the requirement of that check."""

import importlib
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kubernaut_sdk import Action, Change, Context, Failed, Inputs, Result

BROKEN = os.environ.get("BROKEN", "")
COMMENT = 10 if BROKEN == "spec-compatible" else 100


class SwitchInputs(Inputs):
    file: str
    name: str
    on: bool
    comment: Annotated[str, Field(max_length=COMMENT)] = ""


class SwitchResult(Result):
    on: bool
    log: str | None = None


set_flag = Action(
    "feature/set_flag",
    permissions=["configmaps: get"],
    idempotent=BROKEN != "not-applied-twice",
    examples=[{"file": "/tmp/flags.json", "name": "dark", "on": True}],
)


def get(path: str) -> None:
    urllib.request.urlopen(os.environ["FLAGS_URL"] + path, timeout=10).close()


def write(inputs: SwitchInputs) -> None:
    path = Path(inputs.file)
    path.write_text(json.dumps(json.loads(path.read_text()) | {inputs.name: inputs.on}))


@set_flag.plan
def plan(ctx: Context, inputs: SwitchInputs) -> Change:
    """Turn a feature flag on or off."""
    get("/api/v1/namespaces/shop/configmaps/flags")
    if BROKEN == "permissions-declared":
        get("/api/v1/namespaces/shop/configmaps")
    before = {"on": json.loads(Path(inputs.file).read_text()).get(inputs.name)}
    if (BROKEN == "plan-writes-nothing" and sys.argv[1] == "plan") or (
        BROKEN == "dry-run-writes-nothing" and ctx.dry_run and sys.argv[1] == "run"
    ):
        write(inputs)
    if BROKEN == "second-run-unchanged":
        before["seen"] = str(ctx.record_id)
    return Change(before, {"on": inputs.on})


@set_flag.apply
def apply(ctx: Context, inputs: SwitchInputs, change: Change) -> SwitchResult:
    ctx.log.info("flipping by the right of %s", ctx.secret("canary"))
    if BROKEN == "scenario-runs":
        raise Failed("the flag cannot be flipped.")
    if BROKEN == "read-only-root":
        Path("/var/tmp/flag").write_text("written where nothing may be")
    write(inputs)
    if BROKEN == "output-valid":
        return SwitchResult.model_construct(on="yes")  # type: ignore[arg-type] # that is what is broken
    log = {"results-within-budget": "x" * 3000, "mask-is-no-data": ctx.secret("canary")}.get(BROKEN)
    return SwitchResult(on=inputs.on, log=log)


if BROKEN:
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("sabotage").arrange(BROKEN, set_flag, write)
