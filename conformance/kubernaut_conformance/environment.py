"""The world of a scenario on this machine: made anew before each run, and looked at after it."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from kubernaut_conformance.runtime import ActionRuntime, Mounts
from kubernaut_conformance.scenario import Scenario
from kubernaut_conformance.target_proxy import RecordedRequest, TargetProxy
from kubernaut_sdk import InvalidInputs
from kubernaut_sdk.ids import mint

__all__ = ["ScenarioEnvironment", "scenario_environment"]

_PATIENCE = 60.0
"""Seconds that a command of a scenario may take, and a server of one to listen."""


@dataclass
class ScenarioEnvironment:
    """What surrounds the runs of one scenario.

    Attributes:
        scenario: Whose.
        cwd: Where its commands run: the scenario file's folder.
        root: A folder of this world's own.
        variables: What `$name` stands for.
        traffic: The server in between, where the scenario has one.
    """

    scenario: Scenario
    cwd: Path
    root: Path
    variables: dict[str, str]
    traffic: TargetProxy | None = None
    _made: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """What the action sees as `$world`."""
        return self.root / "world"

    def fresh(self) -> None:
        """Puts the world into its start state.

        Raises:
            InvalidInputs: if the scenario does not let it.
        """
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.folder.chmod(0o777)
        for name, content in self.scenario.files.items():
            path = self.folder / name
            if not path.resolve().is_relative_to(self.folder.resolve()):
                raise InvalidInputs(f"{self.scenario.title}: files: {name} is not below $world.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.expand(content), encoding="utf-8")
        if self.scenario.setup:
            self._made = _variables(self.command("setup", self.scenario.setup))
        for path in (self.folder, *self.folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666)

    def state(self) -> str:
        """What the world is like, in a text that is equal where the world is.

        It is what the scenario's `state` prints; without one, the files, and what was written by way of the server.
        """
        if self.scenario.state:
            return self.command("state", self.scenario.state)
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        parts = [f"{path.relative_to(self.folder)} {sha256(path.read_bytes()).hexdigest()}" for path in files]
        return "\n".join(parts + [request.summary for request in self.requests() if request.writes])

    def requests(self) -> list[RecordedRequest]:
        """The requests so far."""
        return list(self.traffic.requests) if self.traffic else []

    def command(self, what: str, command: list[str]) -> str:
        """What a command of the scenario prints.

        Raises:
            InvalidInputs: if it cannot be run or fails.
        """
        argv = [self.expand(part) for part in command]
        try:
            done = subprocess.run(
                argv,
                cwd=self.cwd,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InvalidInputs(f"{self.scenario.title}: {what}: {argv[0]} cannot be run: {error}.") from None
        if done.returncode != 0:
            reply = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            raise InvalidInputs(f"{self.scenario.title}: {what}: {argv[0]} ended with {done.returncode}: {reply}")
        return done.stdout

    def expand(self, value: Any) -> Any:
        """A value with its variables put in.

        Raises:
            InvalidInputs: if there is no such variable.
        """
        if isinstance(value, dict):
            return {key: self.expand(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item) for item in value]
        if not isinstance(value, str):
            return value
        known = {**os.environ, **self.variables, **self._made}
        try:
            return Template(value).substitute(known)
        except KeyError as error:
            ours = ", ".join(sorted({**self.variables, **self._made}))
            raise InvalidInputs(
                f"{self.scenario.title}: no variable {error.args[0]}; there is {ours}, and the environment's; "
                f"write $$ for a dollar sign."
            ) from None
        except ValueError as error:
            raise InvalidInputs(f"{self.scenario.title}: {value}: {error}; write $$ for a dollar sign.") from None

    def inputs(self) -> dict[str, Any]:
        """The scenario's inputs."""
        inputs: dict[str, Any] = self.expand(self.scenario.inputs)
        return inputs

    def env(self) -> dict[str, str]:
        """Variables beside the contract's."""
        env: dict[str, str] = self.expand(self.scenario.env)
        return env

    def secrets(self) -> dict[str, str]:
        """The mounted secret files; beside the scenario's always one that holds the canary."""
        return {"canary": self.variables["canary"], **self.expand(self.scenario.secrets)}

    def mounts(self) -> Mounts:
        """What the container sees of this machine."""
        folder = self.root / "secrets"
        folder.mkdir(exist_ok=True)
        for name, content in self.secrets().items():
            (folder / name).write_text(content, encoding="utf-8")
        kubeconfig = None
        if self.traffic is not None and self.traffic.speaks == "kubernetes":
            kubeconfig = self.root / "kubeconfig"
            kubeconfig.write_text(json.dumps(_kubeconfig(self.traffic.url)), encoding="utf-8")
        return Mounts(secrets=folder, world=self.folder, kubeconfig=kubeconfig)


@contextmanager
def scenario_environment(
    scenario: Scenario, cwd: Path, root: Path, subject: ActionRuntime
) -> Iterator[ScenarioEnvironment]:
    """The world, with its servers, as long as the block lasts.

    Args:
        scenario: Whose.
        cwd: Where its commands run.
        root: A folder of its own.
        subject: Who will see it.

    Raises:
        InvalidInputs: if one of them does not come up.
    """
    unique = mint().hex
    variables = {
        "canary": f'Canary+/"{unique[12:]}é\\~',
        "folder": str(root / "world"),
        "port": str(_free_port()),
        "unique": f"conform-{unique[-10:]}",
        "world": subject.world_path(root / "world"),
    }
    world = ScenarioEnvironment(scenario, cwd, root, variables)
    world.folder.mkdir()
    with _running_server(world):
        if scenario.server is not None:
            world.traffic = TargetProxy(world.expand(scenario.server.upstream), scenario.server.speaks)
            variables["server"] = world.traffic.url
        try:
            yield world
        finally:
            if world.traffic is not None:
                world.traffic.close()
            if scenario.teardown is not None:
                world.command("teardown", scenario.teardown)


@contextmanager
def _running_server(world: ScenarioEnvironment) -> Iterator[None]:
    command = world.scenario.serve
    if command is None:
        yield
        return
    argv = [world.expand(part) for part in command]
    log = world.root / "serve.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(argv, cwd=world.cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    except OSError as error:
        raise InvalidInputs(f"{world.scenario.title}: serve: {argv[0]} cannot be run: {error}.") from None
    try:
        port, deadline = int(world.variables["port"]), time.monotonic() + _PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                reply = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
                raise InvalidInputs(f"{world.scenario.title}: serve: {argv[0]} does not listen on {port}: {reply}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _variables(text: str) -> dict[str, str]:
    """What setup printed, if that is a JSON object of texts."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {name: str(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _kubeconfig(server: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "recorded", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
        "current-context": "recorded",
    }
