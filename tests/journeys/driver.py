"""Drives the `firn` binary as a user would: processes, pipes, exit codes.

Promises: every call is a new process with its own environment; a failure shows the command, the exit code and both streams.
Never: a look inside the database by any other way than the binary or the stored bytes.
"""

from __future__ import annotations

import csv
import io
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DONE, STATEMENT, USAGE, STORE, INTEGRITY, FENCED = range(6)


def binary() -> Path:
    return Path(os.environ.get("FIRN", REPOSITORY / "target" / "debug" / "firn")).resolve()


@dataclass
class Answer:
    """What one process left behind."""

    command: list[str]
    code: int
    out: bytes
    err: str
    peak_rss: int = 0  # bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    def rows(self) -> list[list[str]]:
        """The rows of a csv answer, without its header; NULL is ''."""
        return list(csv.reader(io.StringIO(self.text)))[1:]

    def value(self) -> str:
        rows = self.rows()
        assert len(rows) == 1 and len(rows[0]) == 1, self
        return rows[0][0]

    def json(self):
        return json.loads(self.out)

    def __str__(self) -> str:
        shown = " ".join(part if len(part) < 300 else part[:300] + "…" for part in self.command)
        return f"{shown}\nexit code {self.code}\n--- stdout\n{self.out[-3000:].decode(errors='replace')}\n--- stderr\n{self.err[-3000:]}"


@dataclass
class Firn:
    """The binary with one user's environment: data home, store credentials."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FIRN", "XDG_"))}
        return {**kept, "XDG_DATA_HOME": str(self.home), "HOME": str(self.home), "RUST_BACKTRACE": "0", **self.extra}

    def with_environment(self, **extra: str) -> "Firn":
        return Firn(self.home, {**self.extra, **extra})

    def run(self, *args: str, expect: int | None = DONE, stdin: bytes | None = None, timeout: float = 300, preexec=None, cwd=None) -> Answer:
        """Runs to the end; asserts the exit code unless `expect` is None."""
        command = [str(binary()), *map(str, args)]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as source:
            source.write(stdin or b"")
            source.seek(0)
            process = subprocess.Popen(command, stdin=source, stdout=out, stderr=err, env=self.environment(), preexec_fn=preexec, cwd=cwd)
            usage = wait(process, timeout)
            out.seek(0)
            err.seek(0)
            answer = Answer(command, process.returncode, out.read(), err.read().decode(errors="replace"), usage.ru_maxrss * 1024)
        assert "panicked at" not in answer.err, str(answer)
        if expect is not None:
            assert answer.code == expect, str(answer)
        return answer

    def sql(self, uri: str, *statements: str, expect: int | None = DONE, flags: tuple[str, ...] = (), timeout: float = 300) -> Answer:
        args = [part for statement in statements for part in ("-c", statement)]
        return self.run("sql", uri, *args, *flags, expect=expect, timeout=timeout)

    def rows(self, uri: str, query: str, *flags: str) -> list[list[str]]:
        return self.sql(uri, query, flags=("--format", "csv", *flags)).rows()

    def value(self, uri: str, query: str, *flags: str) -> str:
        return self.sql(uri, query, flags=("--format", "csv", *flags)).value()

    def table(self, uri: str, query: str, *flags: str):
        """The answer as a pyarrow table."""
        import pyarrow.ipc

        return pyarrow.ipc.open_stream(self.sql(uri, query, flags=("--format", "arrow", *flags)).out).read_all()

    def load(self, uri: str, table: str, *files, flags: tuple[str, ...] = (), expect: int | None = DONE, **options) -> Answer:
        return self.run("load", uri, table, *files, *flags, expect=expect, **options)

    def position(self, uri: str) -> int:
        return int(self.value(uri, "SELECT firn_position()", "--read-only"))

    def verify(self, uri: str, *flags: str, expect: int | None = DONE) -> Answer:
        return self.run("verify", uri, *flags, expect=expect)

    def spawn(self, *args: str, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec=None) -> subprocess.Popen:
        command = [str(binary()), *map(str, args)]
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=self.environment(), preexec_fn=preexec)


def wait(process: subprocess.Popen, timeout: float):
    """Reaps the process and returns its resource usage; kills it when the time is up."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGKILL)
            os.wait4(process.pid, 0)
            process.returncode = -9
            raise AssertionError(f"{process.args} did not end within {timeout} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


class Talk:
    """A long-lived `firn sql` process, fed one statement at a time through its standard input."""

    def __init__(self, firn: Firn, uri: str, *flags: str):
        self.errors = tempfile.TemporaryFile()
        self.process = firn.spawn("sql", uri, "--format", "csv", *flags, stderr=self.errors)
        self.buffer = b""
        self.asked = 0

    def send(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def line(self, timeout: float = 30) -> str | None:
        """The next whole line of its output; None when the output ended."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no line within {timeout} s; so far {self.buffer!r}; stderr: {self.error_text()}")
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def ask(self, statement: str, timeout: float = 30) -> list[str] | None:
        """Sends the statement and a marker query after it; the lines in between are its answer. None when the process ended instead."""
        self.asked += 1
        marker = f"marker-{self.asked}"
        try:
            self.send(f"{statement};\nSELECT '{marker}' AS done;\n")
        except BrokenPipeError:
            return None
        lines: list[str] = []
        while True:
            line = self.line(timeout)
            if line is None:
                return None
            if line == marker:
                return [entry for entry in lines if entry != "done"]
            lines.append(line)

    def error_text(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def end(self, timeout: float = 60) -> int:
        """Closes its input and waits; returns the exit code."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        wait(self.process, timeout)
        self.process.stdout.close()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass
