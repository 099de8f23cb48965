"""How an image is built: a folder, its Dockerfile and arguments, through the engine at hand."""

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

__all__ = ["Recipe", "build", "build_command"]

_TOLD = 8
"""Lines of a failed build that its error repeats."""


@dataclass(frozen=True)
class Recipe:
    """What an image is built from.

    Attributes:
        context: The folder that the Dockerfile sees.
        dockerfile: By default the context's `Dockerfile`.
        arguments: Build argument → value.
        platform: Such as linux/arm64; by default the engine's own.
    """

    context: Path
    dockerfile: Path | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    platform: str | None = None

    @property
    def file(self) -> Path:
        """The Dockerfile."""
        return self.dockerfile or self.context / "Dockerfile"

    def require(self) -> None:
        """Looks whether all is there.

        Raises:
            InvalidInputs: if the folder or the Dockerfile is not, or one image should be of several platforms.
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


def build(engine: Any, recipe: Recipe, *, say: Callable[[str], None]) -> str:
    """Builds it and returns the image's id; it has no name yet.

    The docker command does it where it is installed, since BuildKit comes through it; else the engine's own builder.

    Args:
        engine: A client of the engine.
        recipe: From what.
        say: Takes the builder's lines as they come.

    Raises:
        Failed: if the build fails, with its last lines.
    """
    recipe.require()
    if (program := shutil.which("docker")) is None:
        return _built_by_engine(engine, recipe, say)
    with tempfile.TemporaryDirectory(prefix="kubernaut-build-") as folder:
        id_file = Path(folder) / "id"
        command = build_command(program, recipe, id_file, load=_has_buildx(program))
        last: deque[str] = deque(maxlen=_TOLD)
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
                say(line.rstrip())
                last.append(line.rstrip())
        if process.returncode != 0:
            raise Failed(_failure(recipe, last), reason="BuildFailed")
        return id_file.read_text(encoding="utf-8").strip()


def build_command(program: str, recipe: Recipe, id_file: Path, *, load: bool) -> list[str]:
    """The argument vector of the docker command.

    Args:
        program: The docker command.
        recipe: What is built.
        id_file: Where it writes the image's id.
        load: Whether the builder may be one that has to be told to hand the image to the engine (buildx).
    """
    options = [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
    if recipe.platform:
        options.append(f"--platform={recipe.platform}")
    # the classic builder would leave the container of a step that failed behind
    options += ["--load", "--progress=plain", "--provenance=false"] if load else ["--force-rm"]
    return [program, "build", f"--file={recipe.file}", f"--iidfile={id_file}", *options, "--", str(recipe.context)]


def _has_buildx(program: str) -> bool:
    return subprocess.run([program, "buildx", "version"], capture_output=True, check=False).returncode == 0


def _environment() -> dict[str, str]:
    """The command must build in the engine that is then asked; a context of its own could name another one."""
    unix = "unix:///var/run/docker.sock"
    return {**os.environ, **({} if sys.platform == "win32" or "DOCKER_HOST" in os.environ else {"DOCKER_HOST": unix})}


def _built_by_engine(engine: Any, recipe: Recipe, say: Callable[[str], None]) -> str:
    last: deque[str] = deque(maxlen=_TOLD)
    try:
        image, lines = engine.images.build(
            path=str(recipe.context),
            dockerfile=str(recipe.file.resolve()),
            buildargs=recipe.arguments,
            platform=recipe.platform,
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        for line in _texts(error.build_log):
            say(line)
            last.append(line)
        raise Failed(_failure(recipe, last), reason="BuildFailed") from None
    except DockerException as error:
        raise Failed(
            f"{recipe.file}: the build failed: {describe_docker_error(error)}.", reason="BuildFailed"
        ) from None
    for line in _texts(lines):
        say(line)
    return str(image.id)


def _texts(lines: Any) -> Iterator[str]:
    for line in lines:
        text = str(line.get("stream") or line.get("error") or "")
        yield from (part for part in text.splitlines() if part.strip())


def _failure(recipe: Recipe, last: deque[str]) -> str:
    lines = [line for line in last if line.strip()]
    return f"{recipe.file}: the build failed" + (":\n  " + "\n  ".join(lines) if lines else ".")
