"""The environment that the generic Task (or the local engine) gives an action container, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from kubernaut_sdk.addresses import require_web_address, without_userinfo
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.errors import InvalidInputs
from kubernaut_sdk.portable import MAX_INPUTS, loads, shorten
from kubernaut_sdk.traceparent import TraceParent

__all__ = ["StepSettings", "results_dir", "spool_dir"]

TEKTON_RESULTS = Path("/tekton/results")


_ABOUT: dict[str, tuple[type, ...]] = {
    "approver": (str,),
    "confidence": (int, float),
    "remediation": (dict,),
    "requester": (str,),
    "signal": (dict,),
    "step": (str,),
    "target": (dict, str),
    "workflow": (dict,),
}
"""The fields of `ACTION_CONTEXT` that go into a record, with their JSON types. The store validates their contents."""

_LONGEST_IMAGE = 1024
"""Characters of an image's name, as of `Record.image`."""


@dataclass(frozen=True, kw_only=True)
class StepSettings:
    """The variables of the action contract. An empty variable counts as absent."""

    action_type: str | None = None
    image: str | None = None
    inputs: str = "{}"
    dry_run: bool = False
    timeout: timedelta = timedelta(minutes=5)
    retries: int = 0
    record_id: UUID | None = None
    undo_record: UUID | None = None
    context: dict[str, Any] = field(default_factory=dict)
    storage_url: str | None = None
    storage_token_file: Path | None = None
    require_record: bool = False
    spool: Path
    results_dir: Path | None = None
    secrets_dir: Path = Path("/kubernaut/secrets")
    workspace: Path
    trace_id: str | None = None
    pod: dict[str, str] | None = None

    def about(self) -> dict[str, Any]:
        """Return the reason why the step runs, its image and its pod, as fields of an event."""
        undoes = str(self.undo_record) if self.undo_record else None
        return {**self.context, "undoes": undoes, "image": self.image, "pod": self.pod, "trace_id": self.trace_id}

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "StepSettings":
        """Read the variables.

        Raises:
            InvalidInputs: with the variable, its value and the values that are allowed.
        """
        given = {name: value for name, value in (os.environ if env is None else env).items() if value}
        storage_url = given.get("DATA_STORAGE_URL")
        if storage_url:
            require_web_address(storage_url, "DATA_STORAGE_URL")
        token_file = given.get("DATA_STORAGE_TOKEN_FILE")
        scratch = given.get("TMPDIR", "/tmp")  # noqa: S108 – where the Task mounts scratch space
        return cls(
            action_type=given.get("ACTION_TYPE"),
            image=_image(given),
            inputs=_inputs(given.get("ACTION_INPUTS", "{}")),
            dry_run=_one_of(given, "ACTION_DRY_RUN", ("false", "true")) == "true",
            timeout=_duration(given),
            retries=_count(given),
            record_id=_record_id(given, "ACTION_RECORD_ID"),
            undo_record=_record_id(given, "ACTION_UNDO_RECORD"),
            context=_context(given),
            storage_url=storage_url,
            storage_token_file=Path(token_file) if token_file else None,
            require_record=_one_of(given, "DATA_STORAGE_POLICY", ("best-effort", "require")) == "require",
            spool=spool_dir(given),
            results_dir=results_dir(given),
            secrets_dir=Path(given.get("SECRETS_DIR", "/kubernaut/secrets")),
            workspace=Path(given.get("WORKSPACE_PATH", scratch)),
            trace_id=parent.trace_id if (parent := TraceParent.parse(given.get("TRACEPARENT"))) else None,
            pod=_pod(given),
        )


def _image(given: Mapping[str, str]) -> str | None:
    text = given.get("ACTION_IMAGE")
    if text is not None and len(text) > _LONGEST_IMAGE:
        raise InvalidInputs(f"ACTION_IMAGE={shorten(text)}: it has {len(text)} characters; at most {_LONGEST_IMAGE}.")
    return text


def _inputs(text: str) -> str:
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > MAX_INPUTS:
        raise InvalidInputs(f"ACTION_INPUTS has {size} bytes; at most {MAX_INPUTS} (32 KiB) are passed to an action.")
    return text


def _one_of(given: Mapping[str, str], name: str, options: tuple[Literal["false", "best-effort"], str]) -> str:
    value = given.get(name, options[0])
    if value not in options:
        raise InvalidInputs(f"{name}={shorten(value)}: it must be {' or '.join(options)}.")
    return value


def _duration(given: Mapping[str, str]) -> timedelta:
    try:
        return parse_duration(given.get("ACTION_TIMEOUT", "5m"))
    except ValueError as error:
        raise InvalidInputs(f"ACTION_TIMEOUT: {error}.") from None


def _count(given: Mapping[str, str]) -> int:
    text = given.get("ACTION_RETRIES", "0")
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        raise InvalidInputs(f"ACTION_RETRIES={shorten(text)}: it must be a whole number from 0 to 100.")
    return int(text)


def _record_id(given: Mapping[str, str], name: str) -> UUID | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        record_id = UUID(text)
    except ValueError:
        raise InvalidInputs(f"{name}={shorten(text)}: it must be a UUID (version 7).") from None
    if record_id.version != 7:
        raise InvalidInputs(f"{name}={text}: it must be a UUID of version 7, whose time sorts records.")
    return record_id


def _context(given: Mapping[str, str]) -> dict[str, Any]:
    value: Any = loads(given.get("ACTION_CONTEXT", "{}"), "ACTION_CONTEXT")
    if not isinstance(value, dict):
        shown = shorten(without_userinfo(given["ACTION_CONTEXT"]))
        raise InvalidInputs(f"ACTION_CONTEXT={shown}: it must be a JSON object.")
    for name, kinds in _ABOUT.items():
        if not isinstance(value.get(name), (*kinds, type(None))):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise InvalidInputs(f"ACTION_CONTEXT.{name}: {shorten(repr(value[name]))} is not a {wanted}.")
    return {name: value[name] for name in _ABOUT if value.get(name) is not None}


def results_dir(given: Mapping[str, str]) -> Path | None:
    """Return the folder of the result files; None for a person who calls the program outside a Task."""
    if given.get("RESULTS_DIR"):
        # absolute, since an action may go to another folder; normal, since a StepAction says …/results/status/..
        return Path(os.path.abspath(given["RESULTS_DIR"]))  # noqa: PTH100 – Path.resolve would follow links
    return TEKTON_RESULTS if TEKTON_RESULTS.is_dir() else None


def spool_dir(given: Mapping[str, str]) -> Path:
    """Return the folder of the spool, from DATA_STORAGE_SPOOL or the home folder."""
    home = given.get("HOME") or given.get("TMPDIR") or "/tmp"  # noqa: S108 – where the Task mounts scratch space
    return Path(given.get("DATA_STORAGE_SPOOL") or Path(home, ".kubernaut", "spool")).absolute()


def _pod(given: Mapping[str, str]) -> dict[str, str] | None:
    uid = given.get("POD_UID")
    return {"name": given.get("POD_NAME", "unknown"), "uid": uid} if uid else None
