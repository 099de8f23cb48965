"""A stand-in for boto3's clients, for what moto cannot play: weights, suspended processes, a status that lags.

Every answer is held to botocore's own service model, so that nothing is played that AWS could not say.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.paginate import Paginator
from botocore.validate import ParamValidator

__all__ = ["Aws", "group_of", "instance_of", "status_of"]


class Aws:
    """One account. An operation answers by the function of its name; what was called is kept.

    Args:
        answers: Operation → function of its parameters.
    """

    def __init__(self, **answers: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.answers = answers
        self.called: list[tuple[str, dict[str, Any]]] = []

    def make_client(self, _session: Any, service: str, _region: str) -> "_Client":
        """In place of `kubernaut_aws.common.session.make_client`."""
        return _Client(self, service)

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be what the actions speak to."""
        monkeypatch.setattr("kubernaut_aws.common.session.open_session", lambda *_: None)
        monkeypatch.setattr("kubernaut_aws.common.session.make_client", self.make_client)


@cache
def model_of(service: str) -> Any:
    """Return botocore's model of a service; EC2's takes half a second to read."""
    return botocore.session.get_session().get_service_model(service)


@cache
def pages_of(service: str) -> dict[str, Any]:
    """Return botocore's paginators of a service."""
    found: dict[str, Any] = botocore.session.get_session().get_paginator_model(service)._paginator_config
    return found


class _Client:
    def __init__(self, aws: Aws, service: str) -> None:
        self._aws = aws
        self._pages = pages_of(service)
        self._model = model_of(service)
        self._names = {xform_name(name): name for name in self._model.operation_names}

    def can_paginate(self, operation: str) -> bool:
        return self._names[operation] in self._pages

    def get_paginator(self, operation: str) -> Paginator:
        name = self._names[operation]
        model = self._model.operation_model(name)
        return Paginator(getattr(self, operation), self._pages[name], model)

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call_aws(**params: Any) -> dict[str, Any]:
            model = self._model.operation_model(self._names[operation])
            self._require(params, model.input_shape)
            self._aws.called.append((operation, params))
            answer = self._aws.answers[operation](params)
            if model.output_shape is not None:
                self._require(answer, model.output_shape)
            return {**answer, "ResponseMetadata": {"RequestId": "0", "HTTPStatusCode": 200}}

        return call_aws

    @staticmethod
    def _require(value: dict[str, Any], shape: Any) -> None:
        report = ParamValidator().validate(value, shape)
        assert not report.has_errors(), report.generate_report()


def instance_of(number: int, life: str = "InService", **more: Any) -> dict[str, Any]:
    """A member of a group."""
    known = {"AvailabilityZone": "eu-central-1a", "HealthStatus": "Healthy", "ProtectedFromScaleIn": False}
    return {"InstanceId": f"i-{number:017x}", "LifecycleState": life, **known, **more}


def group_of(desired: int, instances: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A group, as DescribeAutoScalingGroups tells it."""
    known = {
        "AutoScalingGroupName": "workers",
        "MinSize": 0,
        "MaxSize": 40,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["eu-central-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return {**known, "DesiredCapacity": desired, "Instances": instances, **more}


def status_of(instance: str, check: str = "ok", state: str = "running") -> dict[str, Any]:
    """An instance's status, as DescribeInstanceStatus tells it."""
    return {
        "InstanceId": instance,
        "InstanceState": {"Code": 16, "Name": state},
        "InstanceStatus": {"Status": check},
        "SystemStatus": {"Status": "ok"},
    }
