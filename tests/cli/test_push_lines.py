"""The lines of a push: where it came to, not each of the hundred on the way."""

from typing import Any

import pytest

from kubernaut_cli.images.push import push
from kubernaut_cli.images.reference import parse_reference
from kubernaut_sdk import PreconditionFailed


class RecordedEngine:
    """A Docker engine that says of a push what a real one said."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.api = self
        self.tags = ["localhost:5000/a/b:1"]

    def tag(self, repository: str, tag: str) -> None: ...

    def push(self, repository: str, **options: Any) -> list[dict[str, Any]]:
        return self.lines


def test_each_layer_is_named_once_it_is_there() -> None:
    lines: list[dict[str, Any]] = [
        {"status": "The push refers to repository [localhost:5000/a/b]"},
        {"id": "4f4fb700ef54", "status": "Preparing"},
        {"id": "4f4fb700ef54", "status": "Waiting"},
        *({"id": "4f4fb700ef54", "status": "Pushing", "progress": f"{n} MB"} for n in range(100)),
        {"id": "5f70bf18a086", "status": "Layer already exists"},
        {"id": "4f4fb700ef54", "status": "Pushed"},
        {"id": "4f4fb700ef54", "status": "Pushed"},
        {"status": "1: digest: sha256:00 size: 528"},
        {"aux": {"Digest": "sha256:00"}},
    ]
    told: list[str] = []
    engine = RecordedEngine(lines)

    assert push(engine, engine, parse_reference("localhost:5000/a/b:1"), print_line=told.append) == "sha256:00"
    assert told == [
        "The push refers to repository [localhost:5000/a/b]",
        "5f70bf18a086: Layer already exists",
        "4f4fb700ef54: Pushed",
        "1: digest: sha256:00 size: 528",
    ]


def test_a_refusal_in_the_middle_is_an_error() -> None:
    engine = RecordedEngine([{"id": "4f", "status": "Pushing"}, {"error": "unauthorized: authentication required"}])

    with pytest.raises(PreconditionFailed, match="docker login localhost:5000"):
        push(engine, engine, parse_reference("localhost:5000/a/b:1"), print_line=lambda _: None)
