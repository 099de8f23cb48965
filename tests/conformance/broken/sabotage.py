"""Faults of an image outside its action: each breaks the SDK beneath the action in one place."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernaut_sdk import InvalidInputs, models, results
from kubernaut_sdk.execution import reporter
from kubernaut_sdk.execution.runner import Execution
from kubernaut_sdk.ids import mint
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.program import sources
from kubernaut_sdk.program.stdio import StandardOutput
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.storage import StorageClient

Action = Any
WAYS: dict[str, Callable[[Action, Any], None]] = {}


def way(check: str) -> Callable[[Callable[[Action, Any], None]], None]:
    return lambda function: WAYS.update({check: function})


def replace(kind: type, **members: Any) -> None:
    for name, member in members.items():
        setattr(kind, name, member)


def arrange(check: str, action: Action, write: Any) -> None:
    if check in WAYS:
        WAYS[check](action, write)


@way("spec-offline")
def _(action: Action, write: Any) -> None:
    if sys.argv[1] == "spec" and "ACTION_TYPE" not in os.environ:
        sys.exit("ACTION_TYPE is not set")


@way("spec-valid")
def _(action: Action, write: Any) -> None:
    action.risk = "huge"


def _inputs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    real = models.parse_inputs
    sources.__dict__["parse_inputs"] = lambda model, values: real(model, change(values))


@way("unknown-input")
def _(action: Action, write: Any) -> None:
    _inputs(lambda values: {name: value for name, value in values.items() if name in action.inputs_model.model_fields})


@way("missing-input")
def _(action: Action, write: Any) -> None:
    _inputs(lambda values: {"file": os.environ["FLAGS"], "name": "dark", "on": True, **values})


@way("mask-is-no-data")
def _(action: Action, write: Any) -> None:
    reporter.__dict__["withhold_secrets"] = lambda output, masker: masker.json(output)


@way("withheld-input")
def _(action: Action, write: Any) -> None:
    sources.__dict__["_value_from"] = lambda name, path, output: json.loads(os.environ["ACTION_INPUTS"])[name]


@way("malformed-inputs")
def _(action: Action, write: Any) -> None:
    real: Any = sources.__dict__["loads"]

    def repeating(text: str, *args: Any, **options: Any) -> Any:
        try:
            return real(text, *args, **options)
        except InvalidInputs as error:
            raise InvalidInputs(f"{error.message} It is {text}") from None

    sources.__dict__["loads"] = repeating


@way("not-applied-twice")
def _(action: Action, write: Any) -> None:
    replace(Execution, _wait_for_predecessor=lambda run: False)


Say = Callable[[str], None]
Real = Callable[[dict[str, Any]], None]


def _printing(around: Callable[[Real, dict[str, Any], Say], None]) -> None:
    """Do something before or after the one JSON object is printed, as the last thing of a run."""
    write = StandardOutput.write

    def given(answer: StandardOutput, document: dict[str, Any]) -> None:
        around(
            lambda told: write(answer, told),
            document,
            lambda text: print(os.write(answer._number, f"{text}\n".encode())),
        )

    replace(StandardOutput, write=given)


def _at_the_end(change: Callable[[Path, dict[str, str]], None]) -> None:
    """Change the result files at the very end, as an image in another language might leave them."""

    def around(real: Real, document: dict[str, Any], _say: Say) -> None:
        folder = Path(os.environ.get("RESULTS_DIR", "/nowhere"))
        if (folder / "status").is_file() and sys.argv[1] == "run":
            change(folder, {name: (folder / name).read_text() for name in ("status", "error")})
        real(document)

    _printing(around)


@way("code-and-status-agree")
def _(action: Action, write: Any) -> None:
    def lie(folder: Path, results: dict[str, str]) -> None:
        if results["status"] == "succeeded":
            (folder / "status").write_text("failed")

    _at_the_end(lie)


@way("codes-keep-their-promise")
def _(action: Action, write: Any) -> None:
    def late(folder: Path, results: dict[str, str]) -> None:
        if results["error"] and json.loads(results["error"])["code"] in {2, 3, 5}:
            (folder / "changed").write_text("true")

    _at_the_end(late)


@way("results-plain-files")
def _(action: Action, write: Any) -> None:
    def link(folder: Path, results: dict[str, str]) -> None:
        (folder / "output").replace(folder / ".elsewhere")
        (folder / "output").symlink_to(folder / ".elsewhere")

    _at_the_end(link)


@way("results-complete:none-at-0")
def _(action: Action, write: Any) -> None:
    def clear(folder: Path, results: dict[str, str]) -> None:
        if results["status"] in {"succeeded", "unchanged", "planned"}:
            for path in folder.iterdir():
                path.unlink()

    _at_the_end(clear)


@way("killed-while-applying")
def _(action: Action, write: Any) -> None:
    real = action.apply_function

    def slow(*args: Any) -> Any:
        (Path(os.environ["RESULTS_DIR"]) / "changed").write_text("false")
        result = real(*args)
        time.sleep(2)
        return result

    action.apply_function = slow


@way("unchanged-verified")
def _(action: Action, write: Any) -> None:
    action.verify()(lambda ctx, inputs, change: True)


@way("results-complete")
def _(action: Action, write: Any) -> None:
    real = results.Results.files
    replace(results.Results, files=lambda self: {k: v for k, v in real(self).items() if k != "error"})


@way("results-within-budget")
def _(action: Action, write: Any) -> None:
    results.BUDGET = 4000


@way("stdout-one-object")
def _(action: Action, write: Any) -> None:
    _chatty("done", lambda document: True)


def _chatty(text: str, when: Callable[[dict[str, Any]], bool]) -> None:
    def around(real: Real, document: dict[str, Any], say: Say) -> None:
        real(document)
        if sys.argv[1] != "spec" and when(document):
            say(text)

    _printing(around)


@way("stdout-one-object:plan")
def _(action: Action, write: Any) -> None:
    _chatty("planned", lambda document: sys.argv[1] == "plan")


@way("stdout-one-object:failure")
def _(action: Action, write: Any) -> None:
    _chatty("{}", lambda document: document.get("status") == "failed")


@way("record-complete")
def _(action: Action, write: Any) -> None:
    replace(StepSettings, about=lambda self: {})


@way("told-before-applied")
def _(action: Action, write: Any) -> None:
    real = Execution._send_applying

    def late(run: Execution, change: Any) -> None:
        address = urlsplit(os.environ["DATA_STORAGE_URL"])
        with socket.socket() as probe:
            if probe.connect_ex((address.hostname or "", address.port or 80)) == 0:
                write(action.inputs_model.model_validate_json(os.environ["ACTION_INPUTS"]))
        real(run, change)

    replace(Execution, _send_applying=late)


@way("sigterm")
def _(action: Action, write: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@way("deadline")
def _(action: Action, write: Any) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


@way("storage-away-best-effort")
def _(action: Action, write: Any) -> None:
    replace(Recorder, _mark=lambda self, event, problem: None)


@way("storage-away-require")
def _(action: Action, write: Any) -> None:
    replace(StepSettings, require_record=property(lambda self: False, lambda self, value: None))


@way("told-twice-one-record")
def _(action: Action, write: Any) -> None:
    real: Any = StorageClient._exchange
    sent: set[bytes | None] = set()

    def renamed(self: StorageClient, method: str, path: str, body: bytes | None, *rest: Any) -> Any:
        if body in sent:
            body = json.dumps([{**event, "id": str(mint())} for event in json.loads(body or b"[]")]).encode()
        sent.add(body)
        return real(self, method, path, body, *rest)

    replace(StorageClient, _exchange=renamed)


@way("secret-nowhere")
def _(action: Action, write: Any) -> None:
    replace(Masker, text=lambda self, text: text, json=lambda self, value: value)
