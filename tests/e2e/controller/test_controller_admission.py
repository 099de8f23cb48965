"""The custom resources in a real API server: its own refusals, and its explanations."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from realcluster import DEPLOY, Json, install, kubectl, until, workflow

pytestmark = [pytest.mark.cluster]

IMAGE = "ghcr.io/kubernaut/actions/probe@sha256:" + "0" * 64
WHERE = f"kubernaut-ctl-admission-{os.getpid()}"


@pytest.fixture(scope="module", autouse=True)
def resources(request: pytest.FixtureRequest) -> Iterator[None]:
    request.getfixturevalue("kubectl")  # skips where there is no cluster
    install()
    kubectl("create", "namespace", WHERE, check=False)
    yield
    kubectl("delete", "namespace", WHERE, "--wait=false")


def step(name: str = "a", **fields: Any) -> Json:
    return {"name": name, "actionType": "probe/write_text", "image": IMAGE, **fields}


def refusal(document: Json, *words: str) -> str:
    done = subprocess.run(
        ["kubectl", *(words or ("create", "--dry-run=server")), "-f", "-"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0, done.stdout
    return done.stderr


BAD: list[tuple[str, list[Json], Json, str]] = [
    ("no steps", [], {}, "spec.steps: Invalid value"),
    ("a name twice", [step(), step()], {}, "spec.steps[1]: Duplicate value"),
    ("a bad name", [step("A_b")], {}, "spec.steps[0].name: Invalid value"),
    ("no digest", [step(image="ghcr.io/x:1")], {}, "spec.steps[0].image: Invalid value"),
    ("a $( in an image", [step(image=IMAGE.replace("probe", "$(params.x)"))], {}, "spec.steps[0].image: Invalid value"),
    ("a $( in a name", [step(serviceAccountName="$(params.x)")], {}, "spec.steps[0].serviceAccountName: Invalid value"),
    ("a $( in a secret", [step(secretName="$(params.x)")], {}, "spec.steps[0].secretName: Invalid value"),
    (
        "a $( in a pointer",
        [step(), step("b", inputsFrom=[{"input": "text", "step": "a", "pointer": "/$(params.x)"}])],
        {},
        "spec.steps[1].inputsFrom[0].pointer: Invalid value",
    ),
    (
        "a $( in an input",
        [step(), step("b", inputsFrom=[{"input": "$(params.x)", "step": "a"}])],
        {},
        "spec.steps[1].inputsFrom[0].input: Invalid value",
    ),
    (
        "a fraction",
        [step(resources={"requests": {"cpu": 0.5}})],
        {},
        "spec.steps[0].resources.requests.cpu: Invalid value",
    ),
    ("a short digest", [step(image="ghcr.io/x@sha256:00")], {}, "spec.steps[0].image: Invalid value"),
    ("an option for a type", [step(actionType="--help")], {}, "spec.steps[0].actionType: Invalid value"),
    ("no type", [{"name": "a", "image": IMAGE}], {}, "spec.steps[0].actionType: Required value"),
    ("an unknown field", [step(retry=1)], {}, 'unknown field "spec.steps[0].retry"'),
    ("a wrong type", [step(retries="many")], {}, "spec.steps[0].retries: Invalid value"),
    ("too many retries", [step(retries=101)], {}, "spec.steps[0].retries: Invalid value"),
    ("no duration", [step(timeout="2 minutes")], {}, "spec.steps[0].timeout: Invalid value"),
    ("another onFailure", [step(onFailure="ignore")], {}, "spec.steps[0].onFailure: Unsupported value"),
    (
        "two sources",
        [step(inputsFrom=[{"input": "x", "step": "b", "workflow": "target"}])],
        {},
        "name either step or workflow",
    ),
    ("no source", [step(inputsFrom=[{"input": "x"}])], {}, "name either step or workflow"),
    ("half a target", [step()], {"target": {"kind": "Node"}}, "spec.target.name: Required value"),
    ("a confidence of 2", [step()], {"confidence": 2}, "spec.confidence: Invalid value"),
    (
        "a negative time to live",
        [step()],
        {"ttlSecondsAfterFinished": -1},
        "spec.ttlSecondsAfterFinished: Invalid value",
    ),
]


@pytest.mark.parametrize(("steps", "spec", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_the_api_server_refuses(steps: list[Json], spec: Json, message: str) -> None:
    assert message in refusal(workflow("bad", WHERE, *steps, **spec))


def test_a_spec_is_immutable_but_for_cancel() -> None:
    document = workflow("made", WHERE, step(inputs={"a": {"b": [1]}}), target={"kind": "Node", "name": "n"})
    kubectl("create", "-f", "-", stdin=document)

    def patched(kind: str, patch: Any) -> str:
        argv = ["kubectl", "patch", "wfe", "made", f"--namespace={WHERE}", f"--type={kind}", "-p", json.dumps(patch)]
        return subprocess.run(argv, capture_output=True, text=True).stderr

    for field in ("timeout", "requester", "startingDeadline"):
        assert f"spec.{field} is immutable once created; only spec.cancel may be set" in patched(
            "merge", {"spec": {field: "5m"}}
        )
    assert "spec.target is immutable" in patched("merge", {"spec": {"target": None}})
    assert "spec.steps is immutable" in patched(
        "json", [{"op": "replace", "path": "/spec/steps/0/inputs/a/b/0", "value": 2}]
    )
    assert "spec.steps is immutable" in patched("json", [{"op": "add", "path": "/spec/steps/0/retries", "value": 2}])
    assert patched("merge", {"spec": {"cancel": True}}) == ""
    assert "a cancelled workflow stays cancelled" in patched("merge", {"spec": {"cancel": False}})


def test_every_value_of_an_input_is_kept() -> None:
    inputs: Json = {
        "null": None,
        "list": [1, None, 2.5, True],
        "text": "$(params.x) $$ \u00e9\u2028",
        "nested": {"": {}},
    }
    kubectl("create", "-f", "-", stdin=workflow("kept", WHERE, step(inputs=inputs)))

    kept = json.loads(kubectl("get", "wfe", "kept", f"--namespace={WHERE}", "--output=json"))
    assert kept["spec"]["steps"][0]["inputs"] == inputs


def test_it_explains_itself() -> None:
    message = kubectl("explain", "wfe.spec.steps")

    assert "The steps, as a graph." in message
    assert "The number of retries after a transient failure." in message
    assert "The object to act on" in kubectl("explain", "wfe.spec")
    assert "A sentence for people" in kubectl("explain", "wfe.status.conditions")
    assert "The reason why this workflow was chosen." in kubectl("explain", "rr.spec")


@pytest.fixture(scope="module")
def policy(resources: None) -> Iterator[None]:
    """The optional policy, and a user alice who may create workflows and use one ServiceAccount and one Secret."""
    rendered = list(yaml.safe_load_all(kubectl("kustomize", str(DEPLOY.parent / "policy"))))
    for item in rendered:
        if item["kind"] == "ValidatingAdmissionPolicyBinding":  # other tests' namespaces are left alone
            here = {"matchLabels": {"kubernetes.io/metadata.name": WHERE}}
            item["spec"]["matchResources"] = {"namespaceSelector": here}
        kubectl("apply", "-f", "-", stdin=item)
    rules = [
        {"apiGroups": ["kubernaut.io"], "resources": ["workflowexecutions", "remediationrequests"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["scaler"], "verbs": ["use"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["git"], "verbs": ["use"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "alice"}, "rules": rules}
    binding = {
        **role,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "alice"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    }
    del binding["rules"]
    kubectl(
        "apply", f"--namespace={WHERE}", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [role, binding]}
    )
    # a policy is in force some moments after it is there
    forbidden = workflow("try", WHERE, allowed(serviceAccountName="admin"))
    until("the policy", lambda: "may not use" in refusal_of_alice(forbidden))
    yield
    kubectl("delete", "-k", str(DEPLOY.parent / "policy"))


def refusal_of_alice(document: Json) -> str:
    """Return the API server's refusal to alice; an empty text where it accepts."""
    argv = ["kubectl", "create", "--dry-run=server", "--as=alice", "-f", "-"]
    done = subprocess.run(argv, input=json.dumps(document), capture_output=True, text=True)
    return done.stderr


