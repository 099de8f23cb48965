"""A proxy between an action and its target that records each request and the permission it takes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from select import select
from socket import create_connection
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from kubernaut_conformance.aws_requests import aws_permission
from kubernaut_conformance.loopback_server import LoopbackServer

__all__ = ["RecordedRequest", "TargetProxy", "read_request"]

_SKIPPED_HEADERS = {
    "connection",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
}
"""Headers of one connection only (RFC 9110, 7.6.1), and those that the proxy sets itself."""

_PART = 65536
_Protocol = Literal["http", "aws", "kubernetes"]


@dataclass(frozen=True)
class RecordedRequest:
    """A request that passed the proxy.

    Attributes:
        summary: The request in a report, such as `GET /api/v1/pods`.
        writes: True if it could change something.
        permission: The permission it takes, as a spec's `permissions` are written; None where that is not known.
    """

    summary: str
    writes: bool
    permission: str | None = None


class TargetProxy(LoopbackServer):
    """A proxy on a free port of loopback that records requests and forwards them unchanged.

    Args:
        upstream: The address of the target.
        speaks: The protocol of the target, by which requests are read.

    Attributes:
        requests: The requests recorded so far.
    """

    def __init__(self, upstream: str, speaks: _Protocol) -> None:
        self.upstream = urlsplit(upstream)
        self.speaks = speaks
        self.requests: list[RecordedRequest] = []
        super().__init__(_TargetProxyHandler)


class _TargetProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TargetProxy

    def _forward(self) -> None:
        body = self._read_body()
        self.server.requests.append(
            read_request(self.server.speaks, self.command, self.path, dict(self.headers.items()), body)
        )
        if "watch=true" in self.path:
            self._stream()
            return
        forwarded = {name: value for name, value in self.headers.items() if name.lower() not in _SKIPPED_HEADERS}
        upstream = HTTPConnection(self.server.upstream.hostname or "", self.server.upstream.port, timeout=30)
        try:
            upstream.request(self.command, self.server.upstream.path.rstrip("/") + self.path, body or None, forwarded)
            answer = upstream.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            self.send_error(502, f"upstream: {error}")
            return
        finally:
            upstream.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _SKIPPED_HEADERS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _stream(self) -> None:
        """Pass the answer of a watch on as it comes, until one side ends the connection."""
        self.close_connection = True
        server = self.server.upstream
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _SKIPPED_HEADERS}
        headers |= {"host": server.netloc, "connection": "close"}
        lines = [f"{self.command} {server.path.rstrip('/')}{self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            with create_connection((server.hostname or "", server.port or 80), timeout=30) as upstream:
                upstream.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
                while self.connection not in select([upstream, self.connection], [], [])[0]:
                    if not (part := upstream.recv(_PART)):
                        break
                    self.connection.sendall(part)
        except OSError:  # one side has gone, and so the watch is over
            return

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # http.server calls do_GET, do_PATCH and so on: every method is forwarded
            return self._forward
        raise AttributeError(name)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def log_message(self, *_args: object) -> None:
        """Write no access log."""


def read_request(speaks: _Protocol, method: str, path: str, headers: Mapping[str, str], body: bytes) -> RecordedRequest:
    """Return what a request does and which permission it takes.

    Args:
        speaks: The protocol of the target, as the scenario file names it.
        method: The HTTP method.
        path: The path with its query.
        headers: The request's headers.
        body: The request's body.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    match speaks:
        case "kubernetes":
            return _read_kubernetes_request(method, path)
        case "aws":
            return _read_aws_request(method, path, lower, body)
        case _:
            return RecordedRequest(f"{method} {path}", method not in {"GET", "HEAD", "OPTIONS"})


_OBJECT = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/(?:namespaces/[^/]+/(?=[^/]))?(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?/?$"
)
_VERBS = {"DELETE": "delete", "GET": "get", "HEAD": "get", "PATCH": "patch", "POST": "create", "PUT": "update"}


def _read_kubernetes_request(method: str, path: str) -> RecordedRequest:
    """Read a path as the API server's authorization does (Kubernetes documentation, "Determine the request verb")."""
    url = urlsplit(path)
    found = _OBJECT.match(url.path)
    summary = f"{method} {url.path}"
    if found is None or (found["resource"] == "namespaces" and found["name"] is None and method == "GET"):
        return RecordedRequest(summary, method not in {"GET", "HEAD", "OPTIONS"})
    query = parse_qs(url.query)
    verb = _VERBS.get(method, method.lower())
    if found["name"] is None and verb in {"get", "delete"}:
        verb = (
            "deletecollection"
            if verb == "delete"
            else "watch"
            if query.get("watch", ["false"])[0] in {"true", "1"}
            else "list"
        )
    resource = f"{found['resource']}/{found['sub']}" if found["sub"] else found["resource"]
    if found["group"]:
        resource = f"{found['group']}/{resource}"
    reviews = (found["group"] or "") in {"authorization.k8s.io", "authentication.k8s.io"}
    writes = verb not in {"get", "list", "watch"} and not reviews and "dryRun=All" not in url.query
    return RecordedRequest(summary, writes, None if reviews else f"{resource}: {verb}")


_READS = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Search", "Simulate")


def _read_aws_request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> RecordedRequest:
    """Read the operation; of a REST protocol that the kit does not know, only the method is known."""
    if (permission := aws_permission(method, path, headers, body)) is None:
        return RecordedRequest(f"{method} {path}", method not in {"GET", "HEAD", "OPTIONS"})
    return RecordedRequest(permission, not permission.partition(":")[2].startswith(_READS), permission)
