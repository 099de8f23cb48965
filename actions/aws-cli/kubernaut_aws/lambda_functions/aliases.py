"""The action aws/set_lambda_alias."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from kubernaut_aws.common.consistency import pending_write, require_planned
from kubernaut_aws.common.memory import PerExecution
from kubernaut_aws.common.session import Aws, connect
from kubernaut_aws.lambda_functions.functions import FunctionInputs
from kubernaut_sdk import Action, Change, Context, PreconditionFailed, Result

__all__ = ["set_lambda_alias"]

Version = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$", max_length=10)]


class AliasInputs(FunctionInputs):
    """The inputs of aws/set_lambda_alias."""

    alias: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$", max_length=128, description="The alias.")
    ]
    version: Annotated[Version, Field(description="The version that it shall lead to; $LATEST is none.")]
    second_version: Annotated[Version | None, Field(description="One that gets a part of the requests.")] = None
    second_weight: Annotated[
        float | None, Field(gt=0, lt=1, description="Its part, such as 0.1; all others go to version.")
    ] = None

    @model_validator(mode="after")
    def _require_both(self) -> "AliasInputs":
        if (self.second_version is None) != (self.second_weight is None):
            raise ValueError("second_version and second_weight belong together; give both, or none")
        if self.second_version == self.version:
            raise ValueError("second_version must be another than version")
        return self


class AliasResult(Result):
    """The result of aws/set_lambda_alias."""

    version: Annotated[str, Field(max_length=10)]


_REVISION: PerExecution[str] = PerExecution()

set_lambda_alias = Action(
    "aws/set_lambda_alias",
    permissions=["lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:UpdateAlias"],
    risk="medium",
    examples=[{"region": "eu-central-1", "function": "checkout", "alias": "live", "version": "41"}],
)


@set_lambda_alias.plan
def plan(ctx: Context, inputs: AliasInputs) -> Change:
    """Let an alias of a Lambda function lead to a version, or to two with weights.

    Written only while the alias is as it was read, by Lambda's `RevisionId`; if somebody changed it in between, it is
    planned anew. The versions must exist and be active. Idempotent; undo sets the versions and weights back.
    Tested on moto, which ignores `RevisionId`, and on a stand-in held to botocore's model, which does not.
    """
    aws = connect(ctx, inputs)
    alias = _find(aws, inputs)
    _REVISION.set(ctx, alias["RevisionId"])
    weights = {inputs.second_version: inputs.second_weight} if inputs.second_version else {}
    change = Change(_state(alias), {"version": inputs.version, "weights": weights})
    if not change.empty:
        for version in filter(None, (inputs.version, inputs.second_version)):
            _require_active(aws, inputs.function, version)
    return change


@set_lambda_alias.apply
def apply(ctx: Context, inputs: AliasInputs, change: Change) -> AliasResult:
    """Call UpdateAlias with the revision that was planned for."""
    _set(connect(ctx, inputs), inputs, change.after, _REVISION.get(ctx))
    return AliasResult(version=inputs.version)


@set_lambda_alias.verify
def verify(ctx: Context, inputs: AliasInputs, change: Change) -> bool | str:
    """Return True once the alias is read as it was written, until then what it is."""
    now = _state(_find(connect(ctx, inputs), inputs))
    return pending_write(f"the alias {inputs.alias} of {inputs.function}", now, change) or True


@set_lambda_alias.undo
def undo(ctx: Context, inputs: AliasInputs, change: Change) -> None:
    """Set the versions and weights back."""
    aws = connect(ctx, inputs)
    alias = _find(aws, inputs)
    require_planned(f"the alias {inputs.alias} of {inputs.function}", _state(alias), change.after)
    _set(aws, inputs, change.before, alias["RevisionId"])


@set_lambda_alias.target
def target(inputs: AliasInputs) -> str:
    """Return the alias. Its ARN is not used, since it holds the account, which only AWS knows."""
    return f"lambda:{inputs.region}:{inputs.function}:{inputs.alias}"


def _find(aws: Aws, inputs: AliasInputs) -> dict[str, Any]:
    what = f"read the alias {inputs.alias} of {inputs.function}"
    return aws.call(what, "lambda", "get_alias", FunctionName=inputs.function, Name=inputs.alias)


def _state(alias: dict[str, Any]) -> dict[str, Any]:
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return {"version": alias["FunctionVersion"], "weights": weights}


def _require_active(aws: Aws, function: str, version: str) -> None:
    what = f"read version {version} of {function}"
    found = aws.call(what, "lambda", "get_function_configuration", FunctionName=function, Qualifier=version)
    if (state := found.get("State", "Active")) not in {"Active", "Inactive"}:  # Lambda wakes one that is Inactive
        raise PreconditionFailed(
            f"version {version} of {function} is {state}: {found.get('StateReason', 'no reason is told')}.",
            reason="WrongState",
        )


def _set(aws: Aws, inputs: AliasInputs, state: dict[str, Any], revision: str | None) -> None:
    params: dict[str, Any] = {
        "FunctionName": inputs.function,
        "Name": inputs.alias,
        "FunctionVersion": state["version"],
        "RoutingConfig": {"AdditionalVersionWeights": state["weights"]},
    }
    if revision:
        params["RevisionId"] = revision
    aws.call(f"set the alias {inputs.alias} of {inputs.function}", "lambda", "update_alias", **params)
