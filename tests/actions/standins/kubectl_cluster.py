"""The real API server for actions that run in this process: their pauses take no time, those of Kubernetes do."""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch
from uuid import UUID

from kubernaut_conformance.target_proxy import TargetProxy
from kubernaut_sdk import Action, catalog
from kubernaut_sdk.permissions import OWN_RESOURCE
from kubernaut_sdk.testing import ActionRunner, Answer, Ran

__all__ = [
    "Cluster",
    "Json",
    "declared_permissions",
    "message_of",
    "proxied_kubeconfig",
    "reason_of",
    "record_permissions",
    "workload",
]

Json = dict[str, Any]
IMAGE = os.environ.get("KUBERNAUT_TEST_IMAGE", "cluster.local/shell:1")
OPTIONAL = {"namespaces: get", "secrets: get"}
"""Permissions that are used only if they are held: kubectl looks for the namespace of an object that is not there."""
API = dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"), "apps/v1")


class Cluster:
    """A namespace of the real cluster, in which objects are made and actions run.

    Every action's requests pass a recording proxy: what they take must be declared as a permission.

    Attributes:
        namespace: Its name.
        proxy: The recording proxy.
        used: Action → the permissions that its requests took.
    """

    def __init__(self, namespace: str, proxy: TargetProxy, kubeconfig: Path) -> None:
        self.namespace = namespace
        self.here = f"--namespace={namespace}"
        self.proxy, self.kubeconfig = proxy, kubeconfig
        self.used: dict[str, set[str]] = {}

    def kubectl(self, *words: str, stdin: Any = None, check: bool = True) -> str:
        text = json.dumps(stdin) if stdin is not None else None
        done = subprocess.run(["kubectl", *words, self.here], input=text, capture_output=True, text=True)
        assert done.returncode == 0 or not check, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def make(self, *documents: Json) -> None:
        self.kubectl(
            "create",
            "--validate=false",
            "-f",
            "-",
            stdin={"apiVersion": "v1", "kind": "List", "items": list(documents)},
        )

    def get(self, kind: str, name: str) -> Json:
        found: Json = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def pods(self, name: str) -> list[Json]:
        """The pods of a workload that are not being deleted."""
        items = json.loads(self.kubectl("get", "pods", f"--selector=app={name}", "--output=json"))["items"]
        return [item for item in items if "deletionTimestamp" not in item["metadata"]]

    def patch(self, kind: str, name: str, *operations: Json) -> None:
        self.kubectl("patch", kind, name, "--type=json", f"--patch={json.dumps(operations)}")

    def delete(self, kind: str, *names: str) -> None:
        self.kubectl("delete", kind, *names, "--wait=false", "--ignore-not-found")

    def ready(self, kind: str, name: str) -> None:
        if kind == "ReplicaSet":
            self.kubectl("wait", kind, name, "--for=jsonpath={.status.availableReplicas}=1", "--timeout=60s")
        else:
            self.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=60s")

    def runner(
        self, name: str, *, minutes: int = 60, retries: int = 0, domain: str = "kubernetes", real_time: bool = False
    ) -> ActionRunner:
        """A runner of an action; unless in real time, its time passes when it waits, not when Kubernetes works."""
        action, timeout = catalog.find(f"{domain}/{name}"), timedelta(minutes=minutes)
        return ActionRunner(action, timeout=timeout, retries=retries, storage="none", real_time=real_time)

    def run(
        self,
        name: str,
        inputs: Mapping[str, Any] = MappingProxyType({}),
        /,
        *,
        minutes: int = 60,
        retries: int = 0,
        record: UUID | None = None,
        real_time: bool = False,
        **more: Any,
    ) -> Ran:
        """Run an action, in this namespace if it takes one."""
        runner = self.runner(name, minutes=minutes, retries=retries, real_time=real_time)
        with self.recorded(runner.action):
            return runner.run({**self._place(runner.action), **inputs, **more}, record_id=record)

    def run_with(
        self,
        name: str,
        when: Callable[[list[str]], bool],
        count: int,
        event: Callable[[], Answer | Any],
        /,
        *,
        retries: int = 0,
        minutes: int = 60,
        **inputs: Any,
    ) -> Ran:
        """Run an action while something else happens.

        Args:
            name: The action.
            when: The kubectl calls that are counted.
            count: The number of the call, from 1 on, before which it happens.
            event: What happens; an Answer that it returns is the call's own.
            retries: Of the action.
            minutes: Its time.
            inputs: Its inputs.
        """
        calls = 0

        def kubectl(argv: list[str], stdin: str | None) -> Answer:
            nonlocal calls
            calls += when(argv)
            if when(argv) and calls == count:
                with patch.dict(os.environ, KUBECONFIG=own):
                    answer = event()
                if isinstance(answer, Answer):
                    return answer
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
            return Answer(done.stdout, done.stderr, done.returncode)

        own = os.environ.get("KUBECONFIG", "")
        action, time = self.runner(name).action, timedelta(minutes=minutes)
        runner = ActionRunner(action, tools={"kubectl": kubectl}, timeout=time, retries=retries, storage="none")
        with self.recorded(action):
            return runner.run({**self._place(action), **inputs})

    def run_failing(self, name: str, when: Callable[[list[str]], bool], count: int, /, **inputs: Any) -> Ran:
        """Run an action whose kubectl call of that kind and number finds no API server."""
        refused = Answer(stderr="The connection to the server 192.0.2.1:6443 was refused", exit_code=1)
        return self.run_with(name, when, count, lambda: refused, **inputs)

    def undo(self, ran: Ran, name: str, inputs: Mapping[str, Any] = MappingProxyType({}), **more: Any) -> Ran:
        """Undo what an action has changed."""
        assert ran.change is not None, ran
        runner = self.runner(name)
        with self.recorded(runner.action):
            return runner.undo({**self._place(runner.action), **inputs, **more}, ran.change)

    def _place(self, action: Action) -> dict[str, str]:
        return {"namespace": self.namespace} if "namespace" in action.inputs_model.model_fields else {}

    @contextmanager
    def recorded(self, action: Action) -> Iterator[None]:
        """Let kubectl go through the proxy, and check that each permission it takes is declared."""
        self.proxy.requests.clear()
        with patch.dict(os.environ, KUBECONFIG=str(self.kubeconfig)):
            yield
        taken = {request.permission for request in self.proxy.requests if request.permission}
        used = self.used.setdefault(action.action_type, set())
        used |= taken
        if not any(OWN_RESOURCE in text for text in action.permissions):
            undeclared = taken - declared_permissions(action) - OPTIONAL
            assert not undeclared, f"{action.action_type} takes {sorted(undeclared)}"


