"""Steps as containers of the Docker engine: the action images, as locked down as the Task says."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from kubernaut_cli.engine.executor import NotStarted
from kubernaut_cli.engine.pod import Pod
from kubernaut_conformance.docker_engine import describe_docker_error
from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_sdk.portable import shorten

__all__ = ["ContainerExecutor", "RunningContainer"]

_USER = 65532
_TROUBLES = (DockerException, RequestException, OSError)


class RunningContainer:
    """One step's container."""

    def __init__(self, container: Any, pod: Pod) -> None:
        self._container = container
        self._pod = pod

    async def wait(self) -> int:
        """Return its exit code; its output and log are kept and the container is removed."""
        code = (await asyncio.to_thread(self._container.wait))["StatusCode"]
        await asyncio.to_thread(self._keep)
        return int(code)

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """SIGKILL; a container takes all its processes with it."""
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        with contextlib.suppress(*_TROUBLES):  # it has just ended
            self._container.kill(signal=name)

    def _keep(self) -> None:
        # neither a log that cannot be kept nor a container that cannot be removed changes how the step ended
        for path, streams in ((self._pod.output, {"stderr": False}), (self._pod.log, {"stdout": False})):
            with contextlib.suppress(*_TROUBLES), path.open("wb") as file:
                for chunk in self._container.logs(stream=True, follow=False, **streams):
                    file.write(chunk)
        with contextlib.suppress(*_TROUBLES):
            self._container.remove(force=True)


class ContainerExecutor:
    """Starts steps as containers, with this machine's network, so that they reach the store on loopback.

    Args:
        kubeconfig: Mounted read-only where given; it must be self-contained.

    Raises:
        InvalidWorkflow: if no Docker engine answers.
    """

    image_runs = True
    keeps_spool = False

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._kubeconfig = kubeconfig
        try:
            self._engine = docker.from_env()
            self._engine.ping()
        except DockerException as error:
            raise InvalidWorkflow(
                [Fault("--engine docker", f"no Docker engine answers ({error}); start one or use --engine process")]
            ) from None

    async def start(self, pod: Pod) -> RunningContainer:
        """Create and start the container, pulling its image where it is not here.

        Raises:
            NotStarted: if the image cannot be had or the engine refuses the container.
        """
        return RunningContainer(await asyncio.to_thread(self._start, pod), pod)

    def _start(self, pod: Pod) -> Any:
        user = os.getuid() or _USER
        group = os.getgid() or _USER
        mounts = {str(pod.results): {"bind": "/tekton/results", "mode": "rw"}}
        if pod.secret:
            mounts[str(pod.secret)] = {"bind": "/kubernaut/secrets", "mode": "ro"}
        env = {name: value for name, value in pod.env.items() if name != "DATA_STORAGE_TOKEN_FILE"}
        if self._kubeconfig:
            mounts[str(self._kubeconfig)] = {"bind": "/kubernaut/kubeconfig", "mode": "ro"}
            env["KUBECONFIG"] = "/kubernaut/kubeconfig"
        if os.getuid() == 0:
            os.chown(pod.results, user, group, follow_symlinks=False)
        try:
            image = self._image(pod.image)
        except _TROUBLES as error:
            told = f"Its image {shorten(pod.image, 160)} cannot be pulled"
            raise NotStarted(
                "ImageNotPulled", f"{told}: the Docker engine says: {shorten(describe_docker_error(error), 600)}."
            ) from None
        container = None
        try:
            container = self._engine.containers.create(
                image,
                command=list(pod.args),
                entrypoint=list(pod.command),
                environment=env,
                user=f"{user}:{group}",
                read_only=True,
                tmpfs={"/tmp": f"rw,nosuid,nodev,size=256m,uid={user},gid={group},mode=0700"},  # noqa: S108
                volumes=mounts,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                network_mode="host",
                init=False,
            )
            container.start()
        except _TROUBLES as error:
            if container is not None:
                with contextlib.suppress(*_TROUBLES):
                    container.remove(force=True)
            reason = shorten(describe_docker_error(error), 600)
            told = f"Its container could not be started: the Docker engine says: {reason}."
            raise NotStarted("ContainerNotStarted", told) from None
        return container

    def _image(self, name: str) -> str:
        """The image that the engine has, or gets. One that was built here and never pushed is known by its id."""
        for known in (name, name.rpartition("@")[2]):
            with contextlib.suppress(ImageNotFound):
                return str(self._engine.images.get(known).id)
        return str(self._engine.images.pull(name).id)
