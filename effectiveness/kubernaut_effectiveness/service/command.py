"""`kubernaut monitor`: the options of the service, and how it runs."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from kubernaut_effectiveness.service.links import LinkTemplates, check_template
from kubernaut_effectiveness.settings import CountingRules
from kubernaut_sdk.addresses import require_web_address
from kubernaut_sdk.errors import InvalidInputs

__all__ = ["main", "monitor_options", "run_monitor"]

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


class NoAnswer(click.ClickException):
    """A service does not answer; the exit code is that of every command then."""

    exit_code = 75


def _template(*placeholders: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a callback that refuses an address without these placeholders."""

    def check(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
        try:
            return None if value is None else check_template(value, *placeholders)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return check


def monitor_options(command: Any) -> Any:
    """Add the options of the service, beside the place of Data Storage."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback only with a token."),
        click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0: a free one."),
        click.option(
            "--state",
            type=click.Path(path_type=Path, file_okay=False),
            help="A folder in which what was read is kept, so that a restart is quick.",
        ),
        click.option("--token-file", type=_FILE, help="The token that browsers and Prometheus need."),
        click.option(
            "--public-host", "hosts", multiple=True, metavar="NAME", help="A name by which browsers call the monitor."
        ),
        click.option(
            "--prometheus-url",
            metavar="URL",
            help="A Prometheus that is asked once, at the start, for the `for` of its alerting rules.",
        ),
        click.option(
            "--trace-url",
            metavar="URL",
            callback=_template("trace_id"),
            help="The address of a trace, with {trace_id}: a record's page links to it.",
        ),
        click.option(
            "--workflow-url",
            metavar="URL",
            callback=_template("name"),
            help="The address of a workflow, with {namespace} and {name}: a record's page links to it.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def run_monitor(  # noqa: PLR0913 – each is an option of the command
    url: str,
    storage_token_file: Path | None,
    *,
    host: str,
    port: int,
    token_file: Path | None,
    hosts: tuple[str, ...],
    state: Path | None = None,
    prometheus_url: str | None = None,
    trace_url: str | None = None,
    workflow_url: str | None = None,
    settings: CountingRules | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        url: Data Storage's address.
        storage_token_file: The file with its bearer token, if it needs one: of the role `read`.
        host: The address to listen on.
        port: The port.
        token_file: The file with the monitor's own token.
        hosts: Names by which browsers may call it.
        state: The folder in which what was read is kept over a restart.
        prometheus_url: The Prometheus whose rules are read; what `settings` says of an alert's `for` comes first.
        trace_url: The address of a trace, with `{trace_id}`.
        workflow_url: The address of a workflow, with `{namespace}` and `{name}`.
        settings: The settings of the counting.

    Raises:
        click.UsageError: if it would listen beyond loopback without a token, or the token is empty.
        NoAnswer: if Prometheus does not tell its rules.
    """
    import uvicorn  # noqa: PLC0415 – half a second that `--help` does without

    from kubernaut_effectiveness.service.following import Follower  # noqa: PLC0415
    from kubernaut_effectiveness.service.gate import is_loopback  # noqa: PLC0415
    from kubernaut_effectiveness.service.pages import create_pages  # noqa: PLC0415
    from kubernaut_effectiveness.service.reading import StorageReader  # noqa: PLC0415

    token = token_file.read_text().strip() if token_file is not None else None
    if token_file is not None and not token:
        raise click.UsageError(f"--token-file {token_file} is empty.")
    if token is None and not is_loopback(host):
        raise click.UsageError(f"--host {host} is not of loopback; without --token-file it listens on 127.0.0.1 only.")
    if prometheus_url is not None:
        settings = _with_rules_of(prometheus_url, settings or CountingRules())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    follower = Follower(StorageReader(url, storage_token_file), settings, state=state)
    follower.start()
    click.echo(f"the Effectiveness Monitor is at http://{host}:{port}/", err=True)
    config = uvicorn.Config(
        create_pages(follower, token, hosts, LinkTemplates(trace=trace_url, workflow=workflow_url)),
        host,
        port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run()
    finally:
        follower.stop()


def _with_rules_of(prometheus: str, settings: CountingRules) -> CountingRules:
    """Return the settings with the `for` of alerting rules, but for those that the settings name."""
    from kubernaut_effectiveness.service.alertrules import RulesUnknown, read_pending_for  # noqa: PLC0415 – as above

    try:
        known = read_pending_for(prometheus)
    except RulesUnknown as error:
        # it must not count for weeks by another quiet time than the one asked for; a Deployment starts it again
        raise NoAnswer(f"--prometheus-url: {error}") from None
    return replace(settings, pending_for={**known, **settings.pending_for})


@click.command()
@click.option("--data-storage", "url", envvar="DATA_STORAGE_URL", show_envvar=True, required=True, metavar="URL")
@click.option(
    "--data-storage-token-file", "storage_token_file", envvar="DATA_STORAGE_TOKEN_FILE", show_envvar=True, type=_FILE
)
@monitor_options
def main(url: str, storage_token_file: Path | None, **options: Any) -> None:
    """Run the Effectiveness Monitor."""
    try:
        require_web_address(url, "--data-storage")
    except InvalidInputs as error:
        raise click.UsageError(error.message) from None
    run_monitor(url, storage_token_file, **options)
