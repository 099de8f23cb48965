"""The scenarios of conformance.yaml: the inputs for each action, and the environment in which it runs."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.faults import validation_faults
from kubernaut_sdk.yamlreading import YamlFault, read_yaml

__all__ = ["Scenario", "Scenarios", "TargetServer", "read_scenarios"]

Command = Annotated[list[str], Field(min_length=1)]


class TargetServer(BaseModel):
    """The proxy between the action and its target; it records each request and passes it on unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    upstream: Annotated[
        str, Field(pattern=r"^http://", description="The address of the target, such as http://127.0.0.1:$port.")
    ]
    speaks: Annotated[
        Literal["http", "aws", "kubernetes"],
        Field(description="The protocol, which tells what requests write, and which permission each takes."),
    ] = "http"


class Scenario(BaseModel):
    """A way to run one action so that it changes something; or so that it reads, if that is all it does.

    In all texts `$name` stands for a variable: `$world` (a folder for the action, as the action sees it), `$folder`
    (the same folder, as this machine sees it), `$server` (the proxy), `$port` (a free port), `$canary` (a new secret),
    `$unique` (a new name), those that `setup` printed, and the environment variables; `$$` is a dollar sign.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    action: str
    name: Annotated[str, Field(description="The name in reports, if an action has several scenarios.")] = ""
    inputs: dict[str, Any] = {}
    changes: Annotated[bool, Field(description="False for an action that only reads: it must change nothing.")] = True
    secrets: Annotated[dict[str, str], Field(description="File of SECRETS_DIR → content.")] = {}
    env: Annotated[dict[str, str], Field(description="Environment variables beside the contract's.")] = {}
    files: Annotated[
        dict[str, str], Field(description="Path below $world → content; written anew before each run.")
    ] = {}
    serve: Annotated[
        Command | None, Field(description="A program that runs during the scenario; it must listen on $port.")
    ] = None
    server: TargetServer | None = None
    setup: Annotated[
        Command | None,
        Field(description="A program that makes the start state, on this machine, before each run."),
    ] = None
    state: Annotated[Command | None, Field(description="A program that prints the current state, in any form.")] = None
    teardown: Annotated[Command | None, Field(description="A program that removes, at the end, what setup made.")] = (
        None
    )

    @property
    def title(self) -> str:
        """The name in reports."""
        return f"{self.action} ({self.name})" if self.name else self.action


class Scenarios(BaseModel):
    """The content of a conformance.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scenarios: Annotated[list[Scenario], Field(min_length=1)]


def read_scenarios(path: Path) -> list[Scenario]:
    """Return the scenarios of a YAML (or JSON) file.

    Raises:
        InvalidInputs: with every fault, one a line.
    """
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputs(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except YamlFault as fault:
        place = f"{path}, line {fault.line}, column {fault.column}" if fault.line else str(path)
        raise InvalidInputs(f"{place}: not usable YAML: {fault}.") from None
    if not isinstance(document, dict):
        raise InvalidInputs(f"{path}: must hold one mapping, not {type(document).__name__}.")
    try:
        return Scenarios.model_validate(document).scenarios
    except ValidationError as error:
        faults = validation_faults(error, model=Scenarios)
        raise InvalidInputs("\n".join(f"{path}: {fault}" for fault in faults)) from None
