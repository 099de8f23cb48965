"""Fixtures of several parts' tests: an action image's program as a real process."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from loopback import free_port

from kubernaut_conformance.loopback_server import unreachable_address
from kubernaut_datastorage import embedded
from kubernaut_sdk.ids import mint
from kubernaut_sdk.times import rfc3339, utcnow

# on a busy machine an example may take any time, which says nothing of the code; 0.2 s failed tests at random
settings.register_profile("kubernaut", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("kubernaut")

ROOT = Path(__file__).parents[1]
PROBES = Path(__file__).parent / "probe_actions.py"
BASE = "kubernaut-test/base:bookworm"
PREFIX = f"localhost/kubernaut-{sha256(str(ROOT).encode()).hexdigest()[:8]}"
"""The prefix of this checkout's images: one Docker engine may serve several checkouts."""
PARTS = ("argocd", "aws-cli", "kubectl")
ZEROS = "0" * 64
HTPASSWD = "publisher:$2b$04$OWzSjTFR/3FpkZomNwdmTOJE19FOIhmQt4vOUpN9rKiWvNipzwtiC"


@dataclass(frozen=True)
class Ended:
    """An action's process that has ended."""

    code: int
    stdout: str
    stderr: str
    results: dict[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object of standard output."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def marked(self) -> list[dict[str, Any]]:
        """The events that were written to the log because they could not be sent."""
        lines = [json.loads(line) for line in self.stderr.splitlines() if line.startswith('{"kubernaut_record"')]
        return [line["kubernaut_record"] for line in lines]


class ActionProcess:
    """Starts `kubernaut-action` as a container would, with results, secrets and spool in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.spool = folder / "spool"
        self.secrets = folder / "secrets"
        for path in (self.secrets, folder / "home"):
            path.mkdir()

    def start(self, *args: str, **env: str) -> "subprocess.Popen[str]":
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "ACTION_MODULES": str(PROBES),
            "RESULTS_DIR": str(self.results),
            "SECRETS_DIR": str(self.secrets),
            "WORKSPACE_PATH": str(self.folder),
            "DATA_STORAGE_SPOOL": str(self.spool),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "kubernaut_sdk", *args],
            env={**base, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, process: "subprocess.Popen[str]") -> Ended:
        try:
            stdout, stderr = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Ended(process.returncode, stdout, stderr, self.read_results())

    def run(self, *args: str, **env: str) -> Ended:
        return self.ended(self.start(*args, **env))

    def read_results(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.results.iterdir()} if self.results.is_dir() else {}

    def kept(self) -> list[dict[str, Any]]:
        """The events in the spool, oldest first."""
        events = [json.loads(path.read_text()) for path in self.spool.rglob("*.json")]
        return sorted(events, key=lambda event: event["at"])


@pytest.fixture
def action(tmp_path: Path) -> ActionProcess:
    folder = tmp_path / "action"
    folder.mkdir()
    return ActionProcess(folder)


@pytest.fixture
def closed_port() -> Iterator[str]:
    """The address of a server that is not there: the port stays bound for the test, and nobody listens."""
    with unreachable_address() as address:
        yield address


@pytest.fixture
def step() -> Callable[..., dict[str, Any]]:
    """A step of a workflow, of the probe action unless said otherwise."""

    def make(name: str, **fields: Any) -> dict[str, Any]:
        return {
            "name": name,
            "actionType": "probe/write_text",
            "image": f"ghcr.io/kubernaut/actions/probe@sha256:{ZEROS}",
            "inputs": {"path": f"/nowhere/{name}", "text": name},
            **fields,
        }

    return make


@pytest.fixture
def workflow() -> Callable[..., str]:
    """A workflow file's text of these steps."""

    def make(*steps: dict[str, Any], name: str = "probe", **spec: Any) -> str:
        return json.dumps(
            {
                "apiVersion": "kubernaut.io/v1alpha1",
                "kind": "WorkflowExecution",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {"steps": list(steps), **spec},
            }
        )

    return make


@pytest.fixture
def service(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a Data Storage Service of this test's own."""
    with embedded(tmp_path / "data") as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        yield client


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """An event that the service takes."""

    def make(**fields: Any) -> dict[str, Any]:
        return {"id": str(mint()), "state": "succeeded", "at": rfc3339(utcnow()), "action_type": "a/b_c", **fields}

    return make


def sh(*argv: str) -> str:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr[-2000:] or done.stdout[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def once(testrun_uid: str) -> Callable[[str, Callable[[], None]], None]:
    """Does a piece of work once a test run, whichever worker comes first; the others wait for its end."""

    def do(name: str, work: Callable[[], None]) -> None:
        (ROOT / "build").mkdir(exist_ok=True)
        with (ROOT / "build" / f".{name}").open("a+") as marker:
            fcntl.flock(marker, fcntl.LOCK_EX)
            marker.seek(0)
            if marker.read() != testrun_uid:
                work()
                marker.truncate(0)
                marker.write(testrun_uid)

    return do


@pytest.fixture(scope="session")
def base(once: Callable[[str, Callable[[], None]], None]) -> str:
    """A base for action images in the Docker engine, and build/wheels filled for its Python."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        pytest.skip("no Docker engine answers: `docker info` failed")
    made = subprocess.run([str(ROOT / "tests" / "e2e" / "base-image"), "--check", BASE], capture_output=True, text=True)
    if made.returncode == 3:
        pytest.skip(made.stderr.strip())

    def make() -> None:
        sh(str(ROOT / "tests" / "e2e" / "base-image"), BASE)
        sh("make", "wheels", f"IMAGE_PYTHON={python_of(BASE)}")

    once("base", make)
    return BASE


@pytest.fixture(scope="session")
def images(base: str, once: Callable[[str, Callable[[], None]], None]) -> dict[str, str]:
    """Part → image in the Docker engine, built from this tree by the Dockerfiles."""
    if (kubectl := shutil.which("kubectl")) is None:
        pytest.skip("no kubectl is here to put into the kubectl image")

    def make() -> None:
        context = ROOT / "build" / "kubectl"
        context.mkdir(parents=True, exist_ok=True)
        shutil.copy(kubectl, context / "kubectl")
        (context / "Dockerfile").write_text("FROM scratch\nCOPY kubectl /kubectl\n")
        sh("docker", "build", "--quiet", "--tag", "kubernaut-test/kubectl:1", str(context))
        ours = [f"BASE_IMAGE={base}", f"IMAGE_PREFIX={PREFIX}"]
        tool = ["TOOL_IMAGE=kubernaut-test/kubectl:1", "TOOL_PATH=/kubectl"]
        for part in PARTS:
            sh("make", f"image-{part}", *ours, *(tool if part == "kubectl" else []))

    once("images", make)
    return {part: f"{PREFIX}/{part}:dev" for part in PARTS}


@pytest.fixture(scope="session")
def storage_image(base: str, once: Callable[[str, Callable[[], None]], None]) -> str:
    """The Data Storage image, built from this tree by its Dockerfile."""
    return service_image("data-storage", "storage", base, once)


@pytest.fixture(scope="session")
def controller_image(base: str, once: Callable[[str, Callable[[], None]], None]) -> str:
    """The controller's image, built from this tree by its Dockerfile."""
    return service_image("controller", "controller", base, once)


def service_image(part: str, wheels: str, base: str, once: Callable[[str, Callable[[], None]], None]) -> str:
    """Build a service's image with its wheels of the base's Python, and return its name."""
    name = f"{PREFIX}/{part}:dev"

    def make() -> None:
        sh("make", f"{wheels}-wheels", f"IMAGE_PYTHON={python_of(base)}")
        sh("make", f"image-{part}", f"BASE_IMAGE={base}", f"{wheels.upper()}_IMAGE={name}")

    once(f"{part}-image", make)
    return name


def python_of(image: str) -> str:
    """Return the version of an image's Python, such as 3.13."""
    program = "import sys; print(*sys.version_info[:2], sep='.')"
    return sh("docker", "run", "--rm", "--network=none", image, "python3", "-c", program).strip()


def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@contextmanager
def registry(folder: Path, *, closed: bool = False, auth: dict[str, Any] | None = None) -> Iterator[str]:
    """A registry of this test's own; a closed one wants a password, one with `auth` what that says."""
    if (program := shutil.which("docker-registry")) is None:
        pytest.skip("no docker-registry is installed (Debian: apt-get install docker-registry)")
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    (folder / "htpasswd").write_text(HTPASSWD + "\n")
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": address},
        **({"auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}} if closed else {}),
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        while not listens(address):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.02)
        yield address
    finally:
        process.terminate()
        process.wait()


class SpanCollector(ThreadingHTTPServer):
    """An OTLP endpoint (protobuf over HTTP) that keeps the spans."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SpanCollectorHandler)
        self.spans: list[Any] = []
        self.services: set[str] = set()

    @property
    def url(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def parents(self) -> dict[str, str | None]:
        """Return the name of each span's parent by the span's name; a foreign parent's id as hexadecimal digits."""
        names = {span.span_id: span.name for span in self.spans}
        return {span.name: names.get(span.parent_span_id, span.parent_span_id.hex()) or None for span in self.spans}


class _SpanCollectorHandler(BaseHTTPRequestHandler):
    server: SpanCollector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for resource in request.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.server.services.add(attributes["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[SpanCollector]:
    """An endpoint for spans."""
    with SpanCollector() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
