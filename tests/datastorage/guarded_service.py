"""A Data Storage Service behind its gate, with a small server that answers its TokenReviews."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from kubernaut_datastorage.gate import Gate
from kubernaut_datastorage.server import hosted
from kubernaut_datastorage.store import Store
from kubernaut_datastorage.tokenreview import KubernetesTokenReviewer
from kubernaut_datastorage.tokens import AccessFile, Tokens, generate_token
from kubernaut_sdk.incluster import ServiceAccount

MakeStore = Callable[..., Store]
Make = Callable[..., dict[str, Any]]
RECORDS = "/api/v1/action-records"
WRITE, READ, SHOP, ALERTS, SCRAPER = (generate_token() for _ in range(5))
CONTROLLER = "system:serviceaccount:kubernaut-system:kubernaut-controller"


class TokenReviewServer(ThreadingHTTPServer):
    """Answers TokenReviews as the API server does. A token here is `x.POD.NAMESPACE`; the real one is in tests/e2e."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenReviewHandler)
        self.asked: list[dict[str, Any]] = []
        self.down = False


class TokenReviewHandler(BaseHTTPRequestHandler):
    server: TokenReviewServer

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({**review["spec"], "by": self.headers["authorization"]})
        kind, pod, namespace = review["spec"]["token"].split(".")
        account = CONTROLLER if kind == "controller" else f"system:serviceaccount:{namespace}:runner"
        extra = {
            "authentication.kubernetes.io/pod-name": [f"{pod}-pod"],
            "authentication.kubernetes.io/pod-uid": [pod],
        }
        status: dict[str, Any] = {
            "authenticated": kind != "bad",
            "audiences": ["other"] if kind == "other" else ["kubernaut-data-storage"],
            "user": {"username": account, "extra": {} if kind in {"controller", "podless"} else extra},
        }
        body = json.dumps({"status": status}).encode()
        self.send_response(500 if self.server.down else 201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def guarded(
    store: Store, access: Path, kubernetes: TokenReviewServer, folder: Path, rate: float = 1000
) -> Iterator[Callable[[str], httpx.Client]]:
    """A service behind its gate; gives a client for a token."""
    (folder / "token").write_text("mine\n")
    url = f"http://127.0.0.1:{kubernetes.server_port}"
    reviews = KubernetesTokenReviewer(url, ServiceAccount(folder), "kubernaut-data-storage")
    tokens = Tokens(AccessFile(access), reviews)
    clients: list[httpx.Client] = []

    def client(token: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        clients.append(httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30))
        return clients[-1]

    with hosted(store, lambda app: Gate(app, tokens, rate)) as running:
        yield client
        for one in clients:
            one.close()


def outcome(client: httpx.Client, *events: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(RECORDS, json=events)
    assert answer.status_code == 200, answer.text
    last: dict[str, Any] = answer.json()[-1]
    return last
