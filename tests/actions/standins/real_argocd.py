"""A real Argo CD for tests: its server, repo-server and controllers as processes, on a real cluster.

ARGOCD_BIN names the folder of its program (one program, which acts by ARGOCD_BINARY_NAME), with the custom resources in
`manifests/crds` beside it; Redis is Debian's. All listen on loopback only.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopback import free_ports

__all__ = ["RealArgo", "argocd_server"]

# A cluster of tests has no metrics: an autoscaler that finds its target is healthy.
AUTOSCALER_HEALTH = """
local found = {status = "Progressing", message = "its target has not been found yet"}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "AbleToScale" and condition.status == "True" then
    found = {status = "Healthy", message = condition.message}
  end
end
return found
"""
CONFIG: dict[str, dict[str, str]] = {
    "argocd-cm": {"resource.customizations.health.autoscaling_HorizontalPodAutoscaler": AUTOSCALER_HEALTH},
    **{f"argocd-{part}-cm": {} for part in ("rbac", "tls-certs", "ssh-known-hosts", "gpg-keys")},
}
LABELS = {"app.kubernetes.io/part-of": "argocd"}


def kubectl(*words: str, stdin: Any = None) -> str:
    text = json.dumps(stdin) if stdin is not None else None
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class RealArgo:
    """A running Argo CD, in a namespace of its own, with a token that may do everything."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url, self.namespace, self.token = url, namespace, ""

    def log_in(self, password: str) -> None:
        body = json.dumps({"username": "admin", "password": password}).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1/session", data=body, method="POST", headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.token = json.load(answer)["token"]

    def know(self, name: str, repository: str, password: str) -> None:
        """Give it the credentials of a repository."""
        where = {"name": name, "namespace": self.namespace}
        labels = {**LABELS, "argocd.argoproj.io/secret-type": "repository"}
        data = {"type": "git", "url": repository, "username": "shop", "password": password}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {**where, "labels": labels}, "stringData": data}
        kubectl("create", "--filename=-", stdin=secret)

    def application(
        self, name: str, repository: str, project: str = "default", path: str = "deploy", **policy: Any
    ) -> dict[str, Any]:
        """Return an Application that deploys a repository's folder into this namespace."""
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "project": project,
                "source": {"repoURL": repository, "path": path, "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": self.namespace},
                **({"syncPolicy": policy} if policy else {}),
            },
        }

    def patch(self, name: str, patch: dict[str, Any], kind: str = "application") -> None:
        """Merge a patch into an Application or AppProject, as its owner would."""
        here = f"--namespace={self.namespace}"
        kubectl("patch", kind, name, here, "--type=merge", f"--patch={json.dumps(patch)}")

    def knows_enabled(self) -> bool:
        """Return True if the cluster's Applications have the field `automated.enabled`."""
        words = ("explain", "applications.argoproj.io.spec.syncPolicy.automated", "--recursive")
        return any(line.split()[:1] == ["enabled"] for line in kubectl(*words).splitlines())

    def read(self, name: str) -> dict[str, Any]:
        words = ("get", "applications.argoproj.io", name, f"--namespace={self.namespace}", "--output=json")
        found: dict[str, Any] = json.loads(kubectl(*words))
        return found


