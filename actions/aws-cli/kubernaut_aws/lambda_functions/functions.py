"""The inputs that name a Lambda function."""

from typing import Annotated

from pydantic import Field

from kubernaut_aws.common.inputs import AwsInputs

__all__ = ["FunctionInputs"]


class FunctionInputs(AwsInputs):
    """The inputs of every action for a Lambda function."""

    function: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", max_length=64, description="Its name.")]
