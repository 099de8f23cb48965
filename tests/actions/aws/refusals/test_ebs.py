"""The refusals of EBS's actions, and ends of theirs that only a stand-in plays."""

from datetime import timedelta
from typing import Any

import pytest
from aws_answers import NOW, Answers, require, run


def volume(size: int = 10, state: str = "in-use") -> Answers:
    return {"Volumes": [{"VolumeId": "vol-00000001", "Size": size, "State": state}]}


def modification(state: str, started: timedelta = timedelta(hours=1), **more: Any) -> Answers:
    known = {"VolumeId": "vol-00000001", "ModificationState": state, "StartTime": NOW - started, "TargetSize": 20}
    return {"VolumesModifications": [{**known, **more}]}


@pytest.mark.parametrize(
    ("answers", "size", "code", "message"),
    [
        ({}, 5, 3, "vol-00000001 has 10 GiB, and EBS makes no volume smaller"),
        ({}, 25, 3, "max_factor is 2, and 25 GiB are 2.5 times the 10 GiB of vol-00000001"),
        ({"describe_volumes": volume(state="deleting")}, 20, 3, "vol-00000001 is deleting."),
        ({"describe_volumes_modifications": modification("optimizing", Progress=40)}, 20, 3, "is optimizing since an"),
        (
            {"describe_volumes_modifications": modification("completed")},
            20,
            3,
            "EC2 modifies a volume once in six hours",
        ),
        (
            {
                "describe_volumes_modifications": [
                    {"VolumesModifications": []},
                    modification("failed", StatusMessage="no space"),
                ]
            },
            20,
            4,
            "EC2 could not extend vol-00000001: no space.",
        ),
        (
            {"describe_volumes": [volume(), volume(), volume(30)]},
            20,
            4,
            "was extended to 20 GiB, and by somebody else to 30.",
        ),
        ({}, 20, 4, "vol-00000001 still has 10 GiB, not 20."),
        ({"describe_volumes": [volume(), volume(11)]}, 20, 75, "vol-00000001 was at size_gib 10 when it was read"),
    ],
)
def test_a_volume_that_does_not_grow(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, size: int, code: int, message: str
) -> None:
    base: Answers = {
        "describe_volumes": volume(),
        "describe_volumes_modifications": {"VolumesModifications": []},
        "modify_volume": {},
    }
    ran = run(monkeypatch, "aws/extend_volume", {**base, **answers}, volume_id="vol-00000001", size_gib=size)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


def test_a_volume_may_grow_six_hours_after_and_is_ready_while_it_is_optimized(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "describe_volumes": [volume(), volume(), volume(), volume(20)],
        "describe_volumes_modifications": [
            modification("completed", timedelta(hours=7)),
            modification("modifying", timedelta(0)),
            modification("optimizing", timedelta(0)),
        ],
        "modify_volume": {},
    }
    assert run(monkeypatch, "aws/extend_volume", answers, volume_id="vol-00000001", size_gib=20).exit_code == 0


def snapshot(state: str, name: str = "snap-1", **more: Any) -> Answers:
    return {"Snapshots": [{"SnapshotId": name, "State": state, "VolumeId": "vol-00000001", **more}]}


@pytest.mark.parametrize(
    ("listed", "code", "message"),
    [
        ([snapshot("pending", "snap-9")], 3, "the snapshot snap-9 of vol-00000001 is pending"),
        (
            [{"Snapshots": []}, {"Snapshots": []}, snapshot("error", StateMessage="no key")],
            4,
            "snap-1 is error: no key.",
        ),
        ([{"Snapshots": []}], 4, "EC2 does not list the snapshot of vol-00000001 yet."),
        ([{"Snapshots": []}, snapshot("pending", Progress="40%")], 4, "snap-1 is at 40%."),
    ],
)
def test_a_snapshot_that_is_not_completed(
    monkeypatch: pytest.MonkeyPatch, listed: list[Answers], code: int, message: str
) -> None:
    made = {"SnapshotId": "snap-1", "VolumeSize": 10}
    answers = {"describe_volumes": volume(), "describe_snapshots": listed, "create_snapshot": made}
    require(run(monkeypatch, "aws/create_snapshot", answers, volume_id="vol-00000001"), code, message)