@contextmanager
def argocd_server(program: Path, folder: Path, namespace: str) -> Iterator[RealArgo]:
    """An Argo CD of this test run's own."""
    redis, repo, server, *others = free_ports(9)
    resources = f"--kustomize={program.parent / 'manifests' / 'crds'}"
    known = subprocess.run(["kubectl", "get", "crd", "applications.argoproj.io"], capture_output=True).returncode == 0
    if not known:
        kubectl("create", resources)
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/applications.argoproj.io")
    kubectl("create", "namespace", namespace)
    for name, data in CONFIG.items():
        where = {"name": name, "namespace": namespace, "labels": LABELS}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": data}
        kubectl("create", "--filename=-", stdin=document)
    where = {"name": "argocd-secret", "namespace": namespace, "labels": LABELS}
    kubectl("create", "--filename=-", stdin={"apiVersion": "v1", "kind": "Secret", "metadata": where})
    client_ca = ["--client-ca-path="] if _knows(program, "argocd-repo-server", "--client-ca-path") else []  # since 3
    shared = [f"--redis=127.0.0.1:{redis}", f"--repo-server=127.0.0.1:{repo}", f"--namespace={namespace}"]
    commands: dict[str, list[Any]] = {
        "redis": [shutil.which("redis-server") or "redis-server", f"--port {redis}", "--bind 127.0.0.1", "--save ''"],
        "argocd-repo-server": [
            program, "--disable-tls", *client_ca, "--address=127.0.0.1", f"--port={repo}",
            f"--redis=127.0.0.1:{redis}",
            "--metrics-address=127.0.0.1", f"--metrics-port={others[0]}",
        ],
        "argocd-server": [
            program, "--insecure", "--address=127.0.0.1", f"--port={server}", "--repo-server-plaintext", *shared,
            "--metrics-address=127.0.0.1", f"--metrics-port={others[1]}",
        ],
        "argocd-application-controller": [
            program, "--repo-server-plaintext", *shared, f"--metrics-port={others[2]}", "--app-resync=30",
        ],
        "argocd-applicationset-controller": [
            program, f"--namespace={namespace}", f"--argocd-repo-server=127.0.0.1:{repo}", "--repo-server-plaintext",
            f"--metrics-addr=127.0.0.1:{others[3]}", f"--probe-addr=127.0.0.1:{others[4]}",
            f"--webhook-addr=127.0.0.1:{others[5]}",
        ],
    }  # fmt: skip
    # the repo-server calls its wrapper of git verify-commit, and itself when git asks for a password
    path = f"{program.parent / 'hack'}:{program.parent}:{os.environ['PATH']}"
    env = {
        **os.environ,
        "PATH": path,
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_GPG_ENABLED": "false",
        "HOME": str(folder),
    }
    for part in ("TLS", "SSH"):
        (folder / part.lower()).mkdir()
        env[f"ARGOCD_{part}_DATA_PATH"] = str(folder / part.lower())
    env["ARGOCD_ASK_PASS_SOCK"] = str(folder / "ask-pass.sock")
    env |= {"ARGOCD_GNUPGHOME": str(folder / "gpg"), "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins")}
    processes = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("w") as log:
                argv = [str(part) for word in command for part in (str(word).split() if name == "redis" else [word])]
                own = {**env, "ARGOCD_BINARY_NAME": name}
                processes.append(subprocess.Popen(argv, env=own, stdout=log, stderr=log, cwd=folder))
        argo = RealArgo(f"http://127.0.0.1:{server}", namespace)
        _wait(argo, folder, processes)
        yield argo
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()
        names = subprocess.run(
            ["kubectl", "get", "applications.argoproj.io", f"--namespace={namespace}", "--output=name"],
            capture_output=True,
            text=True,
        ).stdout.split()
        for name in names:  # a finalizer would wait for a controller that is gone
            patch = '{"metadata": {"finalizers": null}}'
            kubectl("patch", name, f"--namespace={namespace}", "--type=merge", f"--patch={patch}")
        kubectl("delete", "namespace", namespace, "--wait=false")
        if not known:
            kubectl("delete", resources, "--wait=false")


def _wait(argo: RealArgo, folder: Path, processes: list["subprocess.Popen[bytes]"]) -> None:
    for _ in range(300):
        assert all(process.poll() is None for process in processes), _logs(folder)
        words = ["get", "secret", "argocd-initial-admin-secret", f"--namespace={argo.namespace}"]
        done = subprocess.run(
            ["kubectl", *words, "--output=go-template={{.data.password | base64decode}}"],
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            try:
                argo.log_in(done.stdout)
            except OSError:
                pass
            else:
                return
        time.sleep(0.5)
    raise AssertionError(_logs(folder))


def _logs(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in folder.glob("*.log"))


def _knows(program: Path, name: str, option: str) -> bool:
    env = {**os.environ, "ARGOCD_BINARY_NAME": name}
    return option in subprocess.run([str(program), "--help"], env=env, capture_output=True, text=True).stdout
