"""Actions that take secrets and print them. Loaded by ACTION_MODULES, and imported by tests."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Secret, SecretBytes, SecretStr, model_validator

from kubernaut_sdk import Action, Change, Context, Failed, Inputs, Result


class Tell(Inputs):
    text: str
    where: str = "output"
    target: str = "shop"


class TellResult(Result):
    count: int
    text: Annotated[str | None, Field(max_length=200_000)] = None
    more: dict[str, Any] | None = None


tell = Action("secret/tell_text")


@tell.plan
def plan_tell(ctx: Context, inputs: Tell) -> Change:
    """Print a text in the place that the input says."""
    after: Any = {inputs.text: 1} if inputs.where == "key" else {"told": inputs.where}
    return Change({"told": None}, after | ({"text": inputs.text} if inputs.where == "change" else {}))


@tell.apply
def apply_tell(ctx: Context, inputs: Tell, change: Change) -> TellResult:
    done = ctx.run(["cat"], stdin=inputs.text)
    (ctx.workspace / "applied").write_text(done.stdout, encoding="utf-8")
    match inputs.where:
        case "log":
            ctx.log.info("it says %s", done.stdout, extra={"fields": {"said": {"by": inputs.text}}})
        case "print":
            print(done.stdout)
        case "error":
            raise Failed(f"it says {done.stdout}.")
        case "crash":
            raise RuntimeError(done.stdout)
        case "tool":
            ctx.run(["python3", "-c", "import sys; sys.exit(sys.stdin.read())"], stdin=inputs.text)
        case "json":
            done.json()
        case "output":
            return TellResult(count=1, text=done.stdout, more={"inner": [inputs.text]})
    return TellResult(count=1)


@tell.undo
def undo_tell(ctx: Context, inputs: Tell, change: Change) -> None:
    (ctx.workspace / "undone").write_text(json.dumps(change.before))


@tell.target
def target_tell(inputs: Tell) -> str:
    return inputs.target


class Account(Inputs):
    user: str
    token: SecretStr


def _refused(value: Any) -> Any:
    plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    raise ValueError(f"{plain!r} is no good")


class Many(Inputs):
    one: SecretStr | None = None
    listed: list[SecretStr] = Field(default_factory=list)
    named: dict[str, SecretStr] = Field(default_factory=dict)
    account: Account | None = None
    accounts: dict[str, list[Account]] = Field(default_factory=dict)
    raw: SecretBytes | None = None
    number: Secret[int] | None = None
    checked: Annotated[SecretStr, AfterValidator(_refused)] | None = None
    count: int = 0
    kept: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "Many":
        if self.kept == "refuse":
            raise ValueError(f"this will not do: {self.one and self.one.get_secret_value()}")
        if self.kept == "crash":
            raise KeyError(self.one and self.one.get_secret_value())
        return self


many = Action("secret/take_many")


@many.plan
def plan_many(ctx: Context, inputs: Many) -> Change:
    """Take secrets of every kind, and log them all."""
    return Change(False, True)


@many.apply
def apply_many(ctx: Context, inputs: Many, change: Change) -> None:
    told = [inputs.one, *inputs.listed, *inputs.named.values(), inputs.account and inputs.account.token]
    told += [account.token for accounts in inputs.accounts.values() for account in accounts]
    for secret in told:
        if secret:
            ctx.log.info("took %s", secret.get_secret_value())
    if inputs.raw:
        ctx.log.info("took %s", inputs.raw.get_secret_value().decode("utf-8", "replace"))
    if inputs.number:
        ctx.log.info("took %d", inputs.number.get_secret_value())
