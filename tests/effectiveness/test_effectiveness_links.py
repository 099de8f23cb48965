"""The links from a record to its trace and its workflow."""

from typing import Any

import pytest
from click.testing import CliRunner

from kubernaut_effectiveness.service.command import main
from kubernaut_effectiveness.service.links import LinkTemplates

TEMPLATES = LinkTemplates(
    trace="https://jaeger.example/trace/{trace_id}",
    workflow="https://tekton.example/#/namespaces/{namespace}/runs/{name}",
)


@pytest.mark.parametrize(
    ("record", "links"),
    [
        ({}, {}),
        ({"trace_id": "4bf9"}, {"trace": "https://jaeger.example/trace/4bf9"}),
        (
            {"workflow": {"namespace": "shop", "name": "fix-1"}},
            {"workflow": "https://tekton.example/#/namespaces/shop/runs/fix-1"},
        ),
        ({"workflow": {"name": "fix"}}, {"workflow": "https://tekton.example/#/namespaces//runs/fix"}),
        (
            {"workflow": {"namespace": "{name}", "name": "../x?a=b#c"}, "trace_id": '"><script>'},
            {
                "trace": "https://jaeger.example/trace/%22%3E%3Cscript%3E",
                "workflow": "https://tekton.example/#/namespaces/%7Bname%7D/runs/..%2Fx%3Fa%3Db%23c",
            },
        ),
        ({"workflow": "a text"}, {}),
    ],
)
def test_what_a_record_says_stays_its_part_of_the_address(record: dict[str, Any], links: dict[str, str]) -> None:
    assert TEMPLATES.of_record(record) == links
    assert LinkTemplates().of_record(record) == {}


@pytest.mark.parametrize(
    ("option", "address", "told"),
    [
        ("--trace-url", "https://jaeger.example/trace/", "after the host it must hold {trace_id}."),
        ("--trace-url", "https://{trace_id}.example/", "after the host it must hold {trace_id}."),
        ("--workflow-url", "javascript:alert('{name}')", "it must be an http:// or https:// address."),
        ("--workflow-url", "/runs/{name}", "it must be an http:// or https:// address."),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(option: str, address: str, told: str) -> None:
    refused = CliRunner().invoke(main, ["--data-storage=http://127.0.0.1:1", f"{option}={address}"])

    assert refused.exit_code == 2
    assert told in " ".join(refused.output.replace("│", "").split())
