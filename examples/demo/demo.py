"""`make demo`: a remediation that is planned, run, recorded and judged, without a cluster, Docker or a server.

All its files are in build/demo, made anew each time. If a kubeconfig answers, one step scales a Deployment in the
namespace `kubernaut-demo`, which the demo creates and deletes; `--no-cluster` leaves the cluster alone. `--folder=DIR`
puts its files elsewhere.
"""

import json
import os
import shutil
import string
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from shop import aws_api, cluster, git_repository, make_aws_resources
from simulated import fill

from kubernaut_datastorage import embedded
from kubernaut_effectiveness.demodata import TRUTHS

HERE = Path(__file__).parent
FOLDER = Path(
    next(
        (word.partition("=")[2] for word in sys.argv if word.startswith("--folder=")),
        HERE.parents[1] / "build" / "demo",
    )
)
DATA = FOLDER / "data"
KUBERNAUT = str(Path(sys.executable).parent / "kubernaut")
NAMESPACE = "kubernaut-demo"
DIGEST = "sha256:" + "0" * 64
"""A placeholder: local processes run the installed packages, and images get a digest when they are published."""

CLUSTER_STEP = """
    - name: canary
      actionType: kubernetes/scale_deployment
      image: ghcr.io/kubernaut/actions/kubectl@{digest}
      inputs: {{namespace: {namespace}, deployment: checkout, replicas: 0, allow_zero: true}}
      runAfter: [replicas]
      timeout: 1m
"""


def main() -> None:
    """Make the shop, send an alert, and let Kubernaut remediate."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    repository = git_repository(FOLDER)
    with aws_api(FOLDER / "aws") as url, _cluster() as cluster_answers:
        workflow = FOLDER / "workflow.yaml"
        workflow.write_text(_workflow(make_aws_resources(url), repository, cluster=cluster_answers))
        if not cluster_answers:
            say("No cluster is used here, so the workflow has no Kubernetes step.")
        _signal("firing")

        heading("1. The plan: what would change")
        kubernaut("run", workflow, "--dry-run", f"--secret=aws={FOLDER / 'aws'}")
        heading("2. The run: three steps side by side; AWS throttles one of them once, and it is tried again")
        code = kubernaut("run", workflow, f"--secret=aws={FOLDER / 'aws'}")
        heading("   What it did to the repository")
        show("git", "-C", str(repository), "log", "--format=%h %s", "main")
        show("git", "-C", str(repository), "diff", "--unified=0", "main~2", "main", "--", "checkout.yaml")
        _signal("resolved")
        heading("3. The history: every step has its record")
        kubernaut("history", "--since=1h")
        heading("4. The verdict: did it help? Nobody heard the monitoring, so there is no rate")
        kubernaut("effectiveness")
    heading("5. The same question of 90 days, simulated (nothing of it happened), whose truth is known")
    _simulated()
    heading("What to try next")
    relative = str(FOLDER).removeprefix(f"{HERE.parents[1]}/")
    say(
        f"""\
  {relative}/workflow.yaml is the workflow; change it, and ask what is wrong with it:
    .venv/bin/kubernaut validate {relative}/workflow.yaml
  See the PipelineRun that Tekton would get:
    .venv/bin/kubernaut render {relative}/workflow.yaml
  Ask the history again, as JSON or CSV:
    .venv/bin/kubernaut history git/update_file --data {relative}/data -o csv
  Take one of its commits back, by the id that the history shows (the AWS of this demo has ended with it):
    .venv/bin/kubernaut undo ID --data {relative}/data
  See the simulated fleet on pages, at http://127.0.0.1:8090/, as in docs/pictures/is-it-helping.png (Ctrl-C ends it):
    .venv/bin/kubernaut monitor --data {relative}/fleet
  Write an action of your own: README.md shows one in 25 lines."""
    )
    sys.exit(code)


def _simulated() -> None:
    """Store a simulated fleet, and judge it."""
    fleet = fill(FOLDER / "fleet", datetime.now(UTC))
    say(f"{len(fleet.events)} simulated records. What is true of them:")
    for action, truth in TRUTHS.items():
        say(f"  {action} {truth}")
    say("")
    kubernaut("effectiveness", data=FOLDER / "fleet")


def _cluster() -> Any:
    if "--no-cluster" in sys.argv:
        from contextlib import nullcontext  # noqa: PLC0415

        return nullcontext(False)
    return cluster(NAMESPACE)


def _workflow(instance: str, repository: Path, *, cluster: bool) -> str:
    text = (HERE / "workflow.yaml").read_text()
    return string.Template(text).substitute(
        instance=instance,
        repository=repository,
        aws_image=f"ghcr.io/kubernaut/actions/aws-cli@{DIGEST}",
        git_image=f"ghcr.io/kubernaut/actions/argocd@{DIGEST}",
        cluster_step=CLUSTER_STEP.format(digest=DIGEST, namespace=NAMESPACE).strip("\n") if cluster else "",
    )


def _signal(status: str) -> None:
    """Send an alert to Data Storage, in Alertmanager's webhook format."""
    now = datetime.now(UTC).isoformat()
    started = FOLDER / "fired-at"
    if status == "firing":
        started.write_text(now)
    alert = {
        "status": status,
        "labels": {"alertname": "CheckoutLatencyHigh", "severity": "critical"},
        "annotations": {},
        "startsAt": started.read_text(),
        "endsAt": now if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "7f3a5c1e9b2d4680",
    }
    payload = {"version": "4", "groupKey": "{}", "status": status, "receiver": "kubernaut", "alerts": [alert]}
    with embedded(DATA) as service:
        httpx.post(f"{service.url}/api/v1/signals", content=json.dumps(payload), trust_env=False).raise_for_status()


def kubernaut(*args: object, data: Path = DATA) -> int:
    """Print a kubernaut command, run it, and return its exit code."""
    argv = [KUBERNAUT, *map(str, args), f"--data={data}"]
    shown = " ".join(argument.replace(f"{HERE.parents[1]}/", "") for argument in argv[1:])
    say(f"$ kubernaut {shown}")
    return subprocess.run(argv, check=False, env=os.environ).returncode


def show(*argv: str) -> None:
    """Run a command and show its output."""
    subprocess.run(argv, check=False, env=os.environ | {"GIT_PAGER": "cat"})


def heading(text: str) -> None:
    """Print a heading."""
    say(f"\n{text}\n")


def say(text: str) -> None:
    """Print a text without buffering."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
