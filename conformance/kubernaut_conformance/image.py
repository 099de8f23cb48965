"""An action image in the Docker engine, run with the confinement of the generic Task."""

import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any
from weakref import finalize

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from kubernaut_conformance.confinement import confinement_of, generic_task
from kubernaut_conformance.docker_engine import connect_docker, describe_docker_error
from kubernaut_conformance.runtime import LONGEST, CompletedRun, Mounts, SignalSender, read_results
from kubernaut_sdk import InvalidInputs, PreconditionFailed
from kubernaut_sdk.resultfiles import ResultFiles

__all__ = ["ActionImage"]


class ActionImage:
    """An image by name, id or digest. An image that is not in the engine is pulled.

    Args:
        name: The image as `docker run` takes it.

    Raises:
        PreconditionFailed: if no Docker engine answers.
        InvalidInputs: if there is no such image.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._confinement = confinement_of(generic_task())
        self._engine = connect_docker()
        finalize(self, self._engine.close)
        try:
            self._image = self._known(name)
        except ImageNotFound:
            try:
                self._image = self._engine.images.pull(name)
            except DockerException as error:
                raise InvalidInputs(
                    f"image {name}: neither here nor to be pulled: {describe_docker_error(error)}."
                ) from None
        except DockerException as error:
            raise InvalidInputs(f"image {name}: {describe_docker_error(error)}.") from None

    def _known(self, name: str) -> Any:
        """Return the engine's image of a name. An image that was built here may be known only by its id."""
        with suppress(ImageNotFound):
            return self._engine.images.get(name)
        return self._engine.images.get(name.rpartition("@")[2])

    @property
    def labels(self) -> Mapping[str, str]:
        """The OCI labels."""
        return dict(self._image.labels or {})

    @property
    def user(self) -> str:
        """The user that the image names; empty if it names none, which means root."""
        return str(self._image.attrs.get("Config", {}).get("User") or "")

    def world_path(self, folder: Path) -> str:
        """Return the place where the container has the folder mounted."""
        return "/world"

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the image without running it; None if there is no such file."""
        with self._created(command=["-"]) as container:
            try:
                stream, _ = container.get_archive(path)
            except NotFound:
                return None
            archive = tarfile.open(fileobj=io.BytesIO(b"".join(stream)))  # noqa: SIM115 – in memory
            member = archive.next()
            file = archive.extractfile(member) if member is not None and member.isfile() else None
            return file.read() if file is not None else None

    def holds(self, path: str) -> bool:
        """Return True if the image holds such a file, folder or link."""
        with self._created(command=["-"]) as container, suppress(NotFound):
            container.get_archive(path)
            return True
        return False

    def ask(self, *verb: str) -> CompletedRun:
        """Run a verb with no network, no inputs and no settings."""
        with self._created(command=verb, network="none") as container:
            return _wait_for_end(container, None)

    def run(
        self,
        args: Sequence[str],
        env: Mapping[str, str],
        mounts: Mounts,
        *,
        read_only: bool = True,
        stop_when: Callable[[Event], bool] | None = None,
        kill: bool = False,
    ) -> CompletedRun:
        """Run an action as the generic Task does: only its scratch folder and the results are writable.

        The container shares this machine's network, to reach the servers on loopback.
        """
        with tempfile.TemporaryDirectory(prefix="kubernaut-conform-", ignore_cleanup_errors=True) as folder:
            results = Path(folder)
            results.chmod(0o777)
            volumes = {str(results): {"bind": self._confinement.results, "mode": "rw"}}
            for path, place, mode in (
                (mounts.secrets, self._confinement.secrets, "ro"),
                (mounts.world, "/world", "rw"),
                (mounts.kubeconfig, "/kubernaut/kubeconfig", "ro"),
            ):
                if path is not None:
                    volumes[str(path)] = {"bind": place, "mode": mode}
            places = {"KUBECONFIG": "/kubernaut/kubeconfig"} if mounts.kubeconfig else {}
            with self._created(
                command=args,
                env={**self._confinement.env, **places, **env},
                volumes=volumes,
                network="host",
                read_only=read_only,
            ) as container:
                return _wait_for_end(container, results, stop_when, kill=kill)

    @contextmanager
    def _created(
        self,
        *,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        volumes: Mapping[str, Any] | None = None,
        network: str = "none",
        read_only: bool = True,
    ) -> Iterator[Any]:
        try:
            container = self._engine.containers.create(
                self._image.id,
                command=list(command),
                environment=dict(env or {}),
                volumes=dict(volumes or {}),
                network_mode=network,
                **self._confinement.docker_options(read_only=read_only),
            )
        except DockerException as error:
            raise PreconditionFailed(
                f"the Docker engine makes no container of {self.name}: {describe_docker_error(error)}."
            ) from None
        try:
            yield container
        finally:
            with suppress(APIError):
                container.remove(force=True)


def _wait_for_end(
    container: Any, results: Path | None, stop_when: Callable[[Event], bool] | None = None, *, kill: bool = False
) -> CompletedRun:
    started = time.monotonic()
    try:
        container.start()
    except APIError as error:
        # no such program, or one that cannot be started: the kubelet reports that as an exit code too
        return CompletedRun(
            127,
            "",
            f"the container could not be started: {describe_docker_error(error)}",
            {},
            time.monotonic() - started,
        )

    def terminate() -> None:
        with suppress(APIError):  # it has just ended
            container.kill(signal="SIGKILL" if kill else "SIGTERM")

    stopper = SignalSender(terminate, stop_when)
    try:
        code = int(container.wait(timeout=LONGEST)["StatusCode"])
    except RequestException:
        container.kill()
        code = 137
    after, seconds = stopper.over(), time.monotonic() - started
    found = read_results(results) if results else ResultFiles()
    return CompletedRun(
        code,
        container.logs(stdout=True, stderr=False).decode("utf-8", "replace"),
        container.logs(stdout=False, stderr=True).decode("utf-8", "replace"),
        found.values,
        seconds,
        after,
        found.unreadable,
    )
