"""The routes: pages drawn here, the same content as JSON beside each, and what a browser needs."""

import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kubernaut_effectiveness.patterns.report import pattern_sections
from kubernaut_effectiveness.service import documents, pictures
from kubernaut_effectiveness.service.changes import changed_lines, diff_lines
from kubernaut_effectiveness.service.following import Follower, View
from kubernaut_effectiveness.service.gate import COOKIE, MonitorGate, session_of
from kubernaut_effectiveness.service.links import AS_PAGE, LinkTemplates, page_link, path_of_name
from kubernaut_effectiveness.service.metrics import MonitorMetrics
from kubernaut_effectiveness.service.proofs import is_proof_valid
from kubernaut_effectiveness.service.reading import StorageFault, target_text
from kubernaut_effectiveness.service.visible import breakable, visible
from kubernaut_effectiveness.verdicts import words
from kubernaut_effectiveness.verdicts.models import ActionVerdict, Share

__all__ = ["create_pages"]

logger = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",  # with none at all, a browser says of the login form that it is of no site
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_TYPES = {
    "pictures.css": "text/css; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_LONGEST_FORM = 4096
_UNKNOWN = {
    "target": "no record of the last 90 days names it as its target",
    "signal": "Data Storage was told of no alert of that name in the last 90 days",
    "action": "no record of the last 90 days is of that type",
    "record": "Data Storage has no record of that id",
}
"""Reasons why a page of one thing has nothing to show, by its template."""

Document = dict[str, Any]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kubernaut_effectiveness.service"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "visible": visible,
        "percent": words.percent,
        "points": words.points,
        "link": page_link,
        "breakable": breakable,
        "minute": lambda text: _moment(text, "%Y-%m-%d %H:%M"),
        "second": lambda text: _moment(text, "%Y-%m-%d %H:%M:%S"),
    }
    environment.globals |= {"words": words, "pictures": pictures, "verdict_of": ActionVerdict.model_validate}
    environment.globals |= {"share_of": Share.model_validate, "diff": diff_lines, "changed_lines": changed_lines}
    return environment


def _moment(text: str, form: str) -> Markup:
    """Return a time as people read it; what is none stays as it is."""
    try:
        shown = datetime.fromisoformat(text).astimezone(UTC).strftime(form)
    except ValueError:
        return Markup(escape(visible(text, 40)))  # noqa: S704 – escaped
    return Markup('<time datetime="{}">{}</time>').format(text, shown)


