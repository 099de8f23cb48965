"""Each AWS action on moto: denied, throttled, applied, applied by two at once, repeated, undone, in a wrong account."""

import ast
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

import kubernaut_aws
from kubernaut_sdk import Change, Context
from kubernaut_sdk.catalog import find
from kubernaut_sdk.ids import mint
from kubernaut_sdk.interrupts import Interrupts
from kubernaut_sdk.masking import Masker
from kubernaut_sdk.models import parse_inputs
from kubernaut_sdk.settings import StepSettings
from kubernaut_sdk.testing import ActionRunner, Ran
from kubernaut_sdk.tracing import Tracing

from .conftest import SCENARIOS, Wire, write_of

PACKAGE = Path(kubernaut_aws.__file__).parent
TYPES = sorted(f"aws/{name}" for name in kubernaut_aws.__all__)
SOMETIMES = {
    "aws/create_snapshot": {"ec2:CreateTags"},
    "aws/set_dns_weight": {"route53:GetHealthCheckStatus"},
}
"""Permissions that the scenario does not need: of records with health checks; the tags of a request for a snapshot."""


def test_every_action_has_a_scenario() -> None:
    assert sorted(SCENARIOS) == TYPES


@pytest.mark.parametrize("action_type", TYPES)
def test_an_action_from_denied_to_undone_by_its_permissions(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, world: Callable[..., dict[str, Any]], action_type: str
) -> None:
    action, inputs = find(action_type), world(action_type)
    write = write_of(action_type)

    # denied and throttled, while it reads and while it writes
    wire.answers = {"*": ["AccessDenied"]}
    unread = ActionRunner(action).run(inputs)
    wire.answers = {write: ["AccessDenied"]}
    unwritten = ActionRunner(action).run(inputs)
    wire.answers = {"*": ["Throttling"]}
    throttled = ActionRunner(action).run(inputs)
    assert (unread.exit_code, unread.changed) == (3, False), unread.error
    assert (unwritten.exit_code, unwritten.changed) == (1, None), unwritten.error
    assert unwritten.error is not None
    assert unwritten.error.reason == "AccessDenied"
    assert (throttled.exit_code, throttled.changed) == (75, False), throttled.error

    # applied, at the second attempt
    before = ActionRunner(action).dry_run(inputs)
    wire.answers = {write: ["ThrottlingException"]}
    used = set(wire.sent)
    wire.sent.clear()
    applied = ActionRunner(action, retries=1).run(inputs)
    assert (applied.exit_code, applied.status, applied.changed) == (0, "succeeded", True), applied.error
    assert wire.writes.count(write) >= 2
    assert before.change is not None
    assert applied.change is not None
    assert applied.change.before == before.change.before

    # again
    used |= set(wire.sent)
    if action.idempotent:
        wire.sent.clear()
        again = ActionRunner(action).run(inputs)
        assert (again.exit_code, again.status, wire.writes) == (0, "unchanged", []), again.error
    # undone
    if action.undo_function is not None:
        undone = ActionRunner(action).undo(inputs, applied.change)
        after = ActionRunner(action).dry_run(inputs)
        assert (undone.exit_code, undone.status) == (0, "succeeded"), undone.error
        assert after.change is not None
        assert after.change.before == before.change.before
    # by these permissions, and no others
    used |= set(wire.sent)
    assert set(action.permissions) - used == SOMETIMES.get(action_type, set())
    assert used <= set(action.permissions)


@pytest.mark.parametrize("action_type", [name for name in TYPES if find(name).idempotent])
def test_two_at_once_do_it_once(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, world: Callable[..., dict[str, Any]], action_type: str
) -> None:
    action, inputs = find(action_type), world(action_type)
    apply, others = action.apply_function, list[Ran]()
    assert apply is not None

    def apply_second(ctx: Context, given: Any, change: Change) -> Any:
        monkeypatch.setattr(action, "apply_function", apply)
        others.append(ActionRunner(action).run(inputs))
        return apply(ctx, given, change)

    monkeypatch.setattr(action, "apply_function", apply_second)
    first = ActionRunner(action, retries=1).run(inputs)
    [second] = others

    assert (second.exit_code, second.status) == (0, "succeeded"), second.error
    assert (first.exit_code, first.status) == (0, "succeeded"), first.error
    assert "it is planned anew" in first.log
    refused_by_aws = action_type in {"aws/set_dns_weight", "aws/set_lambda_alias"}  # these are compare-and-swap
    two_writes = refused_by_aws or action_type == "aws/isolate_instance"  # it has two interfaces
    assert wire.writes.count(write_of(action_type)) == (2 if two_writes else 1)


