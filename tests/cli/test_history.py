"""`kubernaut history` and `kubernaut report`: what people ask about the records, and what they get."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from kubernaut_cli.commands.history import history
from kubernaut_cli.history.changes import change_lines, change_text
from kubernaut_cli.history.course import course_of
from kubernaut_cli.history.reading import HistoryReader
from kubernaut_controller.pipelinerun import run_name_of
from kubernaut_datastorage import embedded
from kubernaut_sdk import DataStorage
from kubernaut_sdk.ids import mint
from kubernaut_sdk.records import Record
from kubernaut_sdk.times import rfc3339, utcnow

Run = Callable[..., Any]
FINGERPRINT = "7f3a5c1e9b2d4680"
CHECKOUT = {"kind": "Deployment", "namespace": "shop", "name": "checkout"}


def test_a_dry_run_that_failed_looks_like_one_and_an_undo_names_what_it_undoes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone = str(mint())
    base = {"at": rfc3339(utcnow()), "action_type": "probe/write_text"}
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        storage.record(
            {**base, "id": undone, "state": "succeeded"},
            {**base, "id": str(mint()), "state": "failed", "dry_run": True},
            {**base, "id": str(mint()), "state": "succeeded", "undoes": undone},
        )
    monkeypatch.delenv("DATA_STORAGE_URL", raising=False)
    table = CliRunner().invoke(history, [f"--data={tmp_path}"], env={"COLUMNS": "250"}).output
    rows = CliRunner().invoke(history, [f"--data={tmp_path}", "-o", "csv"]).output.splitlines()

    assert "failed (dry run)" in table
    assert f"succeeded (undoes {undone[-8:]})" in table
    assert "succeeded (undone)" in table
    assert table.count("(") == 4  # those three, and the head of the second column
    assert rows[0].endswith(",dry_run,undoes")
    assert sum(row.endswith(",True,") for row in rows) == 1
    assert sum(row.endswith(f",,{undone}") for row in rows) == 1


def step(name: str, action_type: str, change: Any, **fields: Any) -> dict[str, Any]:
    """Return a record of a step of the workflow scale-out, which answered an alert ten minutes ago."""
    ended = utcnow() - timedelta(minutes=10)
    return {
        "id": str(mint()),
        "at": rfc3339(ended),
        "started_at": rfc3339(ended - timedelta(seconds=3)),
        "finished_at": rfc3339(ended),
        "state": "succeeded",
        "action_type": action_type,
        "target": CHECKOUT,
        "change": change,
        "changed": True,
        "dry_run": False,
        "requester": "alice",
        "step": name,
        "workflow": {"namespace": "shop", "name": "scale-out", "uid": "one"},
        "signal": {"fingerprint": FINGERPRINT, "name": "CheckoutLatencyHigh", "severity": "critical"},
        **fields,
    }


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of records: an alert, the workflow that answered it, a dry run, and somebody else's record."""
    folder = tmp_path_factory.mktemp("night")
    inputs = {"repository": "https://git/shop.git", "path": "checkout.yaml", "field": "spec.replicas", "value": 3}
    with embedded(folder) as service, DataStorage(service.url) as storage:
        outcomes = storage.record(
            step("scale", "kubernetes/scale_deployment", {"before": {"replicas": 1}, "after": {"replicas": 3}}),
            step("persist", "git/update_file", {"before": {"value": 1}, "after": {"value": 3}}, inputs=inputs),
            step(
                "try",
                "kubernetes/scale_deployment",
                None,
                state="planned",
                changed=False,
                dry_run=True,
                requester="bob",
            ),
            {"id": str(mint()), "at": rfc3339(utcnow()), "state": "failed", "action_type": "aws/reboot_instances"},
        )
        assert {one["outcome"] for one in outcomes} == {"stored"}
        alert = {
            "status": "resolved",
            "labels": {"alertname": "CheckoutLatencyHigh", "severity": "critical"},
            "startsAt": rfc3339(utcnow() - timedelta(minutes=15)),
            "endsAt": rfc3339(utcnow() - timedelta(minutes=8)),
            "fingerprint": FINGERPRINT,
        }
        payload = {"version": "4", "status": "resolved", "receiver": "kubernaut", "alerts": [alert]}
        httpx.post(f"{service.url}/api/v1/signals", json=payload, trust_env=False).raise_for_status()
    return folder


def rows(called: Run, folder: Path, *args: str) -> list[dict[str, str]]:
    ended = called("history", f"--data={folder}", "-o", "csv", *args, env={})
    assert ended.code == 0, ended.stderr
    return list(csv.DictReader(io.StringIO(ended.stdout)))


