"""The action aws/set_lambda_concurrency."""

from typing import Annotated, Any

from pydantic import Field

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.lambda_functions.functions import FunctionInputs
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result

__all__ = ["set_lambda_concurrency"]


class ConcurrencyInputs(FunctionInputs):
    """The inputs of aws/set_lambda_concurrency."""

    reserved: Annotated[
        int | None,
        Field(ge=0, le=1_000_000, description="Executions that are kept for it, and its most; null: none are kept."),
    ]
    allow_zero: Annotated[bool, Field(description="Whether 0 is meant, with which the function never runs.")] = False


class ConcurrencyResult(Result):
    """The result of aws/set_lambda_concurrency."""

    reserved: int | None = None


_UNRESERVED = 100
"""Lambda keeps so many executions of an account for functions that reserve none."""

set_lambda_concurrency = Action(
    "aws/set_lambda_concurrency",
    permissions=[
        "lambda:DeleteFunctionConcurrency",
        "lambda:GetAccountSettings",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:PutFunctionConcurrency",
    ],
    risk="medium",
    examples=[{"region": "eu-central-1", "function": "checkout", "reserved": 50}],
)


@set_lambda_concurrency.plan
def plan(ctx: Context, inputs: ConcurrencyInputs) -> Change:
    """Set the reserved concurrency of a Lambda function: what is kept for it, and what it gets at most.

    Refused: 0 without `allow_zero`, which stops the function; more than the account's pool allows, since Lambda keeps
    100 executions for functions that reserve none. Idempotent; undo sets the number back. Lambda has no
    compare-and-swap for this: the number is read again right before it is set.
    """
    if inputs.reserved == 0 and not inputs.allow_zero:
        raise PreconditionFailed(
            f"reserved is 0, with which {inputs.function} never runs; set allow_zero to true if that is meant.",
            reason="Zero",
        )
    aws = connect(ctx, inputs)
    what = f"read the function {inputs.function}"
    aws.call(what, "lambda", "get_function_configuration", FunctionName=inputs.function)
    change = Change(_read(aws, inputs.function), {"reserved": inputs.reserved})
    if not change.empty and inputs.reserved:
        limits = aws.call("read the account's limits", "lambda", "get_account_settings")["AccountLimit"]
        free = limits["UnreservedConcurrentExecutions"] + (change.before["reserved"] or 0) - _UNRESERVED
        if inputs.reserved > free:
            raise PreconditionFailed(
                f"the account has {free} executions to reserve for {inputs.function}, not {inputs.reserved}: Lambda "
                f"keeps {_UNRESERVED} of {limits['ConcurrentExecutions']} for functions that reserve none.",
                reason="Pool",
            )
    return change


@set_lambda_concurrency.apply
def apply(ctx: Context, inputs: ConcurrencyInputs, change: Change) -> ConcurrencyResult:
    """Call PutFunctionConcurrency, or DeleteFunctionConcurrency for null."""
    _set(connect(ctx, inputs), inputs.function, change.before, change.after)
    return ConcurrencyResult(reserved=inputs.reserved)


@set_lambda_concurrency.verify
def verify(ctx: Context, inputs: ConcurrencyInputs, change: Change) -> bool | str:
    """Return True once the number is read as it was written, until then what it is."""
    now = _read(connect(ctx, inputs), inputs.function)
    return pending_write(f"the concurrency of {inputs.function}", now, change) or True


@set_lambda_concurrency.undo
def undo(ctx: Context, inputs: ConcurrencyInputs, change: Change) -> None:
    """Set the number back."""
    _set(connect(ctx, inputs), inputs.function, change.after, change.before)


@set_lambda_concurrency.target
def target(inputs: ConcurrencyInputs) -> str:
    """Return the function. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"lambda:{inputs.region}:{inputs.function}"


def _read(aws: Aws, function: str) -> dict[str, int | None]:
    what = f"read the concurrency of {function}"
    found = aws.call(what, "lambda", "get_function_concurrency", FunctionName=function)
    return {"reserved": found.get("ReservedConcurrentExecutions")}


def _set(aws: Aws, function: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    require_planned(f"the concurrency of {function}", _read(aws, function), before)
    what = f"set the concurrency of {function}"
    if (reserved := after["reserved"]) is None:
        aws.call(what, "lambda", "delete_function_concurrency", FunctionName=function)
        return
    params: dict[str, Any] = {"FunctionName": function, "ReservedConcurrentExecutions": reserved}
    aws.call(what, "lambda", "put_function_concurrency", **params)
