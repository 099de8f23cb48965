"""Steps as containers of the Docker engine: the action images, confined as the Task confines them."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from kubernaut_cli.engine.executor import NotStarted
from kubernaut_cli.engine.pod import LocalPod
from kubernaut_conformance.confinement import confinement_of, generic_task
from kubernaut_conformance.docker_engine import connect_docker, describe_docker_error
from kubernaut_sdk.portable import shorten

__all__ = ["ContainerExecutor", "RunningContainer"]

_ENGINE_ERRORS = (DockerException, RequestException, OSError)


class RunningContainer:
    """The container of one step."""

    def __init__(self, container: Any, pod: LocalPod) -> None:
        self._container = container
        self._pod = pod

    async def wait(self) -> int:
        """Wait for the container, keep its output and log, remove it, and return its exit code."""
        code = (await asyncio.to_thread(self._container.wait))["StatusCode"]
        await asyncio.to_thread(self._keep)
        return int(code)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """Send SIGKILL, which ends all processes of the container."""
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        with contextlib.suppress(*_ENGINE_ERRORS):  # it may have ended already
            self._container.kill(signal=name)

    def _keep(self) -> None:
        # a log that cannot be kept, or a container that cannot be removed, does not change the step's outcome
        for path, streams in ((self._pod.output, {"stderr": False}), (self._pod.log, {"stdout": False})):
            with contextlib.suppress(*_ENGINE_ERRORS), path.open("wb") as file:
                for chunk in self._container.logs(stream=True, follow=False, **streams):
                    file.write(chunk)
        with contextlib.suppress(*_ENGINE_ERRORS):
            self._container.remove(force=True)


class ContainerExecutor:
    """An executor that starts steps as containers, on the host's network: the embedded store listens on loopback.

    Args:
        kubeconfig: A self-contained kubeconfig to mount read-only, or None.

    Raises:
        PreconditionFailed: if no Docker engine answers.
    """

    image_runs = True
    keeps_spool = False
    limits_memory = True

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._confinement = confinement_of(generic_task())
        self._engine = connect_docker("--engine docker: ", "start one or use --engine process")

    async def start(self, pod: LocalPod) -> RunningContainer:
        """Create and start the container; pull its image if the engine does not have it.

        Raises:
            NotStarted: if the image cannot be pulled or the engine refuses the container.
        """
        return RunningContainer(await asyncio.to_thread(self._start, pod), pod)

    def _start(self, pod: LocalPod) -> Any:
        # as the user who calls, so that the results are that user's; root's steps run as the Task's user
        user, group = os.getuid() or self._confinement.user, os.getgid() or self._confinement.group
        mounts = {str(pod.results): {"bind": self._confinement.results, "mode": "rw"}}
        if pod.secret:
            mounts[str(pod.secret)] = {"bind": self._confinement.secrets, "mode": "ro"}
        token_folder = self._confinement.token_folder  # only a kubelet can fill it
        env = {name: value for name, value in pod.env.items() if not value.startswith(f"{token_folder}/")}
        if self._kubeconfig:
            mounts[str(self._kubeconfig)] = {"bind": "/kubernaut/kubeconfig", "mode": "ro"}
            env["KUBECONFIG"] = "/kubernaut/kubeconfig"
        if os.getuid() == 0:
            os.chown(pod.results, user, group, follow_symlinks=False)
        try:
            image = self._image(pod.image)
        except _ENGINE_ERRORS as error:
            sentence = f"Its image {shorten(pod.image, 160)} cannot be pulled"
            raise NotStarted(
                "ImageNotPulled", f"{sentence}: the Docker engine says: {shorten(describe_docker_error(error), 600)}."
            ) from None
        container = None
        try:
            container = self._engine.containers.create(
                image,
                command=list(pod.args),
                environment=env,
                volumes=mounts,
                network_mode="host",
                init=False,
                **self._confinement.docker_options(user=user, group=group, memory=pod.memory),
            )
            container.start()
        except _ENGINE_ERRORS as error:
            if container is not None:
                with contextlib.suppress(*_ENGINE_ERRORS):
                    container.remove(force=True)
            message = shorten(describe_docker_error(error), 600)
            sentence = f"Its container could not be started: the Docker engine says: {message}."
            raise NotStarted("ContainerNotStarted", sentence) from None
        return container

    def _image(self, name: str) -> str:
        """Return the id of the image, pulled if need be. An image that was built here may be known only by its id."""
        for known in (name, name.rpartition("@")[2]):
            with contextlib.suppress(ImageNotFound):
                return str(self._engine.images.get(known).id)
        return str(self._engine.images.pull(name).id)
