"""Bad objects that must not affect others: documents, statuses, results, pods and TaskRuns."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from kubernaut_controller.crd import custom_resource_definitions

Json = dict[str, Any]
Make = Callable[[str, str], Json]

IMAGE = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64
STEP = {"name": "a", "actionType": "probe/write_text", "image": IMAGE, "inputs": {}}


def deep(levels: int) -> str:
    """Return the text of an object with so many levels, which Python's own writer could not write."""
    return '{"a":' * levels + "1" + "}" * levels


def _made(**spec: Any) -> Make:
    def make(name: str, where: str) -> Json:
        return {
            "apiVersion": "kubernaut.io/v1alpha1",
            "kind": "WorkflowExecution",
            "metadata": {"name": name, "namespace": where},
            "spec": {"steps": [STEP], **spec},
        }

    return make


def _signal(fired_at: Any) -> Make:
    return _made(signal={"fingerprint": "f", "firedAt": fired_at})


def _raw_inputs(text: str) -> str:
    return json.dumps({"steps": [{**STEP, "inputs": {"a": "RAW"}}]}).replace('"RAW"', text)


BAD_DOCUMENTS: dict[str, tuple[Make, str | None]] = {
    "before-all-time": (_signal("0001-01-01T00:00:00+01:00"), None),
    "after-all-time": (_signal("9999-12-31T23:59:59-01:00"), None),
    "no-time": (_signal("2016-12-31T23:59:60Z"), None),
    "deep-65": (_made(), _raw_inputs(deep(65))),
    "deep-120": (_made(), _raw_inputs(deep(120))),
    "deep-1200": (_made(), _raw_inputs(deep(1200))),
    "deep-9000": (_made(), _raw_inputs(deep(9000))),
    "deep-lists": (_made(), _raw_inputs("[" * 5000 + "]" * 5000)),
    "huge-integer": (_made(), _raw_inputs("1" * 5000)),
    "infinite": (_made(), _raw_inputs("1e999")),
    "surrogate": (_made(), _raw_inputs('"\\ud800"')),
    "surrogate-in-target": (_made(target={"kind": "D", "name": "\ud800"}), None),
    "surrogate-in-key": (_made(), _raw_inputs('{"\\udfff": 1}')),
    "long": (_made(timeout="87600h"), None),
    "circle": (_made(steps=[{**STEP, "runAfter": ["b"]}, {**STEP, "name": "b", "runAfter": ["a"]}]), None),
    "dollar": (_made(steps=[STEP, {**STEP, "name": "b", "inputsFrom": [{"input": "$(x)", "step": "a"}]}]), None),
    "null-steps": (_made(steps=None), None),
}


def _requested(**spec: Any) -> Make:
    def make(name: str, where: str) -> Json:
        return {
            "apiVersion": "kubernaut.io/v1alpha1",
            "kind": "RemediationRequest",
            "metadata": {"name": name, "namespace": where},
            "spec": {"signal": {"fingerprint": "f"}, "workflow": {"steps": [STEP]}, **spec},
        }

    return make


BAD_REQUESTS: dict[str, tuple[Make, str | None]] = {
    "rr-before-all-time": (_requested(signal={"fingerprint": "f", "firedAt": "0001-01-01T00:00:00+01:00"}), None),
    "rr-null-workflow": (_requested(workflow=None), None),
}

BAD_STATUSES: dict[str, Json] = {
    "finished-after-all-time": {
        "phase": "Failed",
        "finishedAt": "9999-12-31T23:59:59Z",
        "conditions": [{"type": "RecordsStored", "status": "True", "reason": "Stored", "message": ""}],
    },
    "finished-at-no-time": {"phase": "Refused", "finishedAt": "2016-12-31T23:59:60Z"},
    "never-finished": {"phase": "Refused"},
    "odd-rows": {
        "phase": "Running",
        "pipelineRunRef": {"name": "x", "uid": "y"},
        "steps": [{"name": "a", "state": "?"}],
    },
    "odd-conditions": {"phase": "Pending", "conditions": [{"type": "Succeeded"}]},
    "over-and-out": {"phase": "Succeeded", "pipelineRunRef": {"name": "x"}, "steps": [{}]},
}

_GOOD = {"status": "succeeded", "changed": "true", "record-status": "disabled", "record-id": "", "error": ""}


def _error(**fields: Any) -> str:
    return json.dumps({"code": 1, "reason": "X", "message": "m", **fields})


BAD_RESULTS: dict[str, Json] = {
    "output-list": {**_GOOD, "output": "[1,2]"},
    "output-number": {**_GOOD, "output": "7"},
    "output-text": {**_GOOD, "output": '"x"'},
    "output-deep-list": {**_GOOD, "output": "[" * 1900},
    "output-deep": {**_GOOD, "output": deep(300)},
    "output-very-deep": {**_GOOD, "output": deep(3000)},
    "output-infinite": {**_GOOD, "output": '{"a":1e999}'},
    "output-nan": {**_GOOD, "output": '{"a":NaN}'},
    "output-huge-integer": {**_GOOD, "output": f'{{"a":{"1" * 5000}}}'},
    "output-surrogate": {**_GOOD, "output": '{"a":"\\ud800"}'},
    "no-json": {**_GOOD, "output": "{", "error": "{"},
    "error-message-number": {**_GOOD, "status": "failed", "error": _error(message=5)},
    "error-code-text": {**_GOOD, "status": "failed", "error": _error(code="1")},
    "error-code-huge": {**_GOOD, "status": "failed", "error": _error(code=10**30)},
    "error-code-float": {**_GOOD, "status": "failed", "error": _error(code=1.5)},
    "error-code-true": {**_GOOD, "status": "failed", "error": _error(code=True)},
    "error-reason-list": {**_GOOD, "status": "failed", "error": _error(reason=["a"])},
    "error-reason-null": {**_GOOD, "status": "failed", "error": _error(reason=None)},
    "error-list": {**_GOOD, "status": "failed", "error": "[]"},
    "error-more": {**_GOOD, "status": "failed", "error": _error(more={"a": 1})},
    "error-surrogate": {**_GOOD, "status": "failed", "error": '{"code":1,"reason":"X","message":"\\ud800"}'},
    "error-long": {**_GOOD, "status": "failed", "error": _error(message="x" * 20_000)},
    "status-odd": {**_GOOD, "status": "wonderful", "output": "{}"},
    "status-empty": {**_GOOD, "status": "", "output": "{}"},
    "status-controllers": {**_GOOD, "status": "intended", "output": "{}"},
    "changed-odd": {**_GOOD, "changed": "perhaps", "output": "{}"},
    "results-lists": {name: ["a"] for name in _GOOD},
    "results-objects": {name: {"a": "b"} for name in _GOOD},
    "results-null": dict.fromkeys(_GOOD),
    "nothing": {},
}


