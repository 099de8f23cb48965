"""Links: between the pages, and from a record's page to where its trace is shown, and its workflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["AS_PAGE", "LinkTemplates", "check_template", "page_link", "path_of_name"]

AS_PAGE = ("as", "page")
"""The query of a page whose name ends with `.json`, which would be the content of another one."""


def path_of_name(name: str) -> str:
    """Return a name as the end of a path. Browsers take `..` out of a path, unless its slashes are quoted."""
    return quote(name, safe="" if {".", ".."} & set(name.split("/")) else "/")


def page_link(name: str) -> str:
    """Return the link to the page of a name, after the kind of page."""
    return f"{path_of_name(name)}?{'='.join(AS_PAGE)}" if name.endswith(".json") else path_of_name(name)


@dataclass(frozen=True, kw_only=True)
class LinkTemplates:
    """Addresses with placeholders; None for no link.

    Attributes:
        trace: With `{trace_id}`, such as `https://jaeger.example/trace/{trace_id}`.
        workflow: With `{namespace}` and `{name}`, such as an address of the Tekton Dashboard.
    """

    trace: str | None = None
    workflow: str | None = None

    def of_record(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return the links of a record: `trace` and `workflow`, each where its address is known.

        What the record says is quoted, so that it stays the part of the address that the template gives it.
        """
        links: dict[str, str] = {}
        if self.trace and (trace_id := record.get("trace_id")):
            links["trace"] = self.trace.replace("{trace_id}", quote(str(trace_id), safe=""))
        workflow = record.get("workflow")
        if self.workflow and isinstance(workflow, Mapping) and workflow.get("name"):
            known = {name: quote(str(workflow.get(name) or ""), safe="") for name in ("namespace", "name")}
            links["workflow"] = self.workflow.replace("{namespace}", known["namespace"]).replace(
                "{name}", known["name"]
            )
        return links


def check_template(address: str, *placeholders: str) -> str:
    """Return the address if it is one.

    Raises:
        ValueError: if it is not an address of http or https, or lacks a placeholder in its path, query or fragment.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(f"{address}: it must be an http:// or https:// address.")
    rest = address.partition(parts.netloc)[2]
    if missing := [name for name in placeholders if f"{{{name}}}" not in rest]:
        raise ValueError(f"{address}: after the host it must hold {{{missing[0]}}}.")
    return address
