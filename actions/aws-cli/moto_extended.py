"""moto's server, and what the actions need that moto lacks: `moto_extended.py --host=127.0.0.1 --port=…`.

Added are instance refreshes, RDS's events of a reboot, ECS deployments that fail and are rolled back, EKS updates,
Lambda's account limits and `RevisionId`, and SSM automations. Each answer is written by moto's serializers from
botocore's own service models, and held to them before. Beyond this, these were not tried.
"""

import json
import os
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any
from uuid import uuid4

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
os.environ.setdefault("MOTO_ECS_SERVICE_RUNNING", "2")

import botocore.session
from botocore.validate import ParamValidator
from moto.autoscaling.responses import AutoScalingResponse
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.urls import url_paths as lambda_paths
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend
from moto.eks.responses import EKSResponse
from moto.eks.urls import response as eks_response
from moto.eks.urls import url_paths as eks_paths
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.rds.models import Event, RDSBackend
from moto.ssm.responses import SimpleSystemManagerResponse
from moto_worlds import WORLDS, Clients, state_of
from werkzeug.serving import run_simple

__all__ = ["extend"]

_SESSION = botocore.session.get_session()
BROKEN = "broken"
"""A task definition or document whose name has this word in it fails."""


def held(service: str, operation: str, answer: dict[str, Any]) -> ActionResult:
    """Return the answer of an operation, once botocore's model admits it."""
    shape = _SESSION.get_service_model(service).operation_model(operation).output_shape
    report = ParamValidator().validate(answer, shape)
    if report.has_errors():
        raise TypeError(f"{service}:{operation} cannot answer this: {report.generate_report()}")
    return ActionResult(answer)


def describe_instance_refreshes(_self: Any) -> ActionResult:
    """Answer that there was none."""
    return held("autoscaling", "DescribeInstanceRefreshes", {"InstanceRefreshes": []})


def reboot_db_instance(self: Any, db_instance_identifier: str) -> Any:
    """Reboot, with the events that RDS tells of it."""
    found = self.describe_db_instances(db_instance_identifier)[0]
    for message in ("DB instance shutdown", "DB instance restarted"):
        event = Event("DB_INSTANCE_CREATE", found)
        event.message = message
        self.events.append(event)
    return found


_update_service = EC2ContainerServiceBackend.update_service


def update_service(self: Any, service_properties: dict[str, Any]) -> Any:
    """Update a service. A forced deployment of a broken task definition fails, and is rolled back."""
    forced = service_properties.get("force_new_deployment", False)
    service = _update_service(self, service_properties)
    if not service.deployments:
        return service
    primary = service.deployments[0]
    primary["desiredCount"] = primary["runningCount"] = service.desired_count
    if forced and BROKEN in str(service.task_definition):
        earlier = {**primary, "id": f"{primary['id']}0"}
        primary |= {"rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start.", "runningCount": 0}
        service.deployments = [primary, earlier]
    return service


def describe_update(self: Any) -> ActionResult:
    """Answer that the update of a node group succeeded; moto makes it at once."""
    update = {"id": self._get_param("updateId"), "status": "Successful", "type": "ConfigUpdate"}
    return held("eks", "DescribeUpdate", {"update": update})


def get_account_settings(_self: Any) -> ActionResult:
    """Answer with the limits of an account in which nothing is reserved."""
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    return held("lambda", "GetAccountSettings", {"AccountLimit": limits})


_update_alias = LambdaResponse.update_alias


def update_alias(self: Any) -> Any:
    """Update an alias only at the revision that the request names, and give it a new one."""
    params = json.loads(self.body)
    function, alias = (self.path.rsplit("/")[-3], self.path.rsplit("/", 2)[-1])
    known = self.backend.get_alias(name=alias, function_name=function)
    if params.get("RevisionId") not in {None, known.revision_id}:
        raise JsonRESTError("PreconditionFailedException", "The Revision Id provided does not match the latest one.")
    answer = _update_alias(self)
    known.revision_id = str(uuid4())
    return answer


_EXECUTIONS: dict[str, dict[str, Any]] = {}


def start_automation_execution(self: Any) -> ActionResult:
    """Start an automation, one for each ClientToken."""
    token, name = self._get_param("ClientToken"), self._get_param("DocumentName")
    known = self.ssm_backend.get_document(name, self._get_param("DocumentVersion"), None, "JSON")
    execution = _EXECUTIONS.setdefault(
        token or str(uuid4()),
        {
            "AutomationExecutionId": str(uuid4()),
            "DocumentName": name,
            "DocumentVersion": known["DocumentVersion"],
            "Parameters": self._get_param("Parameters") or {},
            "AutomationExecutionStatus": "InProgress",
        },
    )
    made = {"AutomationExecutionId": execution["AutomationExecutionId"]}
    return held("ssm", "StartAutomationExecution", made)


def get_automation_execution(self: Any) -> ActionResult:
    """Answer with an automation, which is over at the second look; a broken document's fails."""
    wanted = self._get_param("AutomationExecutionId")
    execution = next(item for item in _EXECUTIONS.values() if item["AutomationExecutionId"] == wanted)
    answer = {"AutomationExecution": {k: v for k, v in execution.items() if k != "looks"}}
    if execution.setdefault("looks", 0):
        failed = BROKEN in execution["DocumentName"]
        status = {"AutomationExecutionStatus": "Failed" if failed else "Success"}
        more = {"FailureMessage": "Step fails."} if failed else {"Outputs": {"restart.Output": ["done"]}}
        answer["AutomationExecution"] |= status | more
    execution["looks"] += 1
    return held("ssm", "GetAutomationExecution", answer)


def extend() -> None:
    """Add to moto what it lacks; before its server is made."""
    eks_paths["{0}/clusters/(?P<name>[^/]+)/updates/(?P<updateId>[^/]+)$"] = eks_response.dispatch
    lambda_paths[r"{0}/2016-08-19/account-settings/?$"] = LambdaResponse.dispatch
    added: dict[type, tuple[Callable[..., Any], ...]] = {
        AutoScalingResponse: (describe_instance_refreshes,),
        EC2ContainerServiceBackend: (update_service,),
        EKSResponse: (describe_update,),
        LambdaResponse: (get_account_settings, update_alias),
        RDSBackend: (reboot_db_instance,),
        SimpleSystemManagerResponse: (start_automation_execution, get_automation_execution),
    }
    for kind, functions in added.items():
        for function in functions:
            setattr(kind, function.__name__, function)


def with_worlds(moto: Any, url: str) -> Any:
    """Return a WSGI application: moto's, where POST /worlds/TYPE makes an action's world and GET /worlds its state."""
    aws = Clients(url)

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if not path.startswith("/worlds"):
            return moto(environ, start_response)
        if environ["REQUEST_METHOD"] == "POST":
            aws.reset()
            answer: Any = WORLDS[path.removeprefix("/worlds/")](aws)
        else:
            answer = state_of(aws)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return serve


def main() -> None:
    """Serve until the end of the process."""
    parser = ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    extend()
    moto = DomainDispatcherApplication(create_backend_app)
    app = with_worlds(moto, f"http://{given.host}:{given.port}")
    run_simple(given.host, given.port, app, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
