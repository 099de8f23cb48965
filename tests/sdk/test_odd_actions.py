"""Any exception or value of an action, in any place, gives a contract exit code, results, a record and an object."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubernaut_sdk.portable import require_portable
from kubernaut_sdk.records import Event
from kubernaut_sdk.results import RESULT_NAMES

HERE = Path(__file__).parent
CODES = {1, 2, 3, 4, 5, 75, 124, 143}
STATES = {124: "timed_out", 143: "cancelled"}
SOME = settings(max_examples=20)


@dataclass(frozen=True)
class EndedAction:
    """All reports of one execution."""

    code: int
    stdout: str
    stderr: str
    results: dict[str, str]
    events: list[dict[str, Any]]
    begun: bool

    @property
    def document(self) -> dict[str, Any]:
        """The one object on standard output."""
        [line] = self.stdout.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


RunAction = Callable[..., EndedAction]


@pytest.fixture(scope="module")
def run() -> Iterator[RunAction]:
    server = subprocess.Popen(
        [sys.executable, HERE / "forking.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def one(*argv: str, **env: str) -> EndedAction:
        assert server.stdin is not None
        assert server.stdout is not None
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            base = {
                "PATH": os.environ["PATH"],
                "HOME": name,
                "ACTION_MODULES": str(HERE / "odd_actions.py"),
                "ACTION_TYPE": "probe/be_odd",
                "RESULTS_DIR": str(folder / "results"),
                "SECRETS_DIR": str(folder / "secrets"),
                "DATA_STORAGE_URL": "http://127.0.0.1:9",
                "EVENTS": str(folder / "events"),
                "WORLD": str(folder / "world"),
            }
            order = {
                "argv": argv,
                "env": base | env,
                "stdout": str(folder / "stdout"),
                "stderr": str(folder / "stderr"),
            }
            server.stdin.write(json.dumps(order) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            results = folder / "results"
            return EndedAction(
                code=code,
                stdout=(folder / "stdout").read_text(),
                stderr=(folder / "stderr").read_text(),
                results={path.name: path.read_text() for path in results.iterdir()} if results.is_dir() else {},
                events=[json.loads(line) for line in (folder / "events").read_text().splitlines()]
                if (folder / "events").exists()
                else [],
                begun=(folder / "world").exists(),
            )

    yield one
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(["\ud800", "caf\udce9", "x" * 100_000, "\0", '"$(a)'])
RAISED = st.sampled_from(
    [
        *("SystemExit()", "SystemExit(0)", "SystemExit(256)", "SystemExit(-1)", "SystemExit(True)", "SystemExit('x')"),
        *("KeyboardInterrupt()", "GeneratorExit()", "StopIteration()", "MemoryError()", "Strange()", "Strange"),
        *("Speechless()", "Bare()", "Zero('x')", "Seven('x')", "Texts('x')", "recurse", "Failed(None)", "Failed(b'x')"),
        *("asyncio.CancelledError()", "futures.CancelledError()", "click.exceptions.Exit(0)", "click.Abort()"),
        *("ExceptionGroup('x', [Failed('x')])", "BaseExceptionGroup('x', [SystemExit(0)])", "json.loads('{')"),
        *("OSError(28, 'No space left on device')", "BrokenPipeError()", "Failed('x', reason=7)", "1", "None"),
        *("UnicodeDecodeError('utf-8', b'x', 0, 1, 'x')", "Failed('x', reason='r' * 70_000)"),
    ]
) | st.builds(
    "{}({!r})".format,
    st.sampled_from(
        [
            *("Failed", "InvalidInputs", "NotFound", "PreconditionFailed", "RecordRequired", "VerifyFailed"),
            *("Cancelled", "DeadlineExceeded", "ActionError", "RuntimeError", "ValueError", "SystemExit", "Strange"),
        ]
    ),
    TEXTS,
)


def require_consistent(ended: EndedAction) -> None:
    """Require that exit code, results, events and standard output agree."""
    document, error = ended.document, json.loads(ended.results["error"])
    state = STATES.get(ended.code, "failed")
    assert ended.code in CODES
    assert sorted(ended.results) == sorted(RESULT_NAMES)
    assert ended.results["status"] == document["status"] == state
    assert ended.results["changed"] == json.dumps(document["changed"]).strip('"')
    assert error["code"] == document["error"]["code"] == ended.code
    last = ended.events[-1]
    assert last["state"] == state
    assert last["error"]["code"] == ended.code
    assert last.get("changed") == {"true": True, "false": False, "unknown": None}[ended.results["changed"]]
    assert ended.results["record-status"] == "stored"
    for event in ended.events:
        require_storable(event)


def require_storable(event: dict[str, Any]) -> None:
    """Require that the store would accept the event."""
    Event.model_validate(event)
    require_portable(event, "event")
    assert len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()) <= 64 * 1024


@pytest.mark.parametrize("place", ["import", "target", "plan", "apply", "verify"])
@SOME
@example("SystemExit(0)")
@example("KeyboardInterrupt()")
@given(RAISED)
def test_any_exception_is_reported_alike_everywhere(run: RunAction, place: str, raised: str) -> None:
    ended = run("run", PLACE=place, RAISED=raised)

    require_consistent(ended)
    assert ended.begun == (place in {"apply", "verify"})
    assert ended.results["changed"] == {"apply": "unknown", "verify": "true"}.get(place, "false")
    if ended.begun:
        assert ended.code not in {2, 3, 5}
    assert "printed at" not in ended.stdout


@SOME
@given(RAISED)
def test_an_exception_in_undo_is_reported_alike_everywhere(run: RunAction, raised: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write('{"before": 2, "after": null}')
        file.flush()
        ended = run("undo", "--change", file.name, PLACE="undo", RAISED=raised)

    require_consistent(ended)
    assert (ended.begun, ended.results["changed"]) == (True, "unknown")


@pytest.mark.parametrize("place", ["import", "plan", "check"])
@SOME
@example("SystemExit(0)")
@given(RAISED)
def test_an_exception_in_check_is_reported_without_results(run: RunAction, place: str, raised: str) -> None:
    ended = run("check", PLACE=place, RAISED=raised)

    assert ended.code in CODES
    assert ended.document.get("ok") is not True
    assert (ended.results, ended.events) == ({}, [])


@pytest.mark.parametrize("verb", ["spec", "version", "plan"])
@pytest.mark.parametrize("raised", ["SystemExit(0)", "KeyboardInterrupt()", "Strange()", "RuntimeError('x')"])
def test_a_module_that_cannot_be_imported_ends_every_verb(run: RunAction, verb: str, raised: str) -> None:
    ended = run(verb, PLACE="import", RAISED=raised)

    assert ended.code == 1
    assert ended.document["error"]["code"] == 1
    assert ended.results == {}


PLAIN = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
ODD = st.sampled_from(
    [
        *("float('nan')", "float('-inf')", "datetime(2026, 1, 1, tzinfo=UTC)", "date(2026, 1, 1)", "b'x'", "{1, 2}"),
        *("'\\ud800'", "{'caf\\udce9': 1}", "10**30", "object()", "Decimal('1.5')", "Path('/')", "1j", "endless()"),
        *("{1: 2}", "{None: 1}", "Failed", "lambda: 0", "range(3)"),
    ]
)


def nested(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions of values, alone and within lists and objects."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds("[0, {}]".format, inner)
            | st.builds("({}, None)".format, inner)
            | st.builds("{{'a': {}, 'b': 1}}".format, inner)
        ),
        max_leaves=3,
    )


@pytest.mark.parametrize("name", ["BEFORE", "AFTER"])
@SOME
@given(nested(ODD))
def test_a_change_that_is_no_json_is_refused_before_anything_is_applied(run: RunAction, name: str, value: str) -> None:
    ended = run("run", **{name: value})

    require_consistent(ended)
    assert (ended.code, ended.results["changed"], ended.begun) == (1, "false", False)
    assert ended.document["error"]["reason"] == "NotJSON"
    assert ended.document["error"]["message"].startswith(f"change.{name.lower()}")
    assert run("plan", **{name: value}).document["error"]["reason"] == "NotJSON"


@SOME
@given(nested(ODD))
def test_a_result_that_is_no_json_costs_the_field_and_not_the_end(run: RunAction, value: str) -> None:
    ended = run("run", VALUE=value)

    assert (ended.code, ended.results["status"], ended.results["changed"], ended.begun) == (
        0,
        "succeeded",
        "true",
        True,
    )
    assert ended.document["output"]["plain"] == json.loads(ended.results["output"])["plain"] == 1
    assert ended.events[-1]["state"] == "succeeded"
    for event in ended.events:
        require_storable(event)


@SOME
@given(nested(PLAIN.map(repr)), nested(PLAIN.map(repr)))
def test_what_is_json_arrives_as_it_is(run: RunAction, before: str, value: str) -> None:
    ended = run("run", BEFORE=before, AFTER="'another'", VALUE=value)

    def plain(text: str) -> Any:
        return json.loads(json.dumps(eval(text)))

    assert ended.code == 0
    assert ended.document["change"]["before"] == plain(before)
    assert ended.document["output"]["value"] == plain(value)
    assert ended.events[-1]["output"]["nested"] == {"a": [plain(value)]}


def test_a_value_that_is_nested_too_deep_is_refused(run: RunAction) -> None:
    ended = run("run", AFTER="[" * 80 + "]" * 80)

    require_consistent(ended)
    assert "nested more than 60 deep" in ended.document["error"]["message"]


def test_a_named_field_says_that_it_is_left_out(run: RunAction) -> None:
    ended = run("run", VALUE="float('nan')")

    assert ended.document["output"] == {"plain": 1, "truncated": True}
    assert "the output's field value is left out: output.value: nan is not a JSON number." in ended.stderr
