"""The controller's figures, each beside its floor taken in the same run: `make bench-controller`.

    python tests/benchmarks/bench_controller.py IMAGE [--resident 10000] [--only WORD]

IMAGE is the probe image by digest, in the nodes of the kubeconfig's cluster. The floor is `minimal_operator.py`. For
the first figures PipelineRuns are held pending, so that nothing but controllers is measured.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

CLUSTER = Path(__file__).parents[1] / "cluster"
sys.path.insert(0, str(CLUSTER))

from realcluster import (  # noqa: E402 – its folder is on the path only now
    ControllerProcess,
    api_client,
    controller_kubeconfig,
    install,
    kubectl,
    namespace,
    step,
    storage_at,
    workflow,
)

WORKFLOWS = "/apis/kubernaut.io/v1alpha1/namespaces/{}/workflowexecutions"
RUNS = "/apis/tekton.dev/v1/namespaces/{}/pipelineruns"
TASK_RUNS = "/apis/tekton.dev/v1/namespaces/{}/taskruns"
ZEROS = "probe@sha256:" + "0" * 64
RUN = os.getpid()
"""Within the names of namespaces, so that what an earlier run left harms none."""


class PipelineRunWatch:
    """The time of the first event of each object, by a watch with a client of its own.

    It has a client of its own because httpcore counts a connection that streams as one to be kept alive, and closes it
    when others come (encode/httpcore#1110).
    """

    def __init__(self, path: str, name_of: Callable[[Any], str], kinds: tuple[str, ...] = ("ADDED",)) -> None:
        self.times: dict[str, float] = {}
        self._path, self._name_of, self._kinds = path, name_of, kinds
        self._api = api_client()
        version = self._api.get(path).json()["metadata"]["resourceVersion"]
        self._thread = threading.Thread(target=self._watch, args=(version,), daemon=True)
        self._open, self._closed = threading.Event(), threading.Event()
        self._thread.start()

    def __enter__(self) -> "PipelineRunWatch":
        assert self._open.wait(30), f"no watch of {self._path} in 30 s"
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(30)
        self._api.close()  # only now: a socket closed under its reader's hands is the next one's to be opened

    def _watch(self, version: str) -> None:
        while not self._closed.is_set():
            query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "600"}
            # a watch that has nothing to say for a second, or whose reader was slow, goes on where it was
            with (
                suppress(httpx.HTTPError),
                self._api.stream("GET", self._path, params=query, timeout=httpx.Timeout(30, read=1)) as answer,
            ):
                self._open.set()
                for line in answer.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return  # too old to go on with; whoever waits is told what came
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in self._kinds:
                        self.times.setdefault(self._name_of(event["object"]), time.perf_counter())
                    if self._closed.is_set():
                        return

    def wait(self, count: int, seconds: float = 120) -> int:
        """Return how many objects came, after all came or the time was over."""
        deadline = time.monotonic() + seconds
        while len(self.times) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        return len(self.times)


def workflow_name(run: Any) -> str:
    return str(run["metadata"].get("labels", {}).get("kubernaut.io/workflow"))


class Bench:
    """The two controllers, each in a namespace of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.kubeconfig = controller_kubeconfig(folder)
        self.admin = folder / "admin.kubeconfig"
        self.admin.write_text(kubectl("config", "view", "--raw", "--flatten", "--minify"))

    @contextmanager
    def floor(self, where: str) -> Iterator[ControllerProcess]:
        program = (sys.executable, str(Path(__file__).parent / "minimal_operator.py"))
        controller = ControllerProcess([], self.folder / "floor.log", self.admin, program)
        controller.options = [where]
        with _plain(controller) as running:
            time.sleep(4)
            yield running

    @contextmanager
    def ours(self, where: str, *, held: bool = True, port: int = 0) -> Iterator[ControllerProcess]:
        program = (
            (sys.executable, str(CLUSTER / "pending_controller.py"))
            if held
            else (sys.executable, "-m", "kubernaut_controller.operator")
        )
        options = [f"--watch-namespace={where}", f"--data-storage-url={self.url}", f"--port={port}"]
        with ControllerProcess(options, self.folder / "ours.log", self.kubeconfig, program) as running:
            time.sleep(4)
            yield running


@contextmanager
def _plain(controller: ControllerProcess) -> Iterator[ControllerProcess]:
    """A program that takes no --port."""
    import subprocess

    with controller.log.open("ab") as log:
        env = {**os.environ, "KUBECONFIG": str(controller.kubeconfig)}
        process = subprocess.Popen([*controller.program, *controller.options], env=env, stdout=log, stderr=log)
    controller.process = process
    try:
        yield controller
    finally:
        process.terminate()
        process.wait(timeout=20)


def paced(api: httpx.Client, where: str, prefix: str, count: int, rate: float) -> list[float]:
    """Milliseconds from a workflow's creation, as its creator sees it, to its PipelineRun, as a watch sees it.

    The first is waited for before the others are made: it shows that the controller is there, and has its start in it.
    """
    with PipelineRunWatch(RUNS.format(where), workflow_name) as seen:
        made: dict[str, float] = {}
        start = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            name = f"{prefix}{number}"
            api.post(WORKFLOWS.format(where), json=workflow(name, where, step("a", ZEROS))).raise_for_status()
            made[name] = time.perf_counter()
            if number == 0:
                assert seen.wait(1), f"no PipelineRun came in {where}"
                start = time.perf_counter() - 1 / rate
        if (came := seen.wait(count)) < count:
            print(f"  in {where}: {came} of {count} came in 120 s; the others are missing below")
    return [(seen.times[name] - made[name]) * 1000 for name in made if name in seen.times]


def burst(api: httpx.Client, where: str, prefix: str, count: int, controller: ControllerProcess) -> float:
    """PipelineRuns a second, from the moment that a stopped controller goes on and hears of all the workflows."""

    def create(number: int) -> None:
        document = workflow(f"{prefix}{number}", where, step("a", ZEROS))
        api.post(WORKFLOWS.format(where), json=document).raise_for_status()

    process = controller.process
    assert process is not None
    with PipelineRunWatch(RUNS.format(where), workflow_name) as seen:
        process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(create, range(count)))
            start = time.perf_counter()
        finally:
            process.send_signal(signal.SIGCONT)
        if (came := seen.wait(count)) < count:
            print(f"  in {where}: {came} of {count} came in 120 s; the rate is that of those")
    return came / (max(seen.times.values(), default=start + 120) - start)


