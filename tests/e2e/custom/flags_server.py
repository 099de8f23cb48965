"""A service for feature flags: GET reads one, PUT sets it."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLAGS: dict[str, bytes] = {}


class Flags(BaseHTTPRequestHandler):
    """The handler; each path is a flag."""

    def do_GET(self) -> None:
        self._answer(FLAGS.get(self.path, b"false"))

    def do_PUT(self) -> None:
        FLAGS[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(FLAGS[self.path])

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Flags).serve_forever()
