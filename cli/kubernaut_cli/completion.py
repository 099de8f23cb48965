"""The completions of the shell beside commands and options: action types, workflow names, record ids.

Click calls these functions when a person presses Tab. They say nothing rather than an error, and give up after a
moment: a shell must not hang.
"""

import os
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

__all__ = [
    "complete_cluster_workflows",
    "complete_records",
    "complete_types",
    "complete_whole_ids",
    "complete_workflows",
]

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_PATIENCE = 2.0
"""Seconds for an answer of Data Storage."""
_MOST = 200
"""The most records that are looked at."""


def _quietly(find: Callable[[click.Context], Iterator[CompletionItem]]) -> Complete:
    """Return a completion that offers what begins with the typed text, and nothing where it cannot be found out."""

    @wraps(find)
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = {item.value: item for item in find(ctx) if str(item.value).startswith(incomplete)}
        except Exception:
            return []
        return list(found.values())

    return complete


@_quietly
def complete_types(ctx: click.Context) -> Iterator[CompletionItem]:
    """Yield the types of the installed actions, or of those of `--image`."""
    from kubernaut_cli.catalog import action_entries  # noqa: PLC0415 – only where Tab is pressed

    for entry in action_entries(ctx.params.get("image")):
        yield CompletionItem(entry["action_type"], help=str(entry["summary"]).partition("\n")[0])


@_quietly
def complete_workflows(ctx: click.Context) -> Iterator[CompletionItem]:
    """Yield the names of the workflows of the newest records."""
    for record in _newest_records(ctx):
        if workflow := record.get("workflow"):
            yield CompletionItem(workflow["name"], help=record["id"][:8])


def complete_records(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the newest records as `kubernaut history` shows them; whole ones where no such one fits."""
    return _complete_short_ids(ctx, param, incomplete) or complete_whole_ids(ctx, param, incomplete)


@_quietly
def _complete_short_ids(ctx: click.Context) -> Iterator[CompletionItem]:
    from kubernaut_cli.history.reading import short_id  # noqa: PLC0415 – only where Tab is pressed

    for record in _newest_records(ctx):
        yield CompletionItem(short_id(UUID(record["id"])), help=_about(record))


@_quietly
def complete_whole_ids(ctx: click.Context) -> Iterator[CompletionItem]:
    """Yield the whole ids of the newest records."""
    for record in _newest_records(ctx):
        yield CompletionItem(record["id"], help=_about(record))


def _about(record: dict[str, Any]) -> str:
    return " ".join(str(record[name]) for name in ("action_type", "state") if record.get(name))


@_quietly
def complete_cluster_workflows(ctx: click.Context) -> Iterator[CompletionItem]:
    """Yield the names of the WorkflowExecutions of the namespace."""
    from kubernaut_cli.cluster import ClusterClient  # noqa: PLC0415 – only where Tab is pressed
    from kubernaut_cli.clusterrun import phase_of  # noqa: PLC0415 – as above

    cluster = ClusterClient(ctx.params.get("context"), ctx.params.get("namespace"))
    for document in cluster.list_all():
        yield CompletionItem(document["metadata"]["name"], help=phase_of(document))


def _newest_records(ctx: click.Context) -> list[dict[str, Any]]:
    from kubernaut_cli.store import open_record_store  # noqa: PLC0415 – only where Tab is pressed
    from kubernaut_datastorage.folder import DATABASE, data_folder  # noqa: PLC0415 – as above
    from kubernaut_sdk.storage import RECORDS  # noqa: PLC0415 – as above

    given = ctx.params.get("data")
    data = Path(given) if given else None
    if (data is not None or not os.environ.get("DATA_STORAGE_URL")) and not (data_folder(data) / DATABASE).exists():
        return []
    with open_record_store(data) as store:
        client = store.client()
        try:
            query = {"limit": str(_MOST), "fields": "id,action_type,state,workflow"}
            found: list[dict[str, Any]] = client.get(RECORDS, query, _PATIENCE)["items"]
        finally:
            client.close()
    return found