@pytest.mark.parametrize(
    ("args", "steps"),
    [
        ([], ["", "scale", "persist", "try"]),
        (["--target", "checkout"], ["scale", "persist", "try"]),
        (["--target", "shop/Deployment/checkout"], ["scale", "persist", "try"]),
        (["--target", "heckout"], []),
        (["--workflow", "scale-out"], ["scale", "persist", "try"]),
        (["--workflow", "shop/scale-out"], ["scale", "persist", "try"]),
        (["--workflow", run_name_of("scale-out", "one")], ["scale", "persist", "try"]),
        (["--workflow", run_name_of("scale-out", "two")], []),
        (["--requester", "bob"], ["try"]),
        (["--signal", FINGERPRINT, "--requester", "alice"], ["scale", "persist"]),
        (["--signal", "CheckoutLatencyHigh"], ["scale", "persist", "try"]),
        (["git/update_file", "--target", "checkout"], ["persist"]),
        (["--state", "failed"], [""]),
        (["--until", "1h"], []),
        (["--since", "2026-01-31T09:05Z", "--state", "planned"], ["try"]),
    ],
)
def test_records_are_found_by_what_people_know_of_them(
    called: Run, night: Path, args: list[str], steps: list[str]
) -> None:
    assert sorted(row["step"] for row in rows(called, night, *args)) == sorted(steps)


def test_a_row_says_who_changed_what_and_marks_dry_runs(called: Run, night: Path) -> None:
    table = called("history", f"--data={night}", "--target", "checkout", env={}).stdout
    [persist] = rows(called, night, "git/update_file")

    assert "checkout.yaml spec.replicas: 1 → 3" in table
    assert "replicas: 1 → 3" in table
    assert "planned (dry run)" in table
    assert persist["change"] == "checkout.yaml spec.replicas: 1 → 3"
    assert (persist["requester"], persist["workflow"], persist["signal"]) == ("alice", "scale-out", FINGERPRINT)
    assert persist["id"][-8:] in table


@pytest.mark.parametrize("output", ["table", "json"])
def test_where_nothing_is_found_it_says_where_it_looked_and_how_many_there_are(
    called: Run, night: Path, output: str
) -> None:
    ended = called("history", f"--data={night}", "--target", "other", "--since=1h", "-o", output, env={})

    assert (ended.code, ended.stdout) == (0, "" if output == "table" else "[]\n")
    assert ended.stderr.startswith("nothing found for --target other since ")
    assert ended.stderr.endswith(f"in the embedded store in {night}, which holds 4 records\n")


def test_more_than_the_limit_is_said(called: Run, night: Path) -> None:
    ended = called("history", f"--data={night}", "--limit=2", "-o", "name", env={})

    assert len(ended.stdout.splitlines()) == 2
    assert ended.stderr == "these are the newest 2; --limit shows more, --since fewer\n"


def test_the_newest_of_a_workflow_are_those_that_ended_last(called: Run, tmp_path: Path) -> None:
    """The ids of its steps have one time, and say nothing of their order."""
    began = utcnow() - timedelta(minutes=5)
    ended = [3, 0, 2, 4, 1]
    steps = [
        step(f"step-{place}", "git/update_file", None, at=rfc3339(began + timedelta(seconds=place))) for place in ended
    ]
    for one, other in zip(steps, sorted(one["id"] for one in steps), strict=True):
        one["id"] = other
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        storage.record(*steps)
    newest = called("history", f"--data={tmp_path}", "--limit=2", "-o", "csv", "--no-headers", env={})

    assert [row[6] for row in csv.reader(io.StringIO(newest.stdout))] == ["step-4", "step-3"]
    assert newest.stderr == "these are the newest 2; --limit shows more, --since fewer\n"
    assert called("history", f"--data={tmp_path}", "--limit=5", env={}).stderr == ""


def test_a_short_id_is_enough_and_an_ambiguous_one_says_which_there_are(called: Run, night: Path) -> None:
    ids = [row["id"] for row in rows(called, night, "--workflow", "scale-out")]
    shown = called("history", "show", ids[0][-8:], f"--data={night}", env={})
    ambiguous = called("history", "show", ids[0][:4], f"--data={night}", env={})
    unknown = called("history", "show", "00000000000", f"--data={night}", env={})

    assert (shown.code, shown.stdout.splitlines()[0]) == (0, f"record    {ids[0]}")
    assert ambiguous.code == 2
    assert f"{ids[0][:4]} is the id of several records: " in ambiguous.stderr
    assert all(one in ambiguous.stderr for one in ids)
    assert "of scale-out/persist, succeeded, " in ambiguous.stderr
    assert (unknown.code, "there is no record 00000000000 in the embedded" in unknown.stderr) == (3, True)


