"""The size and start time that an action image adds to its base and its tool. Needs a Docker engine.

    python tests/benchmarks/bench_image.py


The images are those that `make image-kubectl`, `image-argocd` and `image-aws-cli` tag; BASE_IMAGE and TOOL_IMAGE are
what they were made from, and TOOL_PATH is kubectl's place in the latter.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import docker
from measure import compare, report

PREFIX = os.environ.get("IMAGE_PREFIX", "localhost/kubernaut")
SERVICES = ("controller", "data-storage", "monitor")
BASE, TOOL = (os.environ.get(name, "") for name in ("BASE_IMAGE", "TOOL_IMAGE"))
TOOL_PATH = os.environ.get("TOOL_PATH", "/bin/kubectl")
PROBE = """
import os
from kubernaut_sdk import Action, Change, Context, Inputs

probe = Action("probe/say_hello")

@probe.plan
def plan(ctx: Context, inputs: Inputs) -> Change:
    return Change(0, 1)

@probe.apply
def apply(ctx: Context, inputs: Inputs, change: Change) -> None:
    os.write(2, b"here\\n")
    os._exit(0)
"""
CONFINED = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp")


def first_line(*argv: str) -> None:
    """Run a container until it prints its first line."""
    with subprocess.Popen(
        ["docker", "run", *CONFINED, *argv], stderr=subprocess.STDOUT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), argv


def sizes() -> None:
    """Print the bytes of each image beside those of its base and its tool."""
    engine = docker.from_env()
    size = {name: engine.images.get(name).attrs["Size"] for name in (BASE, TOOL)}
    print("\nsize of the images\n  target: at most 1.3 × base and tool")
    for part in ("kubectl", "argocd", "aws-cli"):
        whole = engine.images.get(f"{PREFIX}/{part}:dev").attrs["Size"]
        floor = size[BASE] + (size[TOOL] if part == "kubectl" else 0)
        print(
            f"  {part:38} {whole / 1e6:8.1f} MB   base and tool {floor / 1e6:.1f} MB   {whole / floor:5.2f} × the floor"
        )


def service_sizes() -> None:
    """Print the bytes of each service's image that is there, beside its base."""
    engine = docker.from_env()
    base = engine.images.get(BASE).attrs["Size"]
    print("\nsize of the services' images")
    for service in SERVICES:
        name = os.environ.get(f"{service.removeprefix('data-').upper()}_IMAGE", f"ghcr.io/kubernaut/{service}:dev")
        try:
            whole = engine.images.get(name).attrs["Size"]
        except docker.errors.ImageNotFound:
            print(f"  {name:38} not there: make image-{service}")
            continue
        print(f"  {name:38} {whole / 1e6:8.1f} MB   base {base / 1e6:.1f} MB   {(whole - base) / 1e6:6.1f} MB more")


def added() -> None:
    """Print the bytes that the actions add to the kubectl image, beside one that has only the SDK."""
    engine, root = docker.from_env(), Path(__file__).parents[2]
    text = (root / "actions" / "kubectl" / "Dockerfile").read_text()
    arguments = {"BASE_IMAGE": BASE, "TOOL_IMAGE": TOOL, "TOOL_PATH": TOOL_PATH}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Dockerfile"
        file.write_text(text.replace('"kubernaut-kubectl"]', '"kubernaut-sdk"]'))
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        command = ["docker", "build", "--quiet", *given, f"--file={file}", str(root)]
        made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    whole, without = (engine.images.get(name).attrs["Size"] for name in (f"{PREFIX}/kubectl:dev", made))
    engine.images.remove(made)
    print(f"\nwhat all actions add to the kubectl image\n  target: 5 MB\n  {(whole - without) / 1e6:.2f} MB")


if __name__ == "__main__":
    if not (BASE and TOOL):
        raise SystemExit("set BASE_IMAGE and TOOL_IMAGE to what the images were made from.")
    sizes()
    service_sizes()
    added()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "probe.py").write_text(PROBE)
        image = f"{PREFIX}/kubectl:dev"
        mounted = (f"--volume={folder}:/probe:ro", "--env=ACTION_MODULES=/probe/probe.py", "--env=HOME=/tmp")
        times = compare(
            15,
            **{
                "kubectl's container": lambda: first_line("--entrypoint=kubectl", image, "version", "--client"),
                "to the first line of apply": lambda: first_line(*mounted, image, "run", "probe/say_hello"),
            },
        )
        report("from `docker run` to a first line", times, "kubectl's container", "at most 150 ms more")
