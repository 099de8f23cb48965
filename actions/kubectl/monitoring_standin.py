"""A small Prometheus and Alertmanager on loopback for conformance.yaml, with one series and one alert that fires.

python3 monitoring_standin.py serve PORT
python3 monitoring_standin.py reset PORT     forgets the silences
python3 monitoring_standin.py state PORT     prints them
"""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALERT = {"labels": {"alertname": "Latency"}}
SERIES = {"metric": {"__name__": "up"}, "value": [0, "1"]}
QUERY = {"status": "success", "data": {"resultType": "vector", "result": [SERIES]}}
silences: list[dict[str, Any]] = []


class MonitoringHandler(BaseHTTPRequestHandler):
    """The calls of both APIs that the actions make."""

    def _respond(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, document = self._answer(self.path.partition("?")[0], text)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, path: str, text: bytes) -> tuple[int, Any]:
        match self.command, path:
            case "POST", "/api/v1/query":
                return 200, QUERY
            case "GET", "/api/v2/alerts":
                return 200, [ALERT]
            case "GET", "/api/v2/silences":
                return 200, silences
            case "POST", "/api/v2/silences":
                silences.append({**json.loads(text), "id": f"s{len(silences)}", "status": {"state": "active"}})
                return 200, {"silenceID": silences[-1]["id"]}
            case "DELETE", "/standin":
                silences.clear()
                return 200, {}
        return 404, {"message": f"{self.command} {path} is not here"}

    do_GET = do_POST = do_DELETE = _respond  # noqa: N815 – the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Write no access log."""


def call(method: str, port: str, path: str) -> Any:
    """Call the stand-in, and return its answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 – on this machine
        return json.load(answer)


if __name__ == "__main__":
    verb, port = sys.argv[1:]
    if verb == "serve":
        ThreadingHTTPServer(("127.0.0.1", int(port)), MonitoringHandler).serve_forever()
    elif verb == "reset":
        call("DELETE", port, "/standin")
    else:
        print(json.dumps(call("GET", port, "/api/v2/silences")))
