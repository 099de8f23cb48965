"""The build of an image from a folder, its Dockerfile and arguments, by the docker command or the engine."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.errors import BuildError, DockerException

from kubernaut_conformance.docker_engine import describe_docker_error
from kubernaut_sdk import Failed, InvalidInputs

__all__ = ["BuildRequest", "build_command", "build_image"]

_LAST_LINES = 8
"""The number of a failed build's last lines that its error repeats."""


@dataclass(frozen=True)
class BuildRequest:
    """The folder, Dockerfile and settings of a build.

    Attributes:
        context: The folder that the Dockerfile copies from.
        dockerfile: The Dockerfile; by default the context's `Dockerfile`.
        arguments: The build arguments.
        platform: The platform, such as linux/arm64; by default the engine's own.
    """

    context: Path
    dockerfile: Path | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    platform: str | None = None

    @property
    def file(self) -> Path:
        """The Dockerfile."""
        return self.dockerfile or self.context / "Dockerfile"

    def validate(self) -> None:
        """Raise if the request cannot be built.

        Raises:
            InvalidInputs: if the folder or the Dockerfile does not exist, or more than one platform is named.
        """
        if not self.context.is_dir():
            raise InvalidInputs(f"{self.context} is no folder; name the one that the Dockerfile copies from.")
        if not self.file.is_file():
            raise InvalidInputs(
                f"there is no {self.file}; name another with --file, or make a project with `kubernaut new NAME`."
            )
        if self.platform and "," in self.platform:
            raise InvalidInputs(
                f"--platform {self.platform}: one image is of one platform, since it is asked for its spec; build "
                f"each on a machine of its own and join them with `docker buildx imagetools create`."
            )


def build_image(engine: Any, request: BuildRequest, *, print_line: Callable[[str], None]) -> str:
    """Build an image and return its id; it has no name yet.

    The docker command builds it if it is installed, since BuildKit comes with it; else the engine's own builder does.

    Args:
        engine: A client of the engine.
        request: The folder, Dockerfile and settings.
        print_line: Called with each line of the builder.

    Raises:
        Failed: if the build fails, with its last lines.
    """
    request.validate()
    if (program := shutil.which("docker")) is None:
        return _build_by_engine(engine, request, print_line)
    with tempfile.TemporaryDirectory(prefix="kubernaut-build-") as folder:
        id_file = Path(folder) / "id"
        command = build_command(program, request, id_file, load=_has_buildx(program))
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print_line(line.rstrip())
                last.append(line.rstrip())
        if process.returncode != 0:
            raise Failed(_failure(request, last), reason="BuildFailed")
        return id_file.read_text(encoding="utf-8").strip()


def build_command(program: str, request: BuildRequest, id_file: Path, *, load: bool) -> list[str]:
    """Return the argument vector of the docker command.

    Args:
        program: The docker command.
        request: The folder, Dockerfile and settings.
        id_file: The file that it writes the image's id to.
        load: True with buildx, which may have a builder that must be told to load the image into the engine.
    """
    options = [f"--build-arg={name}={value}" for name, value in request.arguments.items()]
    if request.platform:
        options.append(f"--platform={request.platform}")
    # without --force-rm the classic builder leaves the container of a failed step behind
    options += ["--load", "--progress=plain", "--provenance=false"] if load else ["--force-rm"]
    return [program, "build", f"--file={request.file}", f"--iidfile={id_file}", *options, "--", str(request.context)]


def _has_buildx(program: str) -> bool:
    return subprocess.run([program, "buildx", "version"], capture_output=True, check=False).returncode == 0


def _environment() -> dict[str, str]:
    """Return an environment that names the engine: a context of the docker command could name another one."""
    unix = "unix:///var/run/docker.sock"
    return {**os.environ, **({} if sys.platform == "win32" or "DOCKER_HOST" in os.environ else {"DOCKER_HOST": unix})}


def _build_by_engine(engine: Any, request: BuildRequest, print_line: Callable[[str], None]) -> str:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        image, lines = engine.images.build(
            path=str(request.context),
            dockerfile=str(request.file.resolve()),
            buildargs=request.arguments,
            platform=request.platform,
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        for line in _texts(error.build_log):
            print_line(line)
            last.append(line)
        raise Failed(_failure(request, last), reason="BuildFailed") from None
    except DockerException as error:
        raise Failed(
            f"{request.file}: the build failed: {describe_docker_error(error)}.", reason="BuildFailed"
        ) from None
    for line in _texts(lines):
        print_line(line)
    return str(image.id)


def _texts(lines: Any) -> Iterator[str]:
    for line in lines:
        text = str(line.get("stream") or line.get("error") or "")
        yield from (part for part in text.splitlines() if part.strip())


def _failure(request: BuildRequest, last: deque[str]) -> str:
    lines = [line for line in last if line.strip()]
    return f"{request.file}: the build failed" + (":\n  " + "\n  ".join(lines) if lines else ".")
