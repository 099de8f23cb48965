"""The stand-ins hold to the APIs' own descriptions, and so does what our actions send.

GitHub's (`@octokit/openapi`), Gitea's and Argo CD's descriptions are not part of this repository; GITHUB_OPENAPI,
GITEA_SWAGGER and ARGOCD_SWAGGER name their files. Without them, the fields that our actions send are compared with the
list below, which was made from them. GitLab publishes none that names these fields, so its stand-in is held to nothing.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argocd_standin import TOKEN as ARGO_TOKEN
from argocd_standin import ArgoStandin
from forge_world import standin_world

from kubernaut_argocd.applications.resourceactions import run_resource_action
from kubernaut_argocd.applications.rollingback import rollback_application
from kubernaut_argocd.applications.syncing import sync_application
from kubernaut_argocd.applications.terminating import terminate_operation
from kubernaut_argocd.applications.watching import refresh_application
from kubernaut_argocd.requests.merging import merge_pull_request
from kubernaut_argocd.requests.opening import open_pull_request
from kubernaut_sdk.testing import ActionRunner

SENT = {
    "POST /repos/{owner}/{repo}/pulls": {"title", "body", "head", "base", "draft"},
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}": {"state"},
    "PATCH /repos/{owner}/{repo}/pulls/{index}": {"state"},
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge": {"sha", "merge_method"},
    "POST /repos/{owner}/{repo}/pulls/{index}/merge": {"Do", "head_commit_id"},
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels": {"labels"},
    "POST /repos/{owner}/{repo}/issues/{index}/labels": {"labels"},
    "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers": {"reviewers"},
    "POST /repos/{owner}/{repo}/pulls/{index}/requested_reviewers": {"reviewers"},
    "POST /api/v1/applications/{name}/sync": {"name", "prune", "infos", "retryStrategy"},
    "POST /api/v1/applications/{name}/rollback": {"name", "id", "prune"},
    "POST /api/v1/applications/{name}/resource/actions/v2": {
        "name",
        "action",
        "group",
        "kind",
        "namespace",
        "resourceName",
        "version",
    },
}


class Description:
    """An OpenAPI document, of version 2 or 3."""

    def __init__(self, path: Path) -> None:
        # Gitea's is a template: its expressions stand within strings
        self.document = json.loads(re.sub(r"\{\{.*?\}\}", "", path.read_text()))

    def operation(self, method: str, template: str) -> dict[str, Any]:
        shape = re.sub(r"\{[^}]*\}", "{}", template)
        for path, operations in self.document["paths"].items():
            if re.sub(r"\{[^}]*\}", "{}", path) == shape and method.lower() in operations:
                found: dict[str, Any] = self.resolve(operations[method.lower()])
                return found
        raise AssertionError(f"the description has no {method} {template}")

    def resolve(self, part: Any) -> Any:
        while isinstance(part, dict) and "$ref" in part:
            at: Any = self.document
            for name in part["$ref"].removeprefix("#/").split("/"):
                at = at[name]
            part = at
        return part

    def request(self, operation: dict[str, Any]) -> Any:
        if "requestBody" in operation:
            return self.resolve(operation["requestBody"])["content"]["application/json"]["schema"]
        bodies = [self.resolve(item) for item in operation.get("parameters", ())]
        return next((item["schema"] for item in bodies if item.get("in") == "body"), None)

    def answer(self, operation: dict[str, Any], status: int) -> Any:
        found = self.resolve(operation["responses"].get(str(status)) or operation["responses"].get("200"))
        if found is None:
            return None
        return found.get("content", {}).get("application/json", {}).get("schema") or found.get("schema")

    def foreign(self, schema: Any, value: Any, where: str = "") -> Iterator[str]:
        """Yield the fields of a value that a schema does not know."""
        schema = self.resolve(schema) or {}
        options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if options:
            found = [list(self.foreign(option, value, where)) for option in options]
            yield from min(found, key=len)
            return
        if isinstance(value, list):
            for item in value:
                yield from self.foreign(schema.get("items"), item, f"{where}[]")
        if isinstance(value, dict):
            parts = [schema, *map(self.resolve, schema.get("allOf", ()))]
            known = {name: part for item in parts for name, part in item.get("properties", {}).items()}
            for name, item in value.items():
                if known and name not in known:
                    yield f"{where}.{name}"
                elif known:
                    yield from self.foreign(known[name], item, f"{where}.{name}")


def described(variable: str) -> Description | None:
    path = os.environ.get(variable)
    return Description(Path(path)) if path else None


def require_described(calls: Any, variable: str) -> None:
    """Check each call against the description, or what was sent against our own list of its fields."""
    description = described(variable)
    for call in calls:
        name = f"{call.method} {call.template}"
        if isinstance(call.sent, dict) and name in SENT:
            assert set(call.sent) <= SENT[name], name
        if description is None:
            continue
        operation = description.operation(call.method, call.template)
        if isinstance(call.sent, dict):
            assert list(description.foreign(description.request(operation), call.sent)) == [], name
        if call.status < 300 and call.answered:
            assert list(description.foreign(description.answer(operation, call.status), call.answered)) == [], name


@pytest.mark.parametrize(("kind", "variable"), [("github", "GITHUB_OPENAPI"), ("gitea", "GITEA_SWAGGER")])
def test_a_pull_requests_life_is_as_its_forge_describes_it(kind: str, variable: str, repository: Any) -> None:
    with standin_world(kind, repository) as world:
        inputs = {**world.inputs, "edits": [{"path": "app.yaml", "field": "replicas", "value": 6}]}
        more = {"labels": ["remediation"], "reviewers": ["alice"]}
        runner = ActionRunner(open_pull_request, secrets=world.secrets)
        closed = runner.run({**inputs, **more})
        assert closed.change is not None
        assert runner.undo({**inputs, **more}, closed.change).exit_code == 0
        assert runner.run(inputs).exit_code == 0
        merging = ActionRunner(merge_pull_request, secrets=world.secrets)
        assert merging.run({**world.inputs, "number": 2}).exit_code == 0

        assert len({(call.method, call.template) for call in world.standin.calls}) >= 8
        require_described(world.standin.calls, variable)


def test_the_calls_to_argo_cd_are_as_it_describes_them() -> None:
    argo = ArgoStandin()
    inputs = {"server": argo.url, "application": "checkout"}
    place = {"action": "restart", "namespace": "shop", "name": "checkout"}
    secrets = {"token": ARGO_TOKEN}
    assert ActionRunner(refresh_application, secrets=secrets).run(inputs).exit_code == 0
    assert ActionRunner(sync_application, secrets=secrets).run(inputs).exit_code == 0
    assert ActionRunner(rollback_application, secrets=secrets).run({**inputs, "history_id": 1}).exit_code == 0
    assert ActionRunner(run_resource_action, secrets=secrets).run({**inputs, **place}).exit_code == 0
    argo.script = ["Running"] * 20
    argo.start("checkout", {"sync": {"revision": "a" * 40}, "initiatedBy": {"username": "alice"}})
    argo.step(argo.app())
    assert ActionRunner(terminate_operation, secrets=secrets).run(inputs).exit_code == 0
    argo.close_server()

    assert len({(call.method, call.template) for call in argo.calls}) == 8
    require_described(argo.calls, "ARGOCD_SWAGGER")
