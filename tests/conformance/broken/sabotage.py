"""What an image may get wrong beside its action: each way breaks the SDK beneath it in one place."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kubernaut_sdk import models, results, verbs
from kubernaut_sdk.ids import mint
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.recorder import Recorder
from kubernaut_sdk.runner import Run
from kubernaut_sdk.settings import Settings
from kubernaut_sdk.stdio import Answer
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
    verbs.__dict__["parse_inputs"] = lambda model, values: real(model, change(values))


@way("unknown-input")
def _(action: Action, write: Any) -> None:
    _inputs(lambda values: {name: value for name, value in values.items() if name in action.inputs_model.model_fields})


@way("missing-input")
def _(action: Action, write: Any) -> None:
    _inputs(lambda values: {"file": os.environ["FLAGS"], "name": "dark", "on": True, **values})


@way("not-applied-twice")
def _(action: Action, write: Any) -> None:
    replace(Run, _waited_for_another_pod=lambda run: False)


@way("results-complete")
def _(action: Action, write: Any) -> None:
    real = results.Results.files
    replace(results.Results, files=lambda self: {k: v for k, v in real(self).items() if k != "error"})


@way("results-within-budget")
def _(action: Action, write: Any) -> None:
    results.BUDGET = 4000


@way("stdout-one-object")
def _(action: Action, write: Any) -> None:
    real = Answer.give

    def chatty(answer: Answer, document: dict[str, Any]) -> None:
        real(answer, document)
        if sys.argv[1] != "spec":
            real(answer, {"done": True})

    replace(Answer, give=chatty)


@way("record-complete")
def _(action: Action, write: Any) -> None:
    replace(Settings, about=lambda self: {})


@way("told-before-applied")
def _(action: Action, write: Any) -> None:
    real = Run._announce

    def late(run: Run, change: Any) -> None:
        address = urlsplit(os.environ["DATA_STORAGE_URL"])
        with socket.socket() as probe:
            if probe.connect_ex((address.hostname or "", address.port or 80)) == 0:
                write(action.inputs_model.model_validate_json(os.environ["ACTION_INPUTS"]))
        real(run, change)

    replace(Run, _announce=late)


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
    replace(Settings, require_record=property(lambda self: False, lambda self, value: None))


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
