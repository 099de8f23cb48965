"""The scenarios of an image: how each of its actions can be tried, and in what world."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.yamlreading import YamlFault, read_yaml

__all__ = ["Scenario", "Scenarios", "TargetServer", "read_scenarios"]

Command = Annotated[list[str], Field(min_length=1)]


class TargetServer(BaseModel):
    """A server between the action and what it talks to; it writes down what passes, and passes it on unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    upstream: Annotated[
        str, Field(pattern=r"^http://", description="Where requests go on to, such as http://127.0.0.1:$port.")
    ]
    speaks: Annotated[
        Literal["http", "aws", "kubernetes"],
        Field(description="How requests are read: what writes, and which permission it takes."),
    ] = "http"


class Scenario(BaseModel):
    """One way to try one action, such that it changes something.

    In all texts `$name` stands for a variable: `$world` (a folder of the action's, as it sees it), `$folder` (the same,
    as this machine sees it), `$server`, `$port` (a free one), `$canary` (a secret made for this run), `$unique` (a name
    of this run's own), what `setup` printed, and the environment's; `$$` is a dollar sign.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    action: str
    name: Annotated[str, Field(description="For the report, where an action has several.")] = ""
    inputs: dict[str, Any] = {}
    secrets: Annotated[dict[str, str], Field(description="File of SECRETS_DIR → content.")] = {}
    env: Annotated[dict[str, str], Field(description="Variables that the image takes beside the contract's.")] = {}
    files: Annotated[dict[str, str], Field(description="Path below $world → content; made anew for each run.")] = {}
    serve: Annotated[
        Command | None, Field(description="A program that runs as long as the scenario; it must listen on $port.")
    ] = None
    server: TargetServer | None = None
    setup: Annotated[
        Command | None,
        Field(description="Run on this machine before each run; it puts the world into its start state."),
    ] = None
    state: Annotated[Command | None, Field(description="Prints the state of the world, in whatever form.")] = None
    teardown: Annotated[Command | None, Field(description="Run at the end; it removes what setup made.")] = None

    @property
    def title(self) -> str:
        """How the report calls it."""
        return f"{self.action} ({self.name})" if self.name else self.action


class Scenarios(BaseModel):
    """A file of them."""

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
        raise InvalidInputs(f"{path}: cannot be read: {error}.") from None
    except YamlFault as fault:
        place = f"{path}, line {fault.line}, column {fault.column}" if fault.line else str(path)
        raise InvalidInputs(f"{place}: not usable YAML: {fault}.") from None
    if not isinstance(document, dict):
        raise InvalidInputs(f"{path}: must hold one mapping, not {type(document).__name__}.")
    try:
        return Scenarios.model_validate(document).scenarios
    except ValidationError as error:
        faults = [_describe_fault(path, item) for item in error.errors(include_url=False)]
        raise InvalidInputs("\n".join(faults)) from None


def _describe_fault(path: Path, item: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    match item["type"]:
        case "missing":
            message = "missing; it is required"
        case "extra_forbidden":
            message = f"unknown; there is {', '.join(sorted(Scenario.model_fields))}"
        case _:
            message = f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {shorten(repr(item['input']))}"
    return f"{path}: {where}: {message}."
