"""The ends of the AWS actions, on a stand-in whose answers botocore's own models admit."""

from collections.abc import Callable
from typing import Any

import pytest
from aws_standin import Aws, group_of, instance_of, status_of

import kubernaut_aws
from kubernaut_sdk.testing import ActionRunner, Ran

Group = Callable[[int], dict[str, Any]]


def capacity(monkeypatch: pytest.MonkeyPatch, group: Group, *, start: int = 2, desired: int, **inputs: Any) -> Ran:
    """Sets a group's number; `group` says what AWS tells of it at each number."""
    state = {"desired": start}

    def set_desired(params: dict[str, Any]) -> dict[str, Any]:
        state["desired"] = params["DesiredCapacity"]
        return {}

    aws = Aws(
        describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": [group(state["desired"])]},
        describe_instance_refreshes=lambda _: {"InstanceRefreshes": []},
        set_desired_capacity=set_desired,
    )
    aws.stand_in(monkeypatch)
    given = {"region": "eu-central-1", "group": "workers", "desired": desired, **inputs}
    return ActionRunner(kubernaut_aws.set_desired_capacity).run(given)


def weighted(*weights: int) -> Group:
    return lambda desired: group_of(
        desired, [instance_of(number, WeightedCapacity=str(weight)) for number, weight in enumerate(weights)]
    )


@pytest.mark.parametrize(
    ("group", "desired", "end"),
    [
        (weighted(4, 4), 8, ""),
        (weighted(4, 4), 6, ""),  # AWS starts what covers it
        (weighted(1, 2, 4), 7, ""),
        (weighted(4), 8, "4 of 8 units are in service."),
        (weighted(4, 4, 4), 8, "12 of 8 units are in service."),
        (lambda desired: group_of(desired, [instance_of(n) for n in range(desired)]), 4, ""),
        (lambda desired: group_of(desired, []), 0, ""),
        (lambda desired: group_of(desired, [instance_of(n) for n in range(2)]), 4, "2 of 4 instances are in service."),
        (
            lambda desired: group_of(desired, [instance_of(0), *(instance_of(n, "Pending:Wait") for n in (1, 2))]),
            3,
            "1 of 3 instances are in service; 2 Pending:Wait (a lifecycle hook holds what waits).",
        ),
        (
            lambda desired: group_of(desired, [instance_of(0), instance_of(1, HealthStatus="Unhealthy")]),
            2,
            "1 of 2 instances are in service; 1 InService and unhealthy.",
        ),
    ],
)
def test_a_group_is_there_when_its_capacity_is_in_service(
    monkeypatch: pytest.MonkeyPatch, group: Group, desired: int, end: str
) -> None:
    ran = capacity(monkeypatch, group, start=3 if desired == 2 else 2, desired=desired)

    assert ran.exit_code == (4 if end else 0), ran.error
    assert (ran.error.message if ran.error else "").endswith(end)


SUSPENDED = [{"ProcessName": "Launch", "SuspensionReason": "User suspended at 2026-11-28T01:00:00Z"}]


@pytest.mark.parametrize(
    ("group", "desired", "message"),
    [
        (
            lambda desired: group_of(desired, [instance_of(0), instance_of(1)], SuspendedProcesses=SUSPENDED),
            4,
            "the process Launch of group workers is suspended (User suspended at 2026-11-28T01:00:00Z), so nothing",
        ),
        (
            lambda desired: group_of(desired, [instance_of(n, ProtectedFromScaleIn=True) for n in range(2)]),
            1,
            f"2 instances of group workers are protected from scale-in (i-{0:017x}, i-{1:017x}), so it would not get",
        ),
    ],
)
def test_what_keeps_aws_from_the_number_is_told_before_it_is_set(
    monkeypatch: pytest.MonkeyPatch, group: Group, desired: int, message: str
) -> None:
    refused = capacity(monkeypatch, group, desired=desired)
    not_waited_for = capacity(monkeypatch, group, desired=desired, wait=False)

    assert refused.error is not None
    assert (refused.exit_code, refused.error.reason, refused.changed) == (3, "Blocked", False)
    assert refused.error.message.startswith(message)
    assert not_waited_for.exit_code == 0


def test_one_protected_instance_among_others_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def group(desired: int) -> dict[str, Any]:
        return group_of(desired, [instance_of(n, ProtectedFromScaleIn=not n) for n in range(desired)])

    assert capacity(monkeypatch, group, desired=1).exit_code == 0


def test_a_number_that_aws_still_reads_as_before_is_not_yet_and_another_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lags = iter([2, 2, 2, 2, 4])
    ran = capacity(
        monkeypatch, lambda _: group_of(shown := next(lags, 4), [instance_of(n) for n in range(shown)]), desired=4
    )
    other = iter([2, 2, 4, 7])
    taken = capacity(monkeypatch, lambda _: group_of(next(other, 7), [instance_of(n) for n in range(2)]), desired=4)

    assert ran.exit_code == 0, ran.error
    assert taken.error is not None
    assert (taken.exit_code, "and then by somebody else to 7" in taken.error.message) == (4, True)


def test_a_group_that_somebody_changed_since_it_was_read_is_planned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter([2, 3])
    ran = capacity(monkeypatch, lambda _: group_of(next(reads), []), desired=4)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (75, "Conflict")
    assert ran.error.message == "group workers was at 2 when it was read, and is at 3; it is planned anew."


INSTANCE = "i-00000000000000001"


def reboot(monkeypatch: pytest.MonkeyPatch, checks: list[str], **inputs: Any) -> tuple[Ran, int]:
    """Reboots; the checks are what AWS says at each look after it, the last for ever. Also returns how often it is
    looked."""
    message = iter(checks)
    looks = 0
    rebooted = False

    def status(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal looks
        looks += rebooted
        return {"InstanceStatuses": [status_of(INSTANCE, next(message, checks[-1]) if rebooted else checks[0])]}

    def reboot_instances(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal rebooted
        rebooted = True
        return {}

    running = {"InstanceId": INSTANCE, "State": {"Code": 16, "Name": "running"}}
    aws = Aws(
        describe_instances=lambda _: {"Reservations": [{"Instances": [running]}]},
        describe_instance_status=status,
        reboot_instances=reboot_instances,
    )
    aws.stand_in(monkeypatch)
    given = {"region": "eu-central-1", "instance_ids": [INSTANCE], **inputs}
    return ActionRunner(kubernaut_aws.reboot_instances).run(given), looks


@pytest.mark.parametrize(
    ("checks", "code", "looks"),
    [
        (["ok"], 0, range(40, 90)),  # nothing was told of the reboot: two minutes of it
        (["ok", "ok", "initializing", "initializing", "ok"], 0, range(5, 6)),
        (["impaired", "impaired", "ok"], 0, range(3, 4)),  # it was rebooted since it was so
        (["ok"] * 20 + ["impaired"], 4, range(40, 400)),
        (["initializing", "ok"], 0, range(40, 90)),  # it was starting before the reboot already
    ],
)
def test_a_reboot_is_believed_by_what_aws_saw_since(
    monkeypatch: pytest.MonkeyPatch, checks: list[str], code: int, looks: range
) -> None:
    ran, looked = reboot(monkeypatch, checks)

    assert ran.exit_code == code, ran.error
    assert looked in looks
    if ran.error is not None:
        assert ran.error.message.endswith(f"{INSTANCE} is running, its checks impaired, ok.")


def test_a_step_too_short_to_see_the_reboot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, _ = reboot(monkeypatch, ["ok"], settle=600)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "TimeTooShort")
    assert "watched for 600 s, and the step has 300 s left" in ran.error.message