def latency(bench: Bench, api: httpx.Client, rounds: int = 2, count: int = 60) -> None:
    """Created → PipelineRun, at 10 a second; and a burst of 400."""
    runs = {"the minimal operator": bench.floor, "the controller": bench.ours}
    times: dict[str, list[float]] = {name: [] for name in runs}
    firsts: dict[str, list[float]] = {name: [] for name in runs}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            where = f"bench-ctl-{'floor' if run == bench.floor else 'ours'}-{number}-{RUN}"
            namespace(where)
            try:
                with run(where) as controller:
                    first, *rest = paced(api, where, "p", count, 10)
                    firsts[name].append(first)
                    times[name] += rest
                    print(
                        f"  round {number + 1}, {name}: p50 {statistics.median(rest):.1f} ms, the first {first:.1f} ms"
                    )
                    rates[name].append(burst(api, where, "b", 400, controller))
                    started = api.get(TASK_RUNS.format(where)).json()["items"]
                    assert not started, f"{len(started)} TaskRuns ran beside what was measured: {name} held none back"
                    print(f"  round {number + 1}, {name}: {rates[name][-1]:.1f} PipelineRuns a second of a burst")
            finally:
                drop(api, where)
    print("\nCreated → PipelineRun exists, at 10 a second\n  target: p50 ≤ 1.5 × the floor, p99 ≤ 50 ms")
    floor = statistics.median(times["the minimal operator"])
    for name, found in times.items():
        middle, late = statistics.median(found), statistics.quantiles(found, n=100)[98]
        print(f"  {name:38} p50 {middle:6.1f} ms   p99 {late:6.1f} ms   {middle / floor:5.2f} × the floor")
        print(f"  {'  the first, with the end of its start':38} {', '.join(f'{one:.1f}' for one in firsts[name])} ms")
    print("\nA burst of 400, all there when the controller goes on\n  target: ≥ 0.9 × the floor's rate")
    floor = max(rates["the minimal operator"])
    for name, best in ((name, max(found)) for name, found in rates.items()):
        print(f"  {name:38} {best:6.1f} PipelineRuns a second   {best / floor:5.2f} × the floor")


