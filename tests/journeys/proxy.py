"""An HTTP proxy between firn and the S3 server that makes conditional PUTs go wrong on purpose.

Promises: what it forwards is byte for byte what came (the signature still holds); each injected fault is counted by name.
Faults: `lost` (the PUT took effect, the connection is closed without a reply), `502 after` (took effect, answered 502), `503 before` (not
forwarded), `409` and `412` (not forwarded, the store claims a conflict that does not exist), `412 after` (took effect, the answer says it did
not), `cut` (the connection ends before anything was forwarded), and `hold` (kept back until released).
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
ANSWERS = {
    "502 after": (502, "BadGateway"),
    "503 before": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
    "412": (412, "PreconditionFailed"),
    "412 after": (412, "PreconditionFailed"),
}
TAKES_EFFECT = {"lost", "502 after", "412 after"}


class FaultyProxy:
    """`choose(method, path)` names the fault of each conditional PUT, or None."""

    def __init__(self, port: int, choose):
        self.upstream, self.choose = port, choose
        self.injected: Counter = Counter()
        self.held = threading.Event()
        self.release = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def forward(self, request: BaseHTTPRequestHandler, body: bytes):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def handler(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status: int, headers, data: bytes, length: str | None = None):
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length if length is not None else str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                conditional = self.command == "PUT" and self.headers.get("If-None-Match") == "*"
                fault = proxy.choose(self.command, self.path) if conditional else None
                if fault:
                    proxy.injected[fault] += 1
                if fault == "hold":
                    proxy.held.set()
                    proxy.release.wait(60)
                if fault in TAKES_EFFECT:
                    proxy.forward(self, body)
                if fault in ("lost", "cut"):
                    self.close_connection = True
                    return
                if fault in ANSWERS:
                    status, code = ANSWERS[fault]
                    return self.answer(status, [("Content-Type", "application/xml")], ERROR.format(code=code).encode())
                response, data = proxy.forward(self, body)
                length = response.getheader("Content-Length") if self.command == "HEAD" else None
                self.answer(response.status, response.getheaders(), data, length)

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any

        return Handler
