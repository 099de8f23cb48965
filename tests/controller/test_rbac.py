"""The Roles that a workflow's actions declare: `kubernaut render --rbac`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from objects import workflow

IMAGE = "ghcr.io/kubernaut/actions/kubectl@sha256:" + "0" * 64


def step(name: str, action: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "actionType": action, "image": IMAGE, **fields}


def test_a_role_for_each_account_and_place(tmp_path: Path) -> None:
    where = {"namespace": "shop", "deployment": "checkout"}
    document = workflow(
        step("a", "kubernetes/scale_deployment", inputs={**where, "replicas": 2}, serviceAccountName="scaler"),
        step("b", "kubernetes/rollback_deployment", inputs=where, serviceAccountName="scaler"),
        step("c", "kubernetes/cordon_node", inputs={"node": "n1"}),
        step("d", "aws/reboot_instances", inputs={"region": "eu-west-1", "instance_ids": ["i-0123456789abcdef0"]}),
    )
    file = tmp_path / "wf.json"
    file.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "kubernaut_cli", "render", "--rbac", str(file)]
    printed = subprocess.run(argv, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    found = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(printed.stdout)}

    assert sorted(found) == [
        ("ClusterRole", "kubernaut-shop-default"),
        ("ClusterRoleBinding", "kubernaut-shop-default"),
        ("Role", "kubernaut-scaler"),
        ("RoleBinding", "kubernaut-scaler"),
    ]
    assert found["Role", "kubernaut-scaler"]["metadata"]["namespace"] == "shop"
    assert found["Role", "kubernaut-scaler"]["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch", "watch"]},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
    ]
    assert found["ClusterRole", "kubernaut-shop-default"]["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}
    ]
    assert found["RoleBinding", "kubernaut-scaler"]["subjects"] == [
        {"kind": "ServiceAccount", "name": "scaler", "namespace": "shop"}
    ]


def test_what_an_action_of_another_domain_takes_of_kubernetes_is_a_role_where_its_namespace_says(
    tmp_path: Path,
) -> None:
    pause = {"application": "checkout"}
    document = workflow(
        step("there", "argocd/pause_autosync", inputs={**pause, "namespace": "gitops"}),
        step("default", "argocd/pause_autosync", inputs=pause),
    )
    again = {"actionType": "argocd/resume_autosync", "image": IMAGE}
    document["spec"]["finally"] = [
        {**again, "name": "resume-there", "inputs": {**pause, "namespace": "gitops"}},
        {**again, "name": "resume", "inputs": pause},
    ]
    file = tmp_path / "wf.json"
    file.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "kubernaut_cli", "render", "--rbac", str(file)]
    printed = subprocess.run(argv, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    roles = [item for item in yaml.safe_load_all(printed.stdout) if item["kind"] == "Role"]

    assert {role["metadata"]["namespace"] for role in roles} == {"argocd", "gitops"}
    for role in roles:
        assert role["rules"] == [
            {"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get", "patch"]}
        ]


def test_the_rights_of_the_example_are_those_that_its_actions_declare() -> None:
    example = Path(__file__).parents[2] / "examples" / "shop"
    argv = [sys.executable, "-m", "kubernaut_cli", "render", "--rbac", str(example / "workflow.yaml")]
    declared = subprocess.run(argv, capture_output=True, text=True).stdout
    roles = [
        [one["rules"] for one in yaml.safe_load_all(text) if one["kind"] == "Role"]
        for text in (declared, (example / "scaler.yaml").read_text())
    ]

    assert roles[0] == roles[1] != []