def drop(api: httpx.Client, where: str) -> None:
    """Takes a namespace away whose controller is gone; what is measured next shall not share the cores with that."""
    merge = {"content-type": "application/merge-patch+json"}
    for item in api.get(WORKFLOWS.format(where)).json()["items"]:
        if item["metadata"].get("finalizers"):
            path = f"{WORKFLOWS.format(where)}/{item['metadata']['name']}"
            api.patch(path, json={"metadata": {"finalizers": []}}, headers=merge)
    kubectl("delete", "namespace", where, "--timeout=300s")


def diamond(bench: Bench, api: httpx.Client, image: str, rounds: int = 3) -> None:
    """A diamond of four steps, by a WorkflowExecution and by its own PipelineRun made by hand."""
    where = f"bench-ctl-diamond-{RUN}"
    namespace(where, storage=bench.url)
    steps = [
        step("top", image),
        step("left", image, runAfter=["top"]),
        step("right", image, runAfter=["top"]),
        step("bottom", image, runAfter=["left", "right"]),
    ]
    times: dict[str, list[float]] = {"a PipelineRun by hand": [], "a WorkflowExecution": []}

    def until_over(path: str, over: Callable[[Any], bool]) -> float:
        while True:
            if over(api.get(path).json()):
                return time.perf_counter()
            time.sleep(0.02)

    def done(run: Any) -> bool:
        return any(item["status"] in {"True", "False"} for item in run.get("status", {}).get("conditions", []))

    def phase_is_last(document: Any) -> bool:
        return document.get("status", {}).get("phase") in {"Succeeded", "Failed"}

    with bench.ours(where, held=False):
        for number in range(rounds + 1):
            start = time.perf_counter()
            document = workflow(f"d{number}", where, *steps)
            api.post(WORKFLOWS.format(where), json=document).raise_for_status()
            whole = until_over(f"{WORKFLOWS.format(where)}/d{number}", phase_is_last) - start
            [run] = [
                item for item in api.get(RUNS.format(where)).json()["items"] if workflow_name(item) == f"d{number}"
            ]
            by_hand = {**run, "metadata": {"name": f"hand{number}"}, "status": None}
            start = time.perf_counter()
            api.post(RUNS.format(where), json=by_hand).raise_for_status()
            hand = until_over(f"{RUNS.format(where)}/hand{number}", done) - start
            if number:
                times["a WorkflowExecution"].append(whole)
                times["a PipelineRun by hand"].append(hand)
            print(
                f"  round {number}: {whole:.2f} s, by hand {hand:.2f} s{'' if number else ' (left out: it warms up)'}"
            )
        print("\nA diamond of four steps, end to end\n  target: ≤ 1.05 × the same PipelineRun created by hand")
        floor = statistics.median(times["a PipelineRun by hand"])
        for name, found in times.items():
            middle = statistics.median(found)
            print(f"  {name:38} {middle:6.2f} s (best {min(found):.2f})   {middle / floor:5.2f} × the floor")
        kubectl("delete", "wfe", "--all", f"--namespace={where}", "--timeout=60s")
    kubectl("delete", "namespace", where, "--wait=false")


