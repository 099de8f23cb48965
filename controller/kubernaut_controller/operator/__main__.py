"""The `kubernaut-controller` command: reads its options and runs the controller."""

import asyncio
import logging
import os
import re
from datetime import timedelta
from pathlib import Path

import click

from kubernaut_controller.operator.process import run
from kubernaut_controller.operator.settings import ControllerSettings
from kubernaut_controller.reconciling.policy import Policy
from kubernaut_controller.taskref import TASK, bundle_task_ref, cluster_task_ref
from kubernaut_sdk import Action, Failed, InvalidInputs
from kubernaut_sdk.catalog import find, known_types
from kubernaut_sdk.durations import parse_duration
from kubernaut_sdk.logs import configure_service
from kubernaut_sdk.tracing import is_configured

__all__ = ["main"]

_BUNDLE = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


def _duration(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    if value in {"0", "0s"}:
        return timedelta(0)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command(context_settings={"auto_envvar_prefix": "KUBERNAUT", "help_option_names": ["-h", "--help"]})
@click.option(
    "--namespace",
    default="kubernaut-system",
    show_default=True,
    help="The controller's own namespace, which holds the locks.",
)
@click.option("--watch-namespace", multiple=True, help="Watch this namespace; may be repeated. All, by default.")
@click.option(
    "--allow-repository",
    multiple=True,
    metavar="PREFIX",
    help="An allowed prefix of images; may be repeated. Any, by default.",
)
@click.option(
    "--cooldown",
    callback=_duration,
    default="5m",
    show_default=True,
    help="The time after a workflow in which no other acts on its target.",
)
@click.option(
    "--max-timeout",
    callback=_duration,
    default="24h",
    show_default=True,
    help="The longest timeout of a workflow, for which it holds its target; 0: any.",
)
@click.option("--data-storage-url", help="The address of Data Storage; without it no records are sent.")
@click.option(
    "--data-storage-token-file",
    type=click.Path(path_type=Path),
    help="The file with the bearer token for Data Storage.",
)
@click.option(
    "--records-deadline",
    callback=_duration,
    default="24h",
    show_default=True,
    help="The time for which an ended workflow is kept for records that cannot be stored.",
)
@click.option("--read-logs", is_flag=True, help="Read pods' logs for records that could not be sent (needs pods/log).")
@click.option("--task-namespace", help="Take the Task from this namespace, by cluster resolver.")
@click.option(
    "--task-bundle", metavar="IMAGE@DIGEST", help="Take the Task from this Tekton bundle, by bundles resolver."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address on which health and metrics are served."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="Its port; 0 serves nothing."
)
@click.version_option(package_name="kubernaut-controller", message="%(prog)s %(version)s")
def main(  # noqa: PLR0913, PLR0917 – one for each option
    namespace: str,
    watch_namespace: tuple[str, ...],
    allow_repository: tuple[str, ...],
    cooldown: timedelta,
    max_timeout: timedelta,
    data_storage_url: str | None,
    data_storage_token_file: Path | None,
    records_deadline: timedelta,
    read_logs: bool,
    task_namespace: str | None,
    task_bundle: str | None,
    host: str,
    port: int,
) -> None:
    """Carry out WorkflowExecutions as Tekton PipelineRuns. Each option may be set as KUBERNAUT_OPTION instead."""
    configure_service(os.environ.get("KUBERNAUT_LOG_LEVEL", "INFO"))
    policy = Policy(
        repositories=allow_repository,
        task_ref=_task_ref(task_namespace, task_bundle),
        find=_installed().get,
        cooldown=cooldown,
        max_timeout=max_timeout or None,
        records=data_storage_url is not None,
        records_deadline=records_deadline,
        read_logs=read_logs,
        traces=is_configured(),
    )
    settings = ControllerSettings(
        policy=policy,
        namespace=namespace,
        watched=watch_namespace,
        data_storage_url=data_storage_url,
        data_storage_token_file=data_storage_token_file,
        host=host,
        port=port,
    )
    asyncio.run(run(settings))


def _task_ref(namespace: str | None, bundle: str | None) -> dict[str, object]:
    if namespace and bundle:
        raise click.UsageError("--task-namespace and --task-bundle exclude each other; the Task has one source.")
    if namespace:
        return cluster_task_ref(namespace)
    if bundle is None:
        return dict(TASK)
    if not _BUNDLE.fullmatch(bundle):
        raise click.UsageError(
            f"--task-bundle {bundle}: name it by digest, such as registry/kubernaut-action@sha256:…; a tag can move."
        )
    return bundle_task_ref(bundle)


def _installed() -> dict[str, Action]:
    """Return the installed actions by type, whose inputs the controller checks.

    All are loaded now, with their models. That takes 0.1 s, for which the first workflow should not wait.
    """
    try:
        types = known_types()
    except (Failed, InvalidInputs) as error:
        logging.getLogger(__name__).warning("%s", error)
        return {}
    actions: dict[str, Action] = {}
    for action_type in types:
        try:
            actions[action_type] = find(action_type)
            actions[action_type].inputs_model.model_rebuild()
        except Failed as error:  # a package that cannot be used: the inputs of its actions are checked where they run
            logging.getLogger(__name__).warning("%s", error)
    return actions


if __name__ == "__main__":
    main()
