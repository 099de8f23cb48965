"""Result files are read as plain files of text, whatever else stands there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_sdk.judgement import ContainerEnd, outcome_of
from kubernaut_sdk.resultfiles import LARGEST, read_result_files
from kubernaut_sdk.results import RESULT_NAMES

ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (lambda path: path.symlink_to("/etc/passwd"), "is a link, which is not followed"),
    "a link to nothing": (lambda path: path.symlink_to("/nowhere"), "is a link, which is not followed"),
    "a link to itself": (lambda path: path.symlink_to(path), "is a link, which is not followed"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "a pipe": (os.mkfifo, "is no plain file"),
    "not UTF-8": (lambda path: path.write_bytes(b"caf\xe9"), "is not UTF-8"),
    "large": (
        lambda path: path.write_text("x" * 100_000),
        f"is too large: it has 100000 bytes, and Tekton carries {LARGEST} of all together",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_plain_file_of_text_is_not_read(tmp_path: Path, kind: str) -> None:
    make, why = ODD[kind]
    (tmp_path / "status").write_text("succeeded")
    make(tmp_path / "output")
    found = read_result_files(tmp_path)

    assert (found.values, found.unreadable) == ({"status": "succeeded"}, {"output": why})


def test_results_are_too_large_together() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("output", "error"):
            (Path(folder) / name).write_text("x" * 2_000)
        found = read_result_files(Path(folder))

    assert found.values == {}
    assert "is too large: the results have" in next(iter(found.unreadable.values()))


def test_files_that_are_no_results_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".status.7").write_text("x" * 100_000)
    (tmp_path / "more").mkdir()

    assert (
        read_result_files(tmp_path) == read_result_files(tmp_path / "nowhere") == read_result_files(Path("/dev/null"))
    )


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(sorted(RESULT_NAMES)), st.binary(max_size=60) | st.sampled_from(sorted(ODD))),
    st.sampled_from([0, 1, 137, 143]),
)
def test_whatever_stands_there_a_step_gets_an_end(files: dict[str, bytes | str], code: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if isinstance(content, str):
                ODD[content][0](Path(folder) / name)
            else:
                (Path(folder) / name).write_bytes(content)
        found = read_result_files(Path(folder))
    outcome = outcome_of(ContainerEnd(exit_code=code, results=found.values, unreadable=found.unreadable))

    assert not outcome.state.good
    assert outcome.message
    assert "root:" not in repr(found)


GOOD = {
    "status": "succeeded",
    "changed": "true",
    "record-id": "",
    "record-status": "disabled",
    "output": "",
    "error": "",
}


@pytest.mark.parametrize("change", [None, "", '{"before": 1, "after": 2}', "no JSON"])
def test_a_step_is_not_judged_by_its_change(tmp_path: Path, change: str | None) -> None:
    for name, text in GOOD.items() if change is None else {**GOOD, "change": change}.items():
        (tmp_path / name).write_text(text)
    files = read_result_files(tmp_path)
    outcome = outcome_of(ContainerEnd(exit_code=0, results=files.values, unreadable=files.unreadable))

    assert (outcome.state, outcome.changed) == ("succeeded", True)
    assert files.values.get("change") == change


@pytest.mark.parametrize("kind", ODD)
def test_a_change_that_is_no_plain_file_of_text_fails_its_step(tmp_path: Path, kind: str) -> None:
    make, why = ODD[kind]
    for name, text in GOOD.items():
        (tmp_path / name).write_text(text)
    make(tmp_path / "change")
    files = read_result_files(tmp_path)
    outcome = outcome_of(ContainerEnd(exit_code=0, results=files.values, unreadable=files.unreadable))

    assert (outcome.state, outcome.changed) == ("failed", None)
    assert outcome.message is not None
    assert f"The result change {why}" in outcome.message