def intermediate(bench: Bench, api: httpx.Client, count: int = 60) -> None:
    """Measure the cost of a resource with its own controller between the workflow and each TaskRun."""
    where = f"bench-ctl-layer-{RUN}"
    namespace(where)
    path = f"/api/v1/namespaces/{where}/configmaps"
    times: list[float] = []
    with bench.floor(where), PipelineRunWatch(path, lambda item: str(item["metadata"]["name"]), ("MODIFIED",)) as seen:
        for number in range(count):
            metadata = {"name": f"i{number}", "labels": {"kubernaut.io/intermediate": "yes"}}
            start = time.perf_counter()
            api.post(path, json={"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).raise_for_status()
            if seen.wait(number + 1, 30) <= number:
                print(f"  number {number} did not come in 30 s; what came before is told")
                break
            times.append((seen.times[f"i{number}"] - start) * 1000)
    first, *rest = times
    print("\nWhat a step saves: no resource of its own between the workflow and its TaskRun")
    print("  emulated: created, heard of by its controller, its status written, heard of by the workflow's")
    late = statistics.quantiles(rest, n=100)[98]
    print(
        f"  {'saved a step':38} p50 {statistics.median(rest):6.1f} ms   p99 {late:6.1f} ms   the first {first:.1f} ms"
    )
    kubectl("delete", "namespace", where, "--wait=false")


def resident(bench: Bench, api: httpx.Client, count: int) -> None:
    """Many finished workflows: what they weigh, and how long a restart takes to learn of them."""
    where = f"bench-ctl-resident-{RUN}"
    namespace(where)
    path = WORKFLOWS.format(where)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    row = {
        "state": "succeeded",
        "taskRun": "x" * 40,
        "startedAt": now,
        "finishedAt": now,
        "changed": True,
        "output": {"n": 1},
    }
    steps = [step(name, ZEROS) for name in ("a", "b", "c", "d")]
    conditions = [
        {"type": name, "status": "True", "reason": "Stored", "message": "4 of 4 steps done.", "lastTransitionTime": now}
        for name in ("Accepted", "PipelineRunCreated", "Succeeded", "RecordsStored")
    ]
    status = {
        "phase": "Succeeded",
        "message": "4 of 4 steps done.",
        "progress": "4/4",
        "startedAt": now,
        "finishedAt": now,
        "pipelineRunRef": {"name": "x" * 20, "uid": "u" * 36},
        "conditions": conditions,
        "steps": [{"name": name, **row} for name in ("a", "b", "c", "d")],
    }

    def make(number: int) -> None:
        document = workflow(f"r{number}", where, *steps)
        document["metadata"]["finalizers"] = ["kubernaut.io/controller"]
        made = api.post(path, json=document).raise_for_status().json()
        api.put(f"{path}/r{number}/status", json={**made, "status": status}).raise_for_status()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(make, range(count)))
    port = 18087
    start = time.perf_counter()
    program = (sys.executable, "-m", "kubernaut_controller.operator")
    options = [f"--watch-namespace={where}", f"--data-storage-url={bench.url}", f"--port={port}"]
    with ControllerProcess(options, bench.folder / "ours.log", bench.kubeconfig, program) as running:
        ready = until_ready(port, count) - start
        assert running.process is not None
        time.sleep(20)  # kopf has listed too, and its workers are gone
        memory = psutil.Process(running.process.pid).memory_info().rss / 2**20
        peak = _peak(running.process.pid)
        calls = api_calls(port)
    runs = len(api.get(RUNS.format(where)).json()["items"])
    print(
        f"\n{count:,} finished WorkflowExecutions\n"
        "  target (10,000): ≤ 150 MB resident, resync ≤ 30 s, no PipelineRun made"
    )
    print(f"  {'resident':38} {memory:6.1f} MiB (peak {peak:.1f})")
    print(f"  {'learnt of all after a restart':38} {ready:6.1f} s")
    print(f"  {'PipelineRuns made':38} {runs:6d}")
    print(f"  {'requests to the API server, watches apart':38} {calls}")
    drop_many(api, where, count)


def until_ready(port: int, count: int, seconds: float = 300) -> float:
    deadline = time.monotonic() + seconds
    while True:
        assert time.monotonic() < deadline, f"the controller had not learnt of {count} workflows after {seconds:.0f} s"
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        except httpx.HTTPError:
            text = ""
        found = [line for line in text.splitlines() if line.startswith('kubernaut_workflows{phase="Succeeded"}')]
        if found and float(found[0].split()[1]) >= count:
            return time.perf_counter()
        time.sleep(0.05)


def api_calls(port: int) -> str:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith("kubernaut_api_requests_total{")]
    return ", ".join(f"{line.split('{')[1].split('}')[0]} {float(line.split()[-1]):.0f}" for line in lines)


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def drop_many(api: httpx.Client, where: str, count: int) -> None:
    merge = {"content-type": "application/merge-patch+json"}

    def release(number: int) -> None:
        path = f"{WORKFLOWS.format(where)}/r{number}"
        api.patch(path, json={"metadata": {"finalizers": []}}, headers=merge)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(release, range(count)))
    kubectl("delete", "namespace", where, "--wait=false")


def main() -> None:
    """Measure and print, part by part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--resident", type=int, default=10_000)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, storage_at(Path(name) / "data") as url, api_client() as api:
        install()
        bench = Bench(Path(name), url)
        parts: dict[str, Callable[[], None]] = {
            "latency": lambda: latency(bench, api),
            "diamond": lambda: diamond(bench, api, given.image),
            "intermediate": lambda: intermediate(bench, api),
            "resident": lambda: resident(bench, api, given.resident),
        }
        missed = []
        for part, measure in parts.items():
            if given.only in part:
                print(f"\n== {part}", flush=True)
                try:
                    measure()
                except Exception as error:  # one part that fails leaves the others their figures
                    missed.append(f"{part} could not be measured: {type(error).__name__}: {error}")
                    print(f"  {missed[-1]}", flush=True)
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
