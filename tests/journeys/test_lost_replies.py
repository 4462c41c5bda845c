"""A store that loses replies, answers conflicts that are none, fails after it has written, and delivers a PUT after somebody else took over.

A real process speaks to the real S3 server through a proxy that does all this. Every statement must be acknowledged once, applied once, and the
writer that was overtaken while its PUT was on the way must say that it was fenced.
"""

from __future__ import annotations

import random
import threading

import pytest
from conftest import new_place
from driver import DONE, FENCED, Firn, Talk
from proxy import FaultyProxy
from servers import s3_environment


@pytest.fixture
def bucket(request, tmp_path):
    return new_place("s3", request, tmp_path)


@pytest.fixture
def proxied(bucket, tmp_path):
    """A proxy and a client that goes through it; `firn` goes directly."""
    proxies = []

    def make(choose):
        proxy = FaultyProxy(bucket.server.port, choose)
        proxies.append(proxy)
        return proxy, Firn(tmp_path / "home", s3_environment(proxy.endpoint))

    yield make
    for proxy in proxies:
        proxy.stop()


FAULTS = ["lost", "502 after", "503 before", "409", "412", "412 after", "cut"]


def test_every_fault_is_resolved(bucket, proxied, tmp_path):
    direct, dice, lock = Firn(tmp_path / "home", dict(bucket.environment)), random.Random(42), threading.Lock()

    def choose(method, path):
        with lock:
            return dice.choice(FAULTS) if dice.random() < 0.5 else None

    proxy, firn = proxied(choose)
    firn.sql(bucket.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY); CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT); INSERT INTO n VALUES (1, 0)")
    talk = Talk(firn, bucket.uri())
    for number in range(60):
        assert talk.ask(f"INSERT INTO t VALUES ({number})") is not None
        assert talk.ask("UPDATE n SET v = v + 1 WHERE k = 1") is not None
    assert "error" not in talk.error_text().lower(), talk.error_text()
    assert talk.end() == DONE
    assert set(proxy.injected) == set(FAULTS) and sum(proxy.injected.values()) > 60, proxy.injected
    assert direct.rows(bucket.uri(), "SELECT count(*), sum(id) FROM t") == [["60", str(sum(range(60)))]]
    assert direct.value(bucket.uri(), "SELECT v FROM n") == "60"
    direct.verify(bucket.uri(), "--replay")


@pytest.mark.parametrize("fault", FAULTS)
def test_creation_and_claim_survive(bucket, proxied, fault):
    """The first PUT of every object meets the fault: creating, claiming and fencing resolve it too."""
    seen = set()

    def choose(method, path):
        first = path not in seen
        seen.add(path)
        return fault if first else None

    proxy, firn = proxied(choose)
    firn.sql(bucket.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    firn.sql(bucket.uri(), "INSERT INTO t VALUES (1)")
    assert firn.rows(bucket.uri(), "SELECT * FROM t") == [["1"]]
    assert proxy.injected[fault] >= 4
    firn.verify(bucket.uri(), "--replay")


def test_a_put_delayed_past_a_takeover(bucket, proxied, tmp_path):
    """A's PUT is held on the way; B takes the namespace and commits; then A's PUT arrives. A is fenced, B's commit stands, A's is nowhere."""
    direct, hold = Firn(tmp_path / "home", dict(bucket.environment)), threading.Event()
    proxy, slow = proxied(lambda method, path: "hold" if hold.is_set() else None)
    direct.sql(bucket.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY, who TEXT)")
    first = Talk(slow, bucket.uri())
    assert first.ask("INSERT INTO t VALUES (1, 'first')") is not None
    hold.set()
    first.send("INSERT INTO t VALUES (2, 'first, delayed');\n")
    assert proxy.held.wait(30)
    hold.clear()
    direct.sql(bucket.uri(), "INSERT INTO t VALUES (3, 'second')")
    proxy.release.set()
    assert first.end() == FENCED
    assert "fenced" in first.error_text().lower()
    assert direct.rows(bucket.uri(), "SELECT id, who FROM t ORDER BY id") == [["1", "first"], ["3", "second"]]
    direct.verify(bucket.uri(), "--replay")