def _alive(pod: Json) -> None:
    pod["status"] = {"phase": "Running", "containerStatuses": [{"name": "step-action", "state": {"running": {}}}]}


def _owned_by(uid: str | None) -> Callable[[Json], None]:
    def change(pod: Json) -> None:
        _alive(pod)
        pod["metadata"]["ownerReferences"] = [] if uid is None else [{"uid": uid, "controller": True}]

    return change


def _odd_status(pod: Json) -> None:
    pod["status"] = {"phase": 5, "containerStatuses": [{"name": 7, "state": []}]}


def _odd_message(pod: Json) -> None:
    terminated = {"exitCode": 0, "message": '[{"key":[1],"value":"x","type":1}]'}
    pod["status"]["containerStatuses"] = [{"name": "step-action", "state": {"terminated": terminated}}]


def _no_labels(document: Json) -> None:
    document["metadata"]["labels"] = {"kubernaut.io/workflow": "x"}


BAD_PODS: list[Callable[[Json], None]] = [_owned_by(None), _owned_by("somebody"), _odd_status, _odd_message, _no_labels]


def _param(name: str, value: Any) -> Callable[[Json], None]:
    def change(task_run: Json) -> None:
        params = [param for param in task_run["spec"]["params"] if param["name"] != name]
        task_run["spec"]["params"] = [*params, {"name": name, "value": value}]

    return change


def _spec(**fields: Any) -> Callable[[Json], None]:
    def change(task_run: Json) -> None:
        task_run["spec"] |= fields

    return change


def _status(status: Any) -> Callable[[Json], None]:
    def change(task_run: Json) -> None:
        task_run["status"] = status

    return change


BAD_TASK_RUNS: list[Callable[[Json], None]] = [
    _param("inputs", '{"a":1}'),
    _param("dryRun", "true"),
    _spec(params=None),
    _spec(params=[{}]),
    _spec(podTemplate={"hostNetwork": True}),
    _status({"conditions": [{}]}),
    _status({"conditions": [{"type": "Succeeded", "status": "True"}], "results": [{}]}),
    _status(None),
    _no_labels,
]

FORGED: dict[str, Callable[[Json], None]] = {
    "another param inputs": _param("inputs", '{"path":"/etc/passwd"}'),
    "another param actionType": _param("actionType", "probe/do_thing"),
    "another param dryRun": _param("dryRun", "true"),
    "another param recordId": _param("recordId", "0198f5a4-0000-7000-8000-000000000000"),
    "another param traceparent": _param("traceparent", "x"),
    "another podTemplate": _spec(podTemplate={"hostNetwork": True}),
    "other workspaces": _spec(workspaces=[{"name": "secrets", "secret": {"secretName": "others"}}]),
    "the ServiceAccount admin": _spec(serviceAccountName="admin"),
    "a debug that": _spec(debug={"breakpoints": {"onFailure": "enabled"}}),
    "a stepSpecs that": _spec(stepSpecs=[{"name": "action"}]),
}
"""Description of a forged TaskRun → the change that makes it so."""


class Specs(list[Json]):
    """A list of specs with a short representation."""

    def __repr__(self) -> str:
        return f"<{len(self)} specs>"


def documents(count: int) -> st.SearchStrategy[Specs]:
    """Return a strategy for specs of WorkflowExecutions that have the schema's shape, or nearly."""
    schema = custom_resource_definitions()["workflowexecutions.kubernaut.io.yaml"]
    spec = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return st.lists(_values(spec), min_size=count, max_size=count).map(Specs)


_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["a", "5m", "0.0000001ms", "$(x)", IMAGE, "probe/write_text", "/", "\0", "9999-12-31T23:59:59-23:59"]
    ),
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def _values(schema: Json) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911 – one case a type
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = {name: _values(inner) for name, inner in schema["properties"].items()}
            required = {name: fields.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=fields)
        case "object" if "additionalProperties" in schema:
            return st.dictionaries(_TEXTS, _values(schema["additionalProperties"]), max_size=3)
        case "object":
            return st.dictionaries(_TEXTS, _ANY, max_size=3)
        case "array":
            return st.lists(_values(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "string" if schema.get("format") == "date-time":
            return st.sampled_from(["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-01-01T00:00:00Z"])
        case "string" if "pattern" in schema:
            return st.one_of(_TEXTS, st.sampled_from(["a", "b", "probe/write_text", IMAGE, "5m", "99999h"]))
        case "string":
            return _TEXTS
        case "integer":
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False)
        case "boolean":
            return st.booleans()
        case _:
            return _ANY
