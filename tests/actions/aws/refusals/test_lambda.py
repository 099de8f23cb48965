"""The refusals of Lambda's actions, and ends of theirs that only a stand-in plays."""

import pytest
from aws_answers import Answers, require, run


def alias(version: str, revision: str = "r1") -> Answers:
    return {"FunctionVersion": version, "RevisionId": revision, "Name": "live"}


@pytest.mark.parametrize(
    ("answers", "inputs", "code", "message"),
    [
        ({"get_function_configuration": {"State": "Failed", "StateReason": "no image"}}, {}, 3, "is Failed: no image."),
        ({"get_alias": [alias("2"), alias("3")]}, {}, 4, "to version 3, weights nothing."),
        ({"get_alias": alias("2")}, {}, 4, "the alias live of checkout still reads version 2, weights nothing, not"),
        ({}, {"version": "$LATEST"}, 2, "inputs.version"),
        ({}, {"second_version": "3"}, 2, "second_version and second_weight belong together"),
        ({}, {"second_version": "1", "second_weight": 0.1}, 2, "second_version must be another than version"),
    ],
)
def test_an_alias_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, inputs: Answers, code: int, message: str
) -> None:
    base: Answers = {"get_alias": alias("2"), "get_function_configuration": {"State": "Active"}, "update_alias": {}}
    given = {"function": "checkout", "alias": "live", "version": "1", **inputs}
    ran = run(monkeypatch, "aws/set_lambda_alias", {**base, **answers}, **given)
    assert ran.error is not None
    assert (ran.exit_code, message in ran.error.message) == (code, True), ran.error


@pytest.mark.parametrize(
    ("reserved", "code", "message"),
    [
        (0, 3, "reserved is 0, with which checkout never runs; set allow_zero to true"),
        (60, 3, "the account has 55 executions to reserve for checkout, not 60: Lambda keeps 100 of 1000"),
        (50, 4, "the concurrency of checkout still reads reserved 5, not reserved 50."),
    ],
)
def test_a_concurrency_that_is_not_set(monkeypatch: pytest.MonkeyPatch, reserved: int, code: int, message: str) -> None:
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 150}
    answers = {
        "get_function_configuration": {},
        "get_function_concurrency": {"ReservedConcurrentExecutions": 5},
        "get_account_settings": {"AccountLimit": limits},
        "put_function_concurrency": {},
    }
    require(
        run(monkeypatch, "aws/set_lambda_concurrency", answers, function="checkout", reserved=reserved), code, message
    )