class _TextConvertor(Convertor[str]):
    """A part of a path that is any text; Starlette's own ends at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("text", _TextConvertor())


class _Pages:
    def __init__(self, follower: Follower, token: str | None, links: LinkTemplates) -> None:
        self._follower, self._token, self._links = follower, token, links
        self._environment = _environment()
        self._metrics = MonitorMetrics()
        self._rows: dict[str, tuple[ActionVerdict, Markup]] = {}

    def routes(self) -> list[Route]:
        def view() -> View:
            return self._follower.view

        return [
            *self._page("/", "/index", "front", lambda _name: documents.front_page(view())),
            *self._page("/patterns", "/patterns", "patterns", lambda _name: documents.patterns_page(view())),
            *self._page("/targets", "/targets", "targets", lambda _name: documents.targets_page(view())),
            *self._page("/signals", "/signals", "signals", lambda _name: documents.signals_page(view())),
            self._named("/targets/{name:text}", "target", lambda name: documents.target_page(view(), name)),
            self._named("/signals/{name:text}", "signal", lambda name: documents.signal_page(view(), name)),
            self._named("/actions/{name:text}", "action", lambda name: documents.action_page(view(), name)),
            self._named("/records/{name}", "record", self._record),
            Route("/status", self._status),
            Route("/login", self._login_form, methods=["GET"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/static/{name}", self._static),
            Route("/healthz", self._healthz),
            Route("/metrics", self._render_metrics),
        ]

    def _page(
        self, path: str, json_path: str, template: str, document: Callable[[str], Document | None]
    ) -> list[Route]:
        async def page(_request: Request) -> Response:
            found = await run_in_threadpool(document, "") or {}
            if template == "patterns":
                found = {**found, "sections": list(pattern_sections(self._follower.view.patterns))}
            elif template == "front":
                found = {**found, "rows": [self._row(verdict) for verdict in self._follower.view.verdicts]}
            return self._html(template, {**found, "json_path": f"{json_path}.json"})

        async def as_json(_request: Request) -> Response:
            return _json(await run_in_threadpool(document, ""))

        return [Route(path, page), Route(f"{json_path}.json", as_json)]

    def _row(self, verdict: ActionVerdict) -> Markup:
        """Return an action type's row of the front page; that of a verdict that is as it was is kept."""
        known = self._rows.get(verdict.action_type)
        if known is None or known[0] != verdict:
            drawn = Markup(self._environment.get_template("row.html").render(verdict=verdict))  # noqa: S704 – escaped
            known = self._rows[verdict.action_type] = (verdict, drawn)
        return known[1]

    def _named(self, path: str, template: str, document: Callable[[str], Document | None]) -> Route:
        async def page(request: Request) -> Response:
            name = request.path_params["name"]
            wants_json = name.endswith(".json") and AS_PAGE not in request.query_params.items()
            if self._follower.view.read_at is None:
                problem = "Nothing is known yet: Data Storage has not answered since this monitor started."
                return self._problem(problem, 503, wants_json=wants_json)
            try:
                found = await run_in_threadpool(document, name.removesuffix(".json") if wants_json else name)
                if found is None and wants_json:  # a ConfigMap may be called settings.json
                    found = await run_in_threadpool(document, name)
                    wants_json = found is None
            except StorageFault as error:
                return self._problem(f"{error}.", 503, wants_json=wants_json)
            if found is None:
                problem = f"Nothing is known of {visible(name, 200)}: {_UNKNOWN[template]}."
                return self._problem(problem, 404, wants_json=wants_json)
            if wants_json:
                return _json(found)
            place = path.partition("{")[0]
            return self._html(template, {**found, "name": name, "json_path": f"{place}{path_of_name(name)}.json"})

        return Route(path, page)

    def _problem(self, problem: str, status: int, *, wants_json: bool) -> Response:
        return (
            _json({"problem": problem}, status) if wants_json else self._html("problem", {"problem": problem}, status)
        )

    def _record(self, record_id: str) -> Document | None:
        if len(record_id) != 36:
            return None
        record = self._follower.reader.record(record_id)
        if record is None:
            return None
        proof = self._follower.reader.proof(record_id)
        return {
            "standing": documents.standing(self._follower.view),
            "record": record,
            "target_name": target_text(record.get("target")),
            "links": self._links.of_record(record),
            "events": documents.events_of(record),
            "proof": proof,
            "proof_valid": None if proof is None else is_proof_valid(proof),
        }

    async def fail(self, request: Request, error: Exception) -> Response:
        """Show that a page failed; its log says more."""
        logger.error("%s failed", request.url.path, exc_info=error)
        return self._html(
            "problem", {"problem": "The monitor failed in a way that nobody foresaw; its log says more."}, 500
        )

    async def _status(self, _request: Request) -> Response:
        return self._html("status", {"standing": documents.standing(self._follower.view)})

    async def _login_form(self, request: Request) -> Response:
        return self._html("login", {"problem": None, "next": _local(request.query_params.get("next", "/"))})

    async def _login(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_FORM:
                return PlainTextResponse("the form is too large.\n", 413)
        fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        place = _local(fields.get("next", "/"))
        if self._token is None:
            return RedirectResponse(place, 303)
        if not hmac.compare_digest(fields.get("token", "").strip().encode(), self._token.encode()):
            return self._html("login", {"problem": "This is not the monitor's token.", "next": place}, 401)
        answer = RedirectResponse(place, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, session_of(self._token), httponly=True, samesite="strict", secure=secure)
        return answer

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _TYPES:
            return PlainTextResponse("there is no such file.\n", 404)
        headers = {**_HEADERS, "cache-control": "max-age=3600"}
        return Response((_STATIC / name).read_bytes(), media_type=_TYPES[name], headers=headers)

    async def _healthz(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _render_metrics(self, _request: Request) -> Response:
        body, media_type = await run_in_threadpool(self._metrics.render, self._follower.view)
        return Response(body, headers={"content-type": media_type})

    def _html(self, template: str, values: Document, status: int = 200) -> Response:
        text = self._environment.get_template(f"{template}.html").render(
            {"json_path": None, "has_login": self._token is not None, **values}
        )
        return HTMLResponse(text, status, headers=_HEADERS)


def _json(document: Any, status: int = 200) -> Response:
    """Return a document as JSON: fast, or as Python writes it where a record holds what the fast way refuses."""
    try:
        body = msgspec.json.encode(document)
    except (OverflowError, TypeError, ValueError):  # an integer of more than 64 bits, half of a surrogate pair
        body = json.dumps(document).encode()
    return Response(body, status, media_type="application/json", headers=_HEADERS)


def _local(place: str) -> str:
    """Return a place within the monitor, whatever a link said."""
    return place if place.startswith("/") and not place.startswith(("//", "/\\")) else "/"


def create_pages(
    follower: Follower, token: str | None = None, hosts: tuple[str, ...] = (), links: LinkTemplates | None = None
) -> ASGIApp:
    """Return the application.

    Args:
        follower: Its newest view is shown.
        token: The token that a browser or a program needs, if any.
        hosts: Names by which it may be called, beside those of loopback.
        links: The addresses to which a record's page leads, if any.
    """
    pages = _Pages(follower, token, links or LinkTemplates())
    app = Starlette(routes=pages.routes(), exception_handlers={Exception: pages.fail})
    return MonitorGate(app, token, hosts)
