"""The checks of this machine: the program, its actions, the Docker engine, the records and the spool."""

import os
import platform
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from kubernaut_cli.catalog import known_types
from kubernaut_cli.diagnosis.check import DoctorCheck, Health
from kubernaut_cli.store import spool_folders, token_file
from kubernaut_datastorage.folder import DATABASE, data_folder
from kubernaut_sdk.addresses import require_web_address, without_userinfo
from kubernaut_sdk.errors import ActionError
from kubernaut_sdk.portable import shorten
from kubernaut_sdk.spool import Spool
from kubernaut_sdk.storage import RECORDS, StorageClient, StorageUnavailable

__all__ = ["check_docker", "check_program", "check_records", "check_spool"]

_PATIENCE = 5.0
"""Seconds to wait for Data Storage."""


def check_program() -> Iterator[DoctorCheck]:
    """Yield the version of the command and of Python, and the number of installed actions."""
    yield DoctorCheck(
        "kubernaut", Health.OK, f"version {version('kubernaut-cli')} on Python {platform.python_version()}"
    )
    try:
        types = known_types()
    except ActionError as error:
        yield DoctorCheck("actions", Health.FAULT, error.message)
        return
    if types:
        yield DoctorCheck("actions", Health.OK, f"{len(types)} installed; `kubernaut actions list` shows them")
    else:
        yield DoctorCheck(
            "actions", Health.NOTE, "none is installed; `kubernaut run --engine process` needs a package with actions"
        )


def check_docker() -> Iterator[DoctorCheck]:
    """Yield if a Docker engine answers."""
    from docker.errors import DockerException  # noqa: PLC0415 – docker's client takes 0.2 s

    from kubernaut_cli.images.engine import open_docker  # noqa: PLC0415 – as above

    try:
        with open_docker() as engine:
            found = engine.version()
    except (ActionError, DockerException) as error:
        reason = shorten(str(getattr(error, "message", error)), 200).rstrip(".")
        yield DoctorCheck("docker", Health.NOTE, f"{reason}; only build, conform, publish and --engine docker need it")
        return
    yield DoctorCheck("docker", Health.OK, f"engine {found.get('Version', 'of an unknown version')}")


def check_records(data: Path | None) -> Iterator[DoctorCheck]:
    """Yield which store is used, and if it can be read.

    Args:
        data: The option `--data`.
    """
    url = os.environ.get("DATA_STORAGE_URL")
    if url and data is None:
        try:
            require_web_address(url, "DATA_STORAGE_URL")
            token = token_file()
        except ActionError as error:
            yield DoctorCheck("records", Health.FAULT, error.message.rstrip("."))
            return
        yield _check_service(url, token)
        return
    folder = data_folder(data)
    file = folder / DATABASE
    if not file.exists():
        yield DoctorCheck("records", Health.NOTE, f"{folder} has none yet; the first `kubernaut run` makes it")
    elif not os.access(file, os.R_OK | os.W_OK) or not os.access(folder, os.W_OK):
        yield DoctorCheck(
            "records", Health.FAULT, f"{file} cannot be read and written by you; give yourself that right"
        )
    else:
        size = file.stat().st_size / 2**20
        yield DoctorCheck("records", Health.OK, f"on this machine, {file} ({size:.1f} MiB)")


def _check_service(url: str, token: Path | None) -> DoctorCheck:
    address = without_userinfo(url)
    with closing(StorageClient(url, token)) as client:
        try:
            client.get(RECORDS, {"limit": "1"}, _PATIENCE)
        except StorageUnavailable as error:
            return DoctorCheck("records", Health.FAULT, _service_fault(address, error, token))
    return DoctorCheck("records", Health.OK, f"the service at {address} answers, and lets you read")


def _service_fault(address: str, error: StorageUnavailable, token: Path | None) -> str:
    reason = str(error).rstrip(".")
    if error.status in {401, 403}:
        held = f"the token of {token}" if token else "a request without a token (DATA_STORAGE_TOKEN_FILE)"
        return f"the service at {address} refuses {held}: {reason}"
    return f"the service at {address} cannot be used: {reason}; look at DATA_STORAGE_URL"


def check_spool(data: Path | None) -> Iterator[DoctorCheck]:
    """Yield if events wait to be sent.

    Args:
        data: The option `--data`.
    """
    spools = [one for folder in spool_folders(data_folder(data)) for one in (Spool(folder), *Spool(folder).parts())]
    waiting = {one.folder: count for one in spools if (count := len(one.paths()))}
    if waiting:
        places = ", ".join(f"{count} in {folder}" for folder, count in waiting.items())
        yield DoctorCheck(
            "spool",
            Health.NOTE,
            f"events wait: {places}; `kubernaut records status` says why, `… flush` sends them",
        )
    else:
        yield DoctorCheck("spool", Health.OK, "no event waits to be sent")
