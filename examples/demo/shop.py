"""The systems that the demo changes: a git repository, an AWS API on loopback, a Deployment if a cluster answers."""

import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

__all__ = ["aws_api", "cluster", "git_repository", "make_aws_resources"]

REGION = "eu-central-1"
FILES = {
    "checkout.yaml": """\
# The checkout service, as Argo CD deploys it.
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  replicas: 3   # raised by hand in June
  template:
    spec:
      containers:
        - name: checkout
          resources:
            limits: {cpu: "1", memory: 512Mi}
""",
    "workers.yaml": "group: checkout-workers\ndesired: 2  # instances\n",
    "alerts.yaml": "groups:\n  - name: checkout\n    rules:\n      - alert: CheckoutLatencyHigh\n        for: 5m\n",
    "status.yaml": "last-remediation: none yet\n",
}
THROTTLED = b"""<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type>
<Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>demo</RequestId></ErrorResponse>"""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def git_repository(folder: Path) -> Path:
    """Make a bare repository with the shop's files on the branch `main`."""
    bare, work = folder / "shop.git", folder / "work"
    who = ["-c", "user.name=Shop", "-c", "user.email=shop@example.com"]
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(work)], check=True)
    for name, text in FILES.items():
        (work / name).write_text(text)
    for command in (
        ["add", "."],
        [*who, "commit", "--quiet", "-m", "The shop"],
        ["push", "--quiet", str(bare), "main"],
    ):
        subprocess.run(["git", "-C", str(work), *command], check=True)
    shutil.rmtree(work)
    return bare


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing, so that the demo's output stays readable."""


def _describe_instance_refreshes(_self: Any) -> ActionResult:
    """Answer that there was none. moto does not know this question, and says so by a traceback on standard error."""
    return ActionResult({"InstanceRefreshes": []})


class _ThrottleOnce:
    """A WSGI app that answers the first SetDesiredCapacity with Throttling."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._armed = True

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if self._armed and b"Action=SetDesiredCapacity" in body:
            self._armed = False
            start_response("400 Bad Request", [("Content-Type", "text/xml")])
            return [THROTTLED]
        return self._app(environ, start_response)


@contextmanager
def aws_api(folder: Path) -> Iterator[str]:
    """Run moto's server on loopback; write the Secret with its address and credentials to `folder`."""
    os.environ.setdefault("MOTO_ALLOW_NONEXISTENT_REGION", "true")
    setattr(AutoScalingResponse, "describe_instance_refreshes", _describe_instance_refreshes)  # noqa: B010 – mypy
    app = _ThrottleOnce(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    folder.mkdir()
    (folder / "config").write_text(f"[default]\nregion = {REGION}\nendpoint_url = {url}\n")
    (folder / "credentials").write_text("[default]\naws_access_key_id = demo\naws_secret_access_key = demo-secret\n")
    try:
        yield url
    finally:
        server.shutdown()


def make_aws_resources(url: str) -> str:
    """Make an Auto Scaling group of two and one more instance, and return that instance's id."""
    session = boto3.Session("demo", "demo-secret", region_name=REGION)
    ec2, scaling = (session.client(name, endpoint_url=url) for name in ("ec2", "autoscaling"))
    image = ec2.register_image(Name="worker")["ImageId"]
    scaling.create_launch_configuration(LaunchConfigurationName="worker", ImageId=image, InstanceType="t3.small")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="checkout-workers",
        LaunchConfigurationName="worker",
        MinSize=1,
        MaxSize=8,
        DesiredCapacity=2,
        AvailabilityZones=[f"{REGION}a"],
    )
    made = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)
    return str(made["Instances"][0]["InstanceId"])


@contextmanager
def cluster(namespace: str) -> Iterator[bool]:
    """Make a namespace with a Deployment `checkout`, and delete it at the end; yield False if no cluster answers."""
    kubectl = ["kubectl", "--request-timeout=3s"]
    if shutil.which("kubectl") is None or _silent([*kubectl, "get", "--raw", "/readyz"]) != 0:
        yield False
        return
    if _silent([*kubectl, "create", "namespace", namespace]) != 0:
        yield False
        return
    try:
        made = ["create", "deployment", "checkout", "--image=registry.k8s.io/pause:3.10", "--replicas=2"]
        subprocess.run([*kubectl, f"--namespace={namespace}", *made], check=True, stdout=subprocess.DEVNULL)
        yield True
    finally:
        _silent([*kubectl, "delete", "namespace", namespace, "--wait=false"])


def _silent(argv: list[str]) -> int:
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
