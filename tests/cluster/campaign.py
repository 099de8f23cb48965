"""The fault campaign, `make fault-campaign`: one fault for each row, on a real API server, always with the same end.

    python tests/cluster/campaign.py IMAGE [--only PATTERN] [--restart PROGRAM]

IMAGE is the probe image by digest, in the cluster's nodes. PROGRAM NAME restarts a program of the cluster; without it
the API server is not restarted.
"""

import argparse
import copy
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proxy import running_proxy
from realcluster import (
    ControllerProcess,
    Json,
    api_client,
    controller_kubeconfig,
    get,
    install,
    is_closed,
    kubectl,
    namespace,
    records,
    remove_namespace,
    sh,
    step,
    storage_at,
    until,
    workflow,
)

HERE = Path(__file__).parent
WHERE = f"kubernaut-ctl-campaign-{os.getpid()}"
"""A namespace of this run: that of the one before may still be terminating."""
TARGET = {"kind": "Deployment", "namespace": "shop", "name": "campaign"}


class ControllerCampaign:
    """A namespace, a Data Storage and the options of a controller."""

    def __init__(self, folder: Path, image: str, url: str) -> None:
        self.folder, self.image, self.url = folder, image, url
        self.kubeconfig = controller_kubeconfig(folder)
        self.options = [f"--watch-namespace={WHERE}", "--cooldown=0", f"--data-storage-url={url}"]
        self.number = 0

    def controller(self, *program: str, kubeconfig: Path | None = None) -> ControllerProcess:
        run = {"program": (sys.executable, *program)} if program else {}
        return ControllerProcess(self.options, self.folder / "log", kubeconfig or self.kubeconfig, **run)  # type: ignore[arg-type]

    def create(self) -> str:
        self.number += 1
        name = f"w{self.number}"
        steps = [step("a", self.image), step("b", self.image, runAfter=["a"])]
        kubectl("create", "-f", "-", stdin=workflow(name, WHERE, *steps, target=TARGET))
        return name

    def ended(self, name: str, seconds: float = 150) -> Json:
        document: Json = until(
            f"the end of {name}", lambda: is_closed(found := get("wfe", name, WHERE)) and found, seconds
        )
        return document

    def outcome(self, name: str) -> Json:
        """Return the part of status and records that no fault may change: no names, ids and times."""
        document = copy.deepcopy(self.ended(name))
        status = document["status"]
        kept = records(self.url, name)
        runs = kubectl(
            "get", "pipelineruns", f"--namespace={WHERE}", f"--selector=kubernaut.io/workflow={name}", "-o", "name"
        )
        return {
            "phase": status["phase"],
            "message": status["message"],
            "progress": status["progress"],
            "steps": [(row["name"], row["state"], row["changed"], row["output"]["size"]) for row in status["steps"]],
            "conditions": sorted((item["type"], item["status"], item["reason"]) for item in status["conditions"]),
            "ids": [row["recordId"] for row in status["steps"]] == [kept[row["name"]]["id"] for row in status["steps"]],
            "records": {name: (record["state"], "intended_at" in record) for name, record in kept.items()},
            "pipelineRuns": len(runs.split()),
            "locked": "Deployment shop/campaign"
            in kubectl("get", "leases", "--namespace=kubernaut-system", "-o", "json"),
        }


