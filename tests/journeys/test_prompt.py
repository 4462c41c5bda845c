"""The prompt on a terminal: a pseudo-terminal types what a person would type."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

import pytest
from driver import binary

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Terminal:
    def __init__(self, firn, uri: str):
        self.master, slave = pty.openpty()
        environment = {**firn.environment(), "TERM": "xterm", "COLUMNS": "200", "XDG_STATE_HOME": str(firn.home / "state")}
        own = lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
        self.process = subprocess.Popen([str(binary()), "sql", uri], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, preexec_fn=own)
        os.close(slave)
        self.until("")

    def until(self, text: str, timeout: float = 60) -> str:
        """Reads until `text` and after it a prompt have come: what is typed before a prompt is there may be dropped. What came."""
        deadline, came = time.monotonic() + timeout, ""
        while text not in came or not came.endswith(("=> ", "-> ", "=*> ", "=!> ")):
            assert time.monotonic() < deadline, f"{text!r} did not come: {came!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    came += CONTROL.sub("", os.read(self.master, 1 << 16).decode(errors="replace"))
                except OSError:
                    break
        return came

    def type(self, line: str, until: str) -> str:
        os.write(self.master, line.encode() + b"\r")
        return self.until(until)

    def end(self) -> int:
        os.write(self.master, b"\x04")
        try:
            return self.process.wait(20)
        finally:
            os.close(self.master)


@pytest.fixture
def terminal(folder_place, firn):
    opened = Terminal(firn, folder_place.uri())
    yield opened
    if opened.process.poll() is None:
        opened.process.kill()
        opened.process.wait()


def test_a_conversation(terminal, firn, folder_place):
    terminal.type("CREATE TABLE cities (name TEXT PRIMARY KEY, people BIGINT);", "CREATE TABLE")
    terminal.type("INSERT INTO cities VALUES ('Oslo', 717710),", "717710")  # goes on over lines
    terminal.type("('Bergen', 291940);", "INSERT 0 2")
    assert "cities" in terminal.type("\\d", "cities")
    described = terminal.type("\\d cities", "people")
    assert "name" in described
    terminal.type("\\timing", "on")
    timed = terminal.type("SELECT count(*) AS cities_counted FROM cities;", "round trip")
    assert "cities_counted" in timed and "request" in timed
    terminal.type("\\x", "on")
    terminal.type("SELECT * FROM cities WHERE name = 'Oslo';", "717710")
    terminal.type("DELETE FROM cities;", "DELETE 2")
    terminal.type("\\asof 2", "2")
    terminal.type("SELECT count(*) AS then_there FROM cities;", "2")
    assert "42P01" in terminal.type("SELECT * FROM nowhere;", "42P01")  # an error does not end it
    assert terminal.end() == 0
    assert firn.value(folder_place.uri(), "SELECT count(*) FROM cities") == "0"


def test_interrupt_cancels_the_query_and_keeps_the_session(terminal):
    terminal.type("CREATE TABLE t (id BIGINT PRIMARY KEY);", "CREATE TABLE")
    os.write(terminal.master, b"SELECT sum(x) FROM generate_series(1, 1000000000000) AS a(x);\r")
    time.sleep(1)
    os.write(terminal.master, b"\x03")
    assert "cancel" in terminal.until("ancel")
    terminal.type("INSERT INTO t VALUES (1);", "INSERT 0 1")
    assert terminal.end() == 0


@pytest.mark.parametrize("condition", ["true", "x + y < 0", "x % 2 = y % 2 AND x + y < 0"])  # the last two make no row at all
def test_interrupted_joins_let_go_and_fail_their_transaction(terminal, condition):
    terminal.type("CREATE TABLE t (id BIGINT PRIMARY KEY);", "CREATE TABLE")
    join = f"SELECT count(*) FROM generate_series(1, 3000000) a(x) JOIN generate_series(1, 3000000) b(y) ON {condition};"
    terminal.type("BEGIN; INSERT INTO t VALUES (1);", "INSERT 0 1")
    for time_of_it in range(5):  # more often than there are threads
        os.write(terminal.master, f"{join} COMMIT;\r".encode())
        time.sleep(1)
        os.write(terminal.master, b"\x03")
        came = terminal.until("cancelled")
        assert "cancelled" in came and "COMMIT\n" not in came
        if time_of_it == 0:
            assert "25P02" in terminal.type("SELECT 1;", "25P02")
            terminal.type("ROLLBACK;", "ROLLBACK\n")
        assert " 0\n" in terminal.type("SELECT count(*) FROM t;", "1 row")
    before = processor_seconds(terminal.process.pid)
    time.sleep(1)
    assert processor_seconds(terminal.process.pid) - before < 0.3, "something works on"
    os.write(terminal.master, b"exit\r")
    assert terminal.process.wait(10) == 0


def processor_seconds(process: int) -> float:
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_history_is_kept(terminal, firn):
    terminal.type("SELECT 4711 AS remembered;", "4711")
    assert terminal.end() == 0
    kept = list((firn.home / "state").rglob("history"))
    assert kept and "4711" in kept[0].read_text()
