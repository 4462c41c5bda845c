"""A gateway of its own for a test: `firn serve` as a process, spoken to over HTTP.

Promises: it listens on a free port of loopback; what it answers is given back as it came, errors too.
Never: a gateway outlives its test.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from driver import Firn


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> dict:
        assert self.status == status, (self.status, self.body)
        assert self.headers["content-type"] == "application/problem+json", self.headers
        document = self.json()
        assert (document["status"], document["code"]) == (status, code), document
        return document


class Gateway:
    def __init__(self, firn: Firn, store: str, log: Path):
        self.firn, self.store, self.log = firn, store, log
        self.process: subprocess.Popen | None = None
        self.url = ""

    def start(self) -> "Gateway":
        with open(self.log, "ab") as log:
            begin = log.tell()
            self.process = self.firn.spawn("serve", "--store", self.store, "--http", "127.0.0.1:0", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(rb"at (http://\S+)", self.log.read_bytes()[begin:])
            if found:
                self.url = found.group(1).decode()
                return self
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return self.process.returncode

    def call(self, method: str, path: str, key: str | None = None, body=None, timeout: float = 60, **headers: str) -> Reply:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                return Reply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read())
        except urllib.error.HTTPError as reply:
            return Reply(reply.code, {k.lower(): v for k, v in reply.headers.items()}, reply.read())

    def sql(self, ns: str, key: str, sql: str, *params, **more) -> Reply:
        return self.call("POST", f"/v1/sql?ns={ns}", key, {"sql": sql, "params": list(params), **more})

    def rows(self, ns: str, key: str, sql: str, *params, **more) -> list:
        reply = self.sql(ns, key, sql, *params, **more)
        assert reply.status == 200, reply.body
        return reply.json()["rows"]

    def operator(self) -> str:
        return (self.firn.home / "firn" / "operator.key").read_text().strip()