def rows(  # noqa: C901, PLR0915 – one fault after the other
    campaign: ControllerCampaign, restart: str | None
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield each fault, with a function that causes it and returns the name of the workflow that it affected."""
    with campaign.controller():
        undisturbed = campaign.outcome(campaign.create())
    assert undisturbed["phase"] == "Succeeded", undisturbed
    assert undisturbed["pipelineRuns"] == 1
    yield "undisturbed", lambda: same(campaign, undisturbed, campaign_run(campaign))

    def dies(after: int) -> str:
        with campaign.controller(str(HERE / "dying_controller.py"), str(after)) as first:
            name = campaign.create()
            deadline = time.monotonic() + 60
            while first.process is not None and first.process.poll() is None and time.monotonic() < deadline:
                if is_closed(get("wfe", name, WHERE)):
                    return "no such write"
                time.sleep(0.2)
        with campaign.controller():
            return same(campaign, undisturbed, name)

    for after in range(1, 21):
        yield f"killed (-9) after write {after}", lambda after=after: dies(after)  # type: ignore[misc]

    def two() -> str:
        with campaign.controller(), campaign.controller():
            time.sleep(3)
            names = [campaign.create() for _ in range(4)]
            for name in names:  # one after the other: they want the same target
                campaign.ended(name)
            return worst(same(campaign, undisturbed, name) for name in names)

    yield "two controllers at once", two

    def through(fault: Callable[[object], None]) -> str:
        with (
            running_proxy(campaign.kubeconfig, campaign.folder) as (proxy, kubeconfig),
            campaign.controller(kubeconfig=kubeconfig),
        ):
            time.sleep(3)
            name = campaign.create()
            until("its PipelineRun", lambda: (get("wfe", name, WHERE) or {}).get("status", {}).get("pipelineRunRef"))
            fault(proxy)
            return same(campaign, undisturbed, name)

    def set_fault(**values: object) -> Callable[[object], None]:
        def make(proxy: object) -> None:
            for key, value in values.items():
                setattr(proxy.faults, key, value)  # type: ignore[attr-defined]
            proxy.cut()  # type: ignore[attr-defined]

        return make

    yield "watches cut", lambda: through(set_fault())
    yield "watches answered 410, ten times", lambda: through(set_fault(gone=10))
    yield "409 on status, five times", lambda: through(set_fault(conflict=5))
    yield "429 with Retry-After, five times", lambda: through(set_fault(busy=5))
    yield "token refused, once each by two clients", lambda: through(set_fault(unknown=2))

    def stalled() -> str:
        with (
            running_proxy(campaign.kubeconfig, campaign.folder) as (proxy, kubeconfig),
            campaign.controller(kubeconfig=kubeconfig),
        ):
            time.sleep(3)
            name = campaign.create()
            until("its PipelineRun", lambda: (get("wfe", name, WHERE) or {}).get("status", {}).get("pipelineRunRef"))
            proxy.faults.stall = True
            time.sleep(100)  # longer than any watch is believed without a byte
            proxy.faults.stall = False
            return same(campaign, undisturbed, name)

    yield "watches stalled for 100 s", stalled
    if restart:

        def api_server() -> str:
            with campaign.controller():
                time.sleep(3)
                name = campaign.create()
                until(
                    "its PipelineRun", lambda: (get("wfe", name, WHERE) or {}).get("status", {}).get("pipelineRunRef")
                )
                sh(restart, "kube-apiserver")
                until("the API server", lambda: "ok" in kubectl("get", "--raw=/readyz", check=False))
                return same(campaign, undisturbed, name)

        yield "API server restarted", api_server
    yield "1,000 at once, PipelineRuns held pending", lambda: thousand(campaign)


def campaign_run(campaign: ControllerCampaign) -> str:
    with campaign.controller():
        name = campaign.create()
        campaign.ended(name)
        return name


def same(campaign: ControllerCampaign, undisturbed: Json, name: str) -> str:
    found = campaign.outcome(name)
    differs = [key for key in undisturbed if found[key] != undisturbed[key]]
    return "same end" if not differs else "; ".join(f"{key}: {found[key]}, not {undisturbed[key]}" for key in differs)


def worst(results: Iterator[str]) -> str:
    found = list(results)
    return next((result for result in found if result != "same end"), f"same end, {len(found)} times")


def thousand(campaign: ControllerCampaign, count: int = 1000) -> str:
    where = f"{WHERE}-many"
    namespace(where, storage=campaign.url)
    options = [f"--watch-namespace={where}", f"--data-storage-url={campaign.url}"]
    controller = ControllerProcess(
        options, campaign.folder / "log", campaign.kubeconfig, (sys.executable, str(HERE / "pending_controller.py"))
    )
    paths = [
        f"/apis/kubernaut.io/v1alpha1/namespaces/{where}/workflowexecutions",
        f"/apis/tekton.dev/v1/namespaces/{where}/pipelineruns",
    ]
    try:
        with controller, api_client() as api:
            start = time.monotonic()
            for number in range(count):
                api.post(paths[0], json=workflow(f"m{number}", where, step("a", campaign.image))).raise_for_status()

            def right() -> bool:
                items = api.get(paths[0]).json()["items"]
                good = sum(
                    item.get("status", {}).get("phase") == "Pending" and "pipelineRunRef" in item["status"]
                    for item in items
                )
                return bool(good == count)

            until("a thousand right statuses", right, 240)
            seconds = time.monotonic() - start
            runs = [item["metadata"]["ownerReferences"][0]["uid"] for item in api.get(paths[1]).json()["items"]]
            assert len(runs) == len(set(runs)) == count, (len(runs), len(set(runs)))
            return f"same end: {count} PipelineRuns, one a workflow, {count} right statuses in {seconds:.0f} s"
    finally:
        with api_client() as api:  # there is no controller any more to let them go
            merge = {"content-type": "application/merge-patch+json"}
            for number in range(count):
                api.patch(f"{paths[0]}/m{number}", json={"metadata": {"finalizers": []}}, headers=merge)
        kubectl("delete", "namespace", where, "--wait=false")


@contextmanager
def prepared(image: str) -> Iterator[ControllerCampaign]:
    with tempfile.TemporaryDirectory() as name, storage_at(Path(name) / "data") as url:
        install()
        namespace(WHERE, storage=url)
        campaign = ControllerCampaign(Path(name), image, url)
        try:
            yield campaign
        finally:
            with campaign.controller():  # somebody has to let them go
                kubectl("delete", "wfe", "--all", f"--namespace={WHERE}", "--timeout=120s", check=False)
            remove_namespace(WHERE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--only", default="", help="run the rows whose name this pattern finds")
    parser.add_argument("--restart", help="a program that restarts the cluster's programs by name")
    given = parser.parse_args()
    bad, done = 0, False
    with prepared(given.image) as campaign:
        for name, fault in rows(campaign, given.restart):
            if not re.search(given.only, name) or (done and name.startswith("killed")):
                continue
            start = time.monotonic()
            try:
                result = fault()
            except Exception as error:
                result = f"{type(error).__name__}: {error}"
            bad += not result.startswith(("same end", "no such write"))
            print(f"{name:42} {time.monotonic() - start:6.1f} s  {result}", flush=True)
            done |= result == "no such write"
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
