"""AWS for the actions' tests: moto's server with a world for each action, and a look at each request on its way."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from kubernaut_aws.common import session
from kubernaut_conformance.scenario import read_scenarios
from kubernaut_sdk.catalog import find

if TYPE_CHECKING:
    from moto_worlds import Clients

FOLDER = Path(__file__).parents[3] / "actions" / "aws-cli"
SCENARIOS = {scenario.action: scenario for scenario in read_scenarios(FOLDER / "conformance.yaml")}
MAKE_CLIENT = session.make_client
_PREFIXES = {"monitoring": "cloudwatch"}


@dataclass
class Wire:
    """The requests that actions send, and what is answered instead of AWS.

    Attributes:
        sent: The permission of each request, in order.
        answers: Permission → error codes, each answered once in place of AWS.
        hooks: Permission, or `*` for any → what is done once, just before AWS is asked.
    """

    sent: list[str] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)

    def before_call(self, model: Any, params: dict[str, Any], **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        signing = model.service_model.signing_name
        permission = f"{_PREFIXES.get(signing, signing)}:{model.name}"
        self.sent.append(permission)
        if hook := self.hooks.pop(permission, None) or self.hooks.pop("*", None):
            hook()
        codes = self.answers.get(permission) or self.answers.get("*") or []
        if not codes:
            return None
        error = {"Error": {"Code": codes.pop(0), "Message": "told to"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return AWSResponse("", 400, {}, None), error

    @property
    def writes(self) -> list[str]:
        return [name for name in self.sent if not name.partition(":")[2].startswith(("Describe", "Get", "List"))]


@pytest.fixture(scope="session")
def clients(aws: str) -> "Clients":
    from moto_worlds import Clients

    return Clients(aws)


@pytest.fixture(scope="session")
def shared(aws: str) -> "SharedClients":
    return SharedClients(aws)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, shared: "SharedClients") -> Wire:
    """Actions run in this process speak to moto, and every request is seen."""
    monkeypatch.setenv("KUBERNAUT_SSM_DOCUMENTS", "Shop-Restart,Shop-broken")
    wire = Wire()
    shared.wire = wire
    monkeypatch.setattr(session, "open_session", lambda *_: None)
    monkeypatch.setattr(session, "make_client", shared.make_client)
    return wire


class SharedClients:
    """boto3's clients, made once a service for all tests: EC2's takes half a second.

    How they are made of a Secret, a web identity or a role is tested elsewhere.
    """

    def __init__(self, url: str) -> None:
        self.wire = Wire()
        self._url, self._made = url, dict[str, Any]()

    def make_client(self, _session: Any, service: str, region: str) -> Any:
        """In place of `kubernaut_aws.common.session.make_client`."""
        if service not in self._made:
            os.environ["AWS_ENDPOINT_URL"] = self._url
            made = MAKE_CLIENT(boto3.Session("x", "y"), service, region)
            made.meta.events.register_first("before-call", self._before_call)
            del os.environ["AWS_ENDPOINT_URL"]
            self._made[service] = made
        return self._made[service]

    def _before_call(self, **known: Any) -> Any:
        return self.wire.before_call(**known)


@pytest.fixture
def world(clients: "Clients") -> Callable[..., dict[str, Any]]:
    """Makes the world of an action, and returns the inputs of its scenario."""
    from moto_worlds import WORLDS

    def make(action_type: str, **more: Any) -> dict[str, Any]:
        clients.reset()
        names = WORLDS[action_type](clients)
        text = json.dumps(SCENARIOS[action_type].inputs)
        return {**json.loads(Template(text).substitute(names)), **more}

    return make


def write_of(action_type: str) -> str:
    """Return the permission of the request with which an action changes something first."""
    reads = ("Describe", "Get", "List")
    undone = {"aws/start_instances": "ec2:StartInstances", "aws/stop_instances": "ec2:StopInstances"}
    named = {
        "aws/deregister_targets": "elasticloadbalancing:DeregisterTargets",
        "aws/register_targets": "elasticloadbalancing:RegisterTargets",
        "aws/enter_standby": "autoscaling:EnterStandby",
        "aws/exit_standby": "autoscaling:ExitStandby",
        "aws/set_lambda_concurrency": "lambda:PutFunctionConcurrency",
        "aws/create_snapshot": "ec2:CreateSnapshot",
        **undone,
    }
    if action_type in named:
        return named[action_type]
    [only] = [name for name in find(action_type).permissions if not name.partition(":")[2].startswith(reads)]
    return only
