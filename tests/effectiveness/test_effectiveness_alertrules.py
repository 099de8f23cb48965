"""The `for` of alerting rules, read from Prometheus."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from serving import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kubernaut_effectiveness.service.alertrules import RulesUnknown, read_pending_for
from kubernaut_effectiveness.service.command import main

RULES = [
    {"type": "alerting", "name": "Slow", "duration": 300},
    {"type": "alerting", "name": "Slow", "duration": 60},
    {"type": "alerting", "name": "Down", "duration": 0},
    {"type": "recording", "name": "rate"},
]


@pytest.fixture
def prometheus() -> Iterator[Callable[[int, str], str]]:
    """A server that answers as told."""
    said: list[tuple[int, str]] = []

    async def answer(_request: Request) -> Response:
        return Response(said[-1][1], said[-1][0], media_type="application/json")

    with serving(Starlette(routes=[Route("/api/v1/rules", answer)])) as address:

        def says(status: int, text: str) -> str:
            said.append((status, text))
            return address

        yield says


def test_the_longest_for_of_a_name_counts(prometheus: Callable[[int, str], str]) -> None:
    groups: Any = [{"rules": RULES[:2]}, {"rules": RULES[2:]}]
    address = prometheus(200, json.dumps({"status": "success", "data": {"groups": groups}}))

    assert read_pending_for(f"{address}/") == {"Slow": 300.0, "Down": 0.0}


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (503, "away", "answers 503."),
        (200, "<html>", "answers no list of rules, as Prometheus would."),
        (200, "[]", "answers no list of rules, as Prometheus would."),
        (
            200,
            '{"data": {"groups": [{"rules": [{"type": "alerting", "name": "a", "duration": "x"}]}]}}',
            "no list of rules",
        ),
    ],
)
def test_what_is_no_answer_is_told(prometheus: Callable[[int, str], str], status: int, text: str, told: str) -> None:
    with pytest.raises(RulesUnknown) as caught:
        read_pending_for(prometheus(status, text))

    assert told in str(caught.value)


def test_without_its_answer_the_monitor_does_not_start_and_shows_no_password(closed_port: str) -> None:
    address = closed_port.replace("://", "://me:canary-password@")
    ended = CliRunner().invoke(main, [f"--data-storage={closed_port}", f"--prometheus-url={address}"])
    told, shown = ended.output.replace("\n", " "), closed_port.replace("://", "://***@")

    assert ended.exit_code == 75
    assert f"--prometheus-url: {shown}/api/v1/rules cannot be read" in told
    assert "canary-password" not in told