def test_a_record_is_shown_with_its_workflow_its_signal_and_the_way_back(called: Run, night: Path) -> None:
    [persist] = rows(called, night, "git/update_file")
    text = called("history", "show", persist["id"], f"--data={night}", env={}).stdout
    document = json.loads(called("history", "show", persist["id"], "-o", "json", f"--data={night}", env={}).stdout)

    for line in (
        "          change     checkout.yaml spec.replicas: 1 → 3",
        "          who        alice",
        f"workflow  shop/scale-out (run {run_name_of('scale-out', 'one')})",
        f"          ▸ {persist['id'][-8:]}  persist: git/update_file succeeded – checkout.yaml spec.replicas: 1 → 3",
        f"signal    CheckoutLatencyHigh (critical, {FINGERPRINT})",
        f"undo      kubernaut undo {persist['id'][-8:]}",
    ):
        assert line in text.splitlines(), text
    assert "scale: kubernetes/scale_deployment succeeded – replicas: 1 → 3" in text
    assert "It was resolved 2 min after the last change; too early to tell: it must stay silent until " in text
    assert document["record"]["id"] == persist["id"]
    assert {one["step"] for one in document["steps"]} == {"scale", "persist", "try"}
    assert document["verdict"]["outcome"] == "open"
    assert document["undo"] == {"possible": True, "advice": f"kubernaut undo {persist['id'][-8:]}"}


@pytest.mark.parametrize("named", [["--workflow", "scale-out"], ["--signal", FINGERPRINT]])
def test_a_report_tells_the_incident_in_markdown(called: Run, night: Path, named: list[str]) -> None:
    report = called("report", *named, f"--data={night}", env={}).stdout

    assert report.startswith("# CheckoutLatencyHigh on shop/Deployment/checkout\n\n**It was resolved 2 min after ")
    assert "- Asked for by: alice, bob\n" in report
    assert "| persist | git/update\\_file | shop/Deployment/checkout | succeeded |" in report
    assert "- checkout.yaml spec.replicas: 1\n+ checkout.yaml spec.replicas: 3\n" in report
    assert "- persist: `kubernaut undo " in report


def test_a_report_of_nothing_is_refused(called: Run, night: Path) -> None:
    ended = called("report", "--signal", "Other", f"--data={night}", env={})

    assert (ended.code, ended.stdout) == (3, "")
    assert f"nothing found for --signal Other in the embedded store in {night}, which holds 4 records." in ended.stderr


def test_nothing_in_a_record_is_markdown_or_ends_the_block(called: Run, tmp_path: Path) -> None:
    hostile = "```\n# Owned <script>|`[x](y)"
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        change = {"before": {"a": hostile}, "after": {hostile: 1}}
        storage.record(
            step("s", "a/b_c", change, requester=hostile, error={"code": 1, "reason": "R", "message": hostile})
        )
    report = called("report", "--workflow", "scale-out", f"--data={tmp_path}", env={}).stdout

    assert report.count("```") == 2
    assert not any(line.startswith("# Owned") for line in report.splitlines())
    assert "<script>" not in report.replace("\\<script\\>", "").split("```")[0]


@pytest.mark.parametrize(
    "command", [["history"], ["history", "show", "5b2d"], ["report", "--workflow=x"]], ids=" ".join
)
def test_a_wrong_folder_is_refused_and_not_made(called: Run, tmp_path: Path, command: list[str]) -> None:
    ended = called(*command, f"--data={tmp_path / 'wrong'}", env={})

    assert ended.code == 3
    assert ended.stderr.startswith(f"kubernaut: {tmp_path / 'wrong'}: holds no records: there is no such folder. Name ")
    assert not (tmp_path / "wrong").exists()


def test_a_problem_of_the_service_is_a_sentence(called: Run, night: Path) -> None:
    with embedded(night) as service:
        refused = called("history", "--target=/", env={"DATA_STORAGE_URL": service.url})

    assert refused.code == 2
    assert refused.stderr == (
        f"kubernaut: history cannot be read: {service.url} answered 400: about=/: write a target, such as "
        "shop/Deployment/checkout, or its name.\n"
    )