def allowed(name: str = "a", **fields: Any) -> Json:
    account = {"serviceAccountName": "scaler"} if "serviceAccountName" not in fields else {}
    return step(name, image="ghcr.io/kubernaut/actions/kubectl@sha256:" + "0" * 64, **account, **fields)


MAY_NOT = "alice may not use each of the"
OTHER = "ghcr.io/kubernaut/actions-of-mine/x@sha256:" + "0" * 64
NARROWED: list[tuple[str, Json, Json, str]] = [
    ("nothing special", {}, {}, ""),
    ("what it may use", {"serviceAccountName": "scaler", "secretName": "git"}, {}, ""),
    ("another repository", {"image": OTHER}, {}, f"image {OTHER} is of none of the repositories"),
    ("another account", {"serviceAccountName": "admin"}, {}, f"{MAY_NOT} ServiceAccounts admin; grant the verb use"),
    ("no account", {"serviceAccountName": None}, {}, f"{MAY_NOT} ServiceAccounts default; grant the verb use"),
    ("another secret", {"secretName": "aws"}, {}, f"{MAY_NOT} Secrets aws; grant the verb use"),
    ("in finally", {}, {"finally": [{"serviceAccountName": "admin"}]}, f"{MAY_NOT} ServiceAccounts scaler, admin"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["WorkflowExecution", "RemediationRequest"])
@pytest.mark.parametrize(("fields", "spec", "message"), [row[1:] for row in NARROWED], ids=[row[0] for row in NARROWED])
def test_the_policy_narrows_who_may_run_what(policy: None, kind: str, fields: Json, spec: Json, message: str) -> None:
    last = {name: [allowed(name="last", **one) for one in steps] for name, steps in spec.items()}
    first = {name: value for name, value in {**allowed(), **fields}.items() if value is not None}
    document = workflow("narrow", WHERE, first, **last)
    if kind == "RemediationRequest":
        target = {"kind": "Node", "name": "n"}
        asked = {"signal": {"fingerprint": "f"}, "target": target, "workflow": document["spec"]}
        document = {**document, "kind": kind, "spec": asked}

    assert message in refusal_of_alice(document) if message else refusal_of_alice(document) == ""


def test_the_policy_lets_whoever_may_update_cancel(policy: None) -> None:
    kubectl("create", "-f", "-", stdin=workflow("stopped", WHERE, allowed(serviceAccountName="admin")))
    patch = ["patch", "wfe", "stopped", f"--namespace={WHERE}", "--as=alice", "--type=merge"]
    kubectl(*patch, "-p", json.dumps({"spec": {"cancel": True}}))

    assert json.loads(kubectl("get", "wfe", "stopped", f"--namespace={WHERE}", "-o", "json"))["spec"]["cancel"] is True


@pytest.mark.parametrize("kind", ["WorkflowExecution", "RemediationRequest"])
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")], ids=["objects", "lists"])
def test_the_policy_bounds_the_depth_of_inputs(policy: None, kind: str, opening: str, closing: str) -> None:
    def answer(levels: int) -> str:
        nested = json.loads(f'{{"a": {opening * (levels - 1)}1{closing * (levels - 1)}}}')
        document = workflow("deep", WHERE, allowed(inputs={"flat": [1]}), allowed("b", inputs=nested))
        if kind == "RemediationRequest":
            document = {
                **document,
                "kind": kind,
                "spec": {"signal": {"fingerprint": "f"}, "workflow": document["spec"]},
            }
        return refusal_of_alice(document)

    until("the policy", lambda: "nested deeper than 64 levels" in answer(65))
    assert answer(64) == ""
