"""Spans are exported as OpenTelemetry's variables say, in the trace of TRACEPARENT; otherwise it is not imported."""

import json
import subprocess
import sys
from typing import Any

import pytest

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def test_spans_of_plan_apply_verify_and_tools_continue_the_trace(action: Any, collector: Any) -> None:
    ended = action.run(
        "run",
        "probe/do_thing",
        "-p",
        "how=tool",
        TRACEPARENT=TRACEPARENT,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )

    assert ended.code == 0, ended.stderr
    by_name = {span.name: span for span in collector.spans}
    parents = {name: _name_of(span.parent_span_id, collector.spans) for name, span in by_name.items()}
    assert parents == {
        "probe/do_thing": PARENT,
        "plan": "probe/do_thing",
        "apply": "probe/do_thing",
        "env": "apply",
        "verify": "probe/do_thing",
    }
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    told = [line["message"] for line in map(json.loads, ended.stderr.splitlines()) if "TRACEPARENT" in line["message"]]
    assert told == [f"TRACEPARENT=00-{TRACE}-{by_name['env'].span_id.hex()}-01"]


def test_a_failure_marks_its_spans_and_shows_no_secret(action: Any, collector: Any) -> None:
    action.run(
        "run",
        "probe/do_thing",
        ACTION_INPUTS='{"how": "crash", "token": "hunter2hunter2"}',
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )

    status = {span.name: (span.status.code, span.status.message) for span in collector.spans}
    assert status["plan"] == (0, "")
    assert status["apply"] == (2, "nobody foresaw this; ***")
    assert status["probe/do_thing"][0] == 2


def test_a_collector_that_is_away_stops_no_action(action: Any, closed_port: str) -> None:
    ended = action.run("run", "probe/do_thing", OTEL_EXPORTER_OTLP_ENDPOINT=closed_port)

    assert ended.code == 0
    assert ended.results["status"] == "succeeded"


def test_settings_that_cannot_be_used_stop_no_action(action: Any) -> None:
    ended = action.run("run", "probe/do_thing", OTEL_TRACES_EXPORTER="no-such-exporter")

    assert ended.code == 0
    assert "traces go nowhere" in ended.stderr


@pytest.mark.parametrize("installed", [True, False])
def test_nothing_of_it_is_imported_where_nobody_wants_it(installed: bool) -> None:
    hidden = "" if installed else "import importlib.util; importlib.util.find_spec = lambda name: None; "
    wanted = "" if installed else "import os; os.environ['OTEL_TRACES_EXPORTER'] = 'otlp'; "
    program = "from kubernaut_sdk.tracing import Tracing; Tracing().close(); import sys; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", hidden + wanted + program],
        capture_output=True,
        text=True,
        check=True,
        env={"TRACEPARENT": TRACEPARENT},
    )

    assert "kubernaut_sdk.tracing" in ended.stdout
    assert "opentelemetry" not in ended.stdout


def _name_of(span_id: bytes, spans: list[Any]) -> str:
    return next((span.name for span in spans if span.span_id == span_id), span_id.hex())
