"""The inputs that every AWS action has, and the forms of AWS's ids."""

from typing import Annotated

from pydantic import Field, model_validator

from kubernaut_aws.common.regions import Region
from kubernaut_sdk import Inputs

__all__ = ["Account", "AwsInputs", "InstanceId", "Limit", "MinHealthy", "Name", "RoleArn"]

Account = Annotated[str, Field(pattern=r"^[0-9]{12}$", max_length=12)]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", max_length=600)]
InstanceId = Annotated[str, Field(pattern=r"^i-[0-9a-f]{8,17}$", description="The id of an EC2 instance.")]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Limit = Annotated[int, Field(ge=1, le=50, description="Refused if it would be more at once.")]
MinHealthy = Annotated[
    int, Field(ge=0, le=100_000, description="Refused if fewer healthy ones would be left to do the work.")
]


class AwsInputs(Inputs):
    """The inputs of every AWS action."""

    region: Region
    role_arn: Annotated[
        RoleArn | None,
        Field(description="A role to assume; its session has the record's id as name. By default none."),
    ] = None
    external_id: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_+=,.@:/-]+$",
            min_length=2,
            max_length=1224,
            description="The external id that the role asks for.",
        ),
    ] = None
    account: Annotated[
        Account | None, Field(description="The account that is meant; in any other, nothing is read or changed.")
    ] = None

    @model_validator(mode="after")
    def _require_one_account(self) -> "AwsInputs":
        if self.role_arn is None:
            if self.external_id is not None:
                raise ValueError("external_id is for a role; give role_arn too, or leave it out")
        elif self.account not in {None, self.role_arn.split(":")[4]}:
            raise ValueError(f"role_arn is of account {self.role_arn.split(':')[4]}, and account is {self.account}")
        return self