def test_what_changes_while_the_list_is_printed_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is as of a moment, and following begins at it."""
    record = step("scale", "kubernetes/scale_deployment", None)
    begun: list[int] = []
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        storage.record({**record, "id": str(mint())})

        def print_late(*_: Any, **__: Any) -> None:
            storage.record(record)

        def follow(_: HistoryReader, __: Any, after_seq: int) -> Iterator[Record]:
            begun.append(after_seq)
            return iter(())

        monkeypatch.setattr("kubernaut_cli.commands.history.LISTING", SimpleNamespace(print=print_late))
        monkeypatch.setattr(HistoryReader, "follow", follow)
        done = CliRunner().invoke(history, ["--follow"], env={"DATA_STORAGE_URL": service.url})
        changed = next(storage.follow(begun[0]))

    assert done.exit_code == 0, done.output
    assert str(changed.id) == record["id"]


def test_following_prints_a_line_for_each_change(tmp_path: Path) -> None:
    record = step("scale", "kubernetes/scale_deployment", {"before": {"replicas": 1}, "after": {"replicas": 3}})
    with embedded(tmp_path) as service, DataStorage(service.url) as storage:
        storage.record({**record, "id": str(mint()), "step": "earlier"})
        argv = [sys.executable, "-m", "kubernaut_cli", "history", "--follow", "--target=checkout", "--no-headers"]
        env = {"DATA_STORAGE_URL": service.url, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as process:
            guard = Timer(60, process.kill)
            guard.start()
            try:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                assert "earlier" in next(lines)
                storage.record({**record, "state": "started"})
                started = next(line for line in lines if "scale-out/scale" in line)
                storage.record(record)
                ended = next(lines)
            finally:
                process.terminate()
                guard.cancel()

    assert record["id"][-8:] in started
    assert "  started" in started
    assert "alice  scale-out/scale  kubernetes/scale_deployment  shop/Deployment/checkout  succeeded" in ended


@pytest.mark.parametrize(
    ("change", "inputs", "text"),
    [
        ({"before": {"replicas": 2}, "after": {"replicas": 6}}, {}, "replicas: 2 → 6"),
        ({"before": {"a": {"b": 1, "c": 1}}, "after": {"a": {"b": 2, "c": 1}}}, {}, "a.b: 1 → 2"),
        ({"before": None, "after": {"text": "x"}}, {}, "text: nothing → x"),
        (
            {"before": {"value": "a", "source": "'a'"}, "after": {"value": "b"}},
            {"path": "f", "field": "x"},
            "f x: a → b",
        ),
        ({"before": {"value": {"k": 1}}, "after": {"value": {"k": 2}}}, {"path": "f"}, "f.k: 1 → 2"),
        ({"before": {"t": "a\nb"}, "after": {"t": ""}}, {}, 't: "a\\nb" → ""'),
    ],
)
def test_a_change_in_words(change: dict[str, Any], inputs: dict[str, Any], text: str) -> None:
    record = Record.model_validate({**step("s", "a/b_c", change), "inputs": inputs})
    assert change_text(record).replace("value: nothing → nothing; ", "") == text.replace(
        "value: nothing → nothing; ", ""
    )


def test_a_change_as_a_diff_names_the_file_and_the_field() -> None:
    change = {"before": {"value": 1}, "after": {"value": 3}}

    assert change_lines(change, {"path": "a.yaml", "field": "x"}) == ["- a.yaml x: 1", "+ a.yaml x: 3"]
    assert change_lines(change) == ["- value: 1", "+ value: 3"]
    assert change_lines(None) == []


NOW = datetime.fromisoformat("2026-01-31T12:00:00+00:00")


@pytest.mark.parametrize(
    ("episodes", "verdict", "sentence"),
    [
        ([], "unknown", "When the signal fired is not known"),
        ([(70, None)], "unresolved", "It still fires, 60 min after the last change."),
        ([(70, 55)], "held", "It was resolved 5 min after the last change, and stayed silent for 30 min."),
        (
            [(70, 55), (40, 35)],
            "recurred",
            "It was resolved 5 min after the last change, and fired again 15 min later.",
        ),
        ([(70, 55), (20, 15)], "held", "(it fired again 35 min later)"),
        ([(70, 65)], "gone", "It was resolved 4 min before anything was changed."),
        (
            [(70, 25)],
            "unresolved",
            "resolved 35 min after the last change, later than the 30 min within which that counts",
        ),
    ],
)
def test_the_verdict_on_one_incident(episodes: list[tuple[int, int | None]], verdict: str, sentence: str) -> None:
    def ago(minutes: int | None) -> str | None:
        return None if minutes is None else rfc3339(NOW - timedelta(minutes=minutes))

    times = {"started_at": ago(61), "finished_at": ago(60)}
    record = Record.model_validate({**step("s", "a/b_c", {"before": 1, "after": 2}), **times})
    course = course_of([record], [{"fired_at": ago(one), "resolved_at": ago(other)} for one, other in episodes], NOW)

    assert course.verdict == verdict
    assert sentence in course.sentence


def test_without_a_change_or_a_signal_there_is_no_verdict() -> None:
    planned = Record.model_validate(step("s", "a/b_c", None, changed=False))
    alone = Record.model_validate({**step("s", "a/b_c", {"before": 1, "after": 2}), "signal": None})

    assert course_of([planned], [], NOW).sentence == "Nothing was changed, so there is nothing to judge."
    assert course_of([alone], [], NOW).sentence == "No signal is named, so nobody can tell if it helped."
