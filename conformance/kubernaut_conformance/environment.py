"""The environment of a scenario on this machine: made anew before each run, and compared after it."""

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

_COMMAND_TIMEOUT = 60.0
"""Seconds that a command of a scenario may take, and a server may take to listen."""


@dataclass
class ScenarioEnvironment:
    """The files, servers and variables around the runs of one scenario.

    Attributes:
        scenario: The scenario.
        cwd: The folder in which its commands run: that of the scenario file.
        root: A temporary folder for this environment alone.
        variables: Name → value of the `$name` in the scenario's texts.
        proxy: The proxy before the target, if the scenario has a `server`.
    """

    scenario: Scenario
    cwd: Path
    root: Path
    variables: dict[str, str]
    proxy: TargetProxy | None = None
    _setup_variables: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that the action sees as `$world`."""
        return self.root / "world"

    def reset(self) -> None:
        """Make the start state: write the files anew and run the scenario's `setup`.

        Raises:
            InvalidInputs: if a path or a command of the scenario is wrong.
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
            self._setup_variables = _read_variables(self.run_command("setup", self.scenario.setup))
        # the container runs as another user than this process
        for path in (self.folder, *self.folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666)

    def read_state(self) -> str:
        """Return the current state as a text; two texts are equal if nothing has changed between them.

        The text is the output of the scenario's `state`; without one, the files' digests and the requests that wrote.
        """
        if self.scenario.state:
            return self.run_command("state", self.scenario.state)
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        parts = [f"{path.relative_to(self.folder)} {sha256(path.read_bytes()).hexdigest()}" for path in files]
        return "\n".join(parts + [request.summary for request in self.requests() if request.writes])

    def requests(self) -> list[RecordedRequest]:
        """Return the requests recorded so far."""
        return list(self.proxy.requests) if self.proxy else []

    def run_command(self, field_name: str, command: list[str]) -> str:
        """Run a command of the scenario; return its standard output.

        Args:
            field_name: The field of the scenario, for messages.
            command: The argument vector, with variables.

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
                timeout=_COMMAND_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InvalidInputs(f"{self.scenario.title}: {field_name}: {argv[0]} cannot be run: {error}.") from None
        if done.returncode != 0:
            output = _last_lines(done.stderr or done.stdout)
            raise InvalidInputs(
                f"{self.scenario.title}: {field_name}: {argv[0]} ended with {done.returncode}: {output}"
            )
        return done.stdout

    def expand(self, value: Any) -> Any:
        """Return a value with the variables in its texts replaced.

        Raises:
            InvalidInputs: if a text names a variable that does not exist.
        """
        if isinstance(value, dict):
            return {key: self.expand(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item) for item in value]
        if not isinstance(value, str):
            return value
        known = {**os.environ, **self.variables, **self._setup_variables}
        try:
            return Template(value).substitute(known)
        except KeyError as error:
            ours = ", ".join(sorted({**self.variables, **self._setup_variables}))
            raise InvalidInputs(
                f"{self.scenario.title}: no variable {error.args[0]}; there is {ours}, and the environment's; "
                f"write $$ for a dollar sign."
            ) from None
        except ValueError as error:
            raise InvalidInputs(f"{self.scenario.title}: {value}: {error}; write $$ for a dollar sign.") from None

    def inputs(self) -> dict[str, Any]:
        """Return the scenario's inputs."""
        inputs: dict[str, Any] = self.expand(self.scenario.inputs)
        return inputs

    def env(self) -> dict[str, str]:
        """Return the environment variables beside the contract's."""
        env: dict[str, str] = self.expand(self.scenario.env)
        return env

    def secrets(self) -> dict[str, str]:
        """Return name → content of the secret files: the scenario's, and one that holds `$canary`."""
        return {"canary": self.variables["canary"], **self.expand(self.scenario.secrets)}

    def mounts(self) -> Mounts:
        """Write the secret files and the kubeconfig; return the folders and files that a run sees."""
        folder = self.root / "secrets"
        folder.mkdir(exist_ok=True)
        for name, content in self.secrets().items():
            (folder / name).write_text(content, encoding="utf-8")
        kubeconfig = None
        if self.proxy is not None and self.proxy.speaks == "kubernetes":
            kubeconfig = self.root / "kubeconfig"
            kubeconfig.write_text(json.dumps(_kubeconfig(self.proxy.url)), encoding="utf-8")
        return Mounts(secrets=folder, world=self.folder, kubeconfig=kubeconfig)


@contextmanager
def scenario_environment(
    scenario: Scenario, cwd: Path, root: Path, runtime: ActionRuntime
) -> Iterator[ScenarioEnvironment]:
    """Start the scenario's servers; yield its environment; stop them and run its `teardown`.

    Args:
        scenario: The scenario.
        cwd: The folder in which its commands run.
        root: A temporary folder for this environment alone.
        runtime: The image or installed actions that will run in it.

    Raises:
        InvalidInputs: if a server does not start, or `teardown` fails.
    """
    unique = mint().hex
    variables = {
        "canary": f'Canary+/"{unique[12:]}é\\~',
        "folder": str(root / "world"),
        "port": str(_free_port()),
        "unique": f"conform-{unique[-10:]}",
        "world": runtime.world_path(root / "world"),
    }
    environment = ScenarioEnvironment(scenario, cwd, root, variables)
    environment.folder.mkdir()
    with _running_server(environment):
        if scenario.server is not None:
            environment.proxy = TargetProxy(environment.expand(scenario.server.upstream), scenario.server.speaks)
            variables["server"] = environment.proxy.url
        try:
            yield environment
        finally:
            if environment.proxy is not None:
                environment.proxy.close()
            if scenario.teardown is not None:
                environment.run_command("teardown", scenario.teardown)


@contextmanager
def _running_server(environment: ScenarioEnvironment) -> Iterator[None]:
    """Run the program of the scenario's `serve`, if it has one, during the block."""
    scenario = environment.scenario
    if scenario.serve is None:
        yield
        return
    argv = [environment.expand(part) for part in scenario.serve]
    log = environment.root / "serve.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv, cwd=environment.cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
    except OSError as error:
        raise InvalidInputs(f"{scenario.title}: serve: {argv[0]} cannot be run: {error}.") from None
    try:
        port, deadline = int(environment.variables["port"]), time.monotonic() + _COMMAND_TIMEOUT
        while not _is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                output_text = _last_lines(log.read_text(errors="replace"))
                raise InvalidInputs(f"{scenario.title}: serve: {argv[0]} does not listen on {port}: {output_text}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])


def _read_variables(text: str) -> dict[str, str]:
    """Return the variables that `setup` printed as a JSON object; none if it printed anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {name: str(item) for name, item in value.items()} if isinstance(value, dict) else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_listening(port: int) -> bool:
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