@pytest.mark.slow
@pytest.mark.parametrize("action_type", TYPES)
def test_cancelled_before_its_write_nothing_is_changed_and_after_it_the_record_says_so(
    wire: Wire, world: Callable[..., dict[str, Any]], action_type: str
) -> None:
    action, inputs = find(action_type), world(action_type)
    runner, write = ActionRunner(action), write_of(action_type)

    wire.hooks = {"*": runner.cancel}
    before = runner.run(inputs)
    written_before = list(wire.writes)
    wire.hooks = {write: runner.cancel}
    during = runner.run(inputs)

    assert (before.exit_code, before.status, before.changed, written_before) == (143, "cancelled", False, [])
    assert (during.exit_code, during.status, during.changed) == (143, "cancelled", True), during.error
    assert during.states[-2:] == ["applying", "cancelled"]
    assert write in wire.writes
    # whoever runs it again is not in the way of what was left
    again = ActionRunner(action).run(inputs)
    assert again.exit_code == 0, again.error


@pytest.mark.parametrize("action_type", TYPES)
def test_in_another_account_nothing_is_read_or_changed(wire: Wire, action_type: str) -> None:
    action = find(action_type)
    inputs = {**action.examples[0], "account": "999999999999"}
    ran = ActionRunner(action).run(inputs)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason) == (3, "WrongAccount")
    assert ran.error.message.startswith("the credentials are of account 123456789012 (")
    assert ran.error.message.endswith("not of 999999999999; nothing was read or changed.")
    assert wire.sent == ["sts:GetCallerIdentity"]


@pytest.mark.parametrize("action_type", [name for name in TYPES if find(name).check_function])
def test_ec2_is_asked_by_its_dry_run_beforehand(
    wire: Wire, world: Callable[..., dict[str, Any]], action_type: str
) -> None:
    action, inputs = find(action_type), world(action_type)
    assert action.check_function is not None
    parsed = parse_inputs(action.inputs_model, inputs)

    def ask() -> dict[str, str | None]:
        interrupts = Interrupts(time.monotonic() + 60)
        context = Context(StepSettings.from_env(), mint(), interrupts, Masker(), Tracing())
        assert action.check_function is not None
        return action.check_function(context, parsed)

    wire.answers = {write_of(action_type): ["UnauthorizedOperation"]}
    denied, allowed = ask(), ask()
    state = ActionRunner(action).dry_run(inputs)

    assert all(problem is None for problem in allowed.values())
    assert any("UnauthorizedOperation: told to" in str(problem) for problem in denied.values())
    assert state.status == "planned"  # and nothing was done


def test_each_list_is_read_to_its_last_page() -> None:
    """An operation that AWS answers in pages is never called as if there were one."""
    called = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call":
                service, operation = node.args[1:3]
                if isinstance(service, ast.Constant) and isinstance(operation, ast.Constant):
                    called.add((service.value, operation.value))
    clients = {service: boto3.client(service, region_name="eu-central-1") for service, _ in called}

    assert len(called) > 25
    assert sorted(pair for pair in called if clients[pair[0]].can_paginate(pair[1])) == []


IMPORTS = """
import os, sys
from kubernaut_sdk.catalog import installed_entries
for name, entry in sorted(installed_entries().items()):
    if name.startswith("aws/"):
        if (child := os.fork()) == 0:
            entry.load()
            modules = [module for module in sys.modules if module.startswith(("kubernaut_aws.", "boto"))]
            print(name, *sorted(modules), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
"""


def test_starting_an_action_imports_its_own_module_alone_and_no_boto3() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    loaded = {name: set(modules) for name, *modules in map(str.split, done.stdout.splitlines())}
    of_actions = {find(name).module for name in TYPES}
    shared = {"kubernaut_aws.ebs.volumes", "kubernaut_aws.rds.instances"}  # they hold what their neighbours need

    assert sorted(loaded) == TYPES
    for name, modules in loaded.items():
        assert not {module for module in modules if module.startswith("boto")}
        assert (modules & of_actions) - {find(name).module} <= shared
