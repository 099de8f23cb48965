"""Runs of AWS actions on answers that a test gives, which `AwsStandIn` holds to botocore's models."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_standin import AwsStandIn

from kubernaut_sdk.catalog import find
from kubernaut_sdk.testing import ActionRunner, Ran

__all__ = ["ARN", "EXECUTION", "NOW", "ONE", "THREE", "TWO", "Answers", "require", "run"]

Answers = dict[str, Any]
NOW = datetime.now(UTC)
EXECUTION = "00000000-0000-4000-8000-000000000000"
ONE, TWO, THREE = (f"i-{number:017x}" for number in (1, 2, 3))
ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/checkout/0123456789abcdef"


def run(monkeypatch: pytest.MonkeyPatch, action_type: str, answers: Answers, **inputs: Any) -> Ran:
    """Runs an action; an answer is what AWS always says, a list what it says one after the other, the last for ever."""

    def player(answer: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        left = list(answer) if isinstance(answer, list) else [answer]
        return lambda _: dict(left.pop(0) if len(left) > 1 else left[0])

    AwsStandIn(**{name: player(answer) for name, answer in answers.items()}).stand_in(monkeypatch)
    return ActionRunner(find(action_type)).run({"region": "eu-central-1", **inputs})


def require(ran: Ran, code: int, message: str) -> None:
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error
    assert ran.changed is (code != 3)