def workload(kind: str, name: str, *, script: str = "sleep 1000", container: Json | None = None, **spec: Any) -> Json:
    """A workload of one container that runs a shell script, with no need for a network or a registry."""
    own = {"name": "app", "image": IMAGE, "command": ["/bin/sh", "-c", script], **(container or {})}
    pod = {"containers": [own], "hostNetwork": True, "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    more = {"serviceName": name} if kind == "StatefulSet" else {}
    replicas = {} if kind == "DaemonSet" else {"replicas": 1}
    selector = {"matchLabels": {"app": name}}
    return {
        "apiVersion": API[kind],
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": selector, "template": template, **replicas, **more, **spec},
    }


def message_of(ran: Ran) -> str:
    """The message of the error with which an action ended."""
    assert ran.error is not None, ran
    return ran.error.message


def reason_of(ran: Ran) -> tuple[int, str | None]:
    """The exit code and reason of an action's end."""
    return ran.exit_code, ran.error.reason if ran.error else None


def proxied_kubeconfig(server: str) -> Json:
    """The kubeconfig of a server on loopback that asks for no credentials."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "none", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "none"}}],
        "current-context": "proxy",
    }


def declared_permissions(action: Action) -> set[str]:
    """The permissions that an action declares, one for each verb."""
    names = (text.partition(": ") for text in action.permissions)
    return {f"{resource}: {verb}" for resource, _, verbs in names for verb in verbs.split(", ")}


def record_permissions(file: Path, used: Mapping[str, set[str]]) -> None:
    """Add the permissions that actions took to a file (action → permissions) that other processes write, too."""
    with file.open("a+") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        lines.seek(0)
        known = json.loads(lines.read() or "{}")
        for action, permissions in used.items():
            known[action] = sorted({*known.get(action, ()), *permissions})
        lines.truncate(0)
        lines.write(json.dumps(known, indent=1, sort_keys=True) + "\n")
