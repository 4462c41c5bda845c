"""A real process is killed at random moments, again and again; what it had acknowledged must be there, once.

One client writes step after step through the standard input of `firn sql`; step n is acknowledged when the answer to a query sent after it
has been read. SIGKILL comes at a random moment: while the namespace is opened, while a PUT is in flight, while a memtable is flushed.
Afterwards a reader must find the state after the last acknowledged step, or that plus the one step that was in flight, and nothing else:
the model below says what each state is, row by row. Some steps are single rows, some many rows, some transactions, some updates and deletes.
"""

from __future__ import annotations

import random
import threading
import time

from driver import Talk

KILLS = 36
KILLED = -9


class Model:
    """What the tables hold after the first n steps."""

    def __init__(self):
        self.steps: list[int] = []
        self.keyed: dict[int, int] = {}
        self.counters = {number: 0 for number in range(5)}
        self.bulk: dict[int, int] = {}

    def copy(self) -> "Model":
        other = Model()
        other.steps, other.keyed, other.counters, other.bulk = list(self.steps), dict(self.keyed), dict(self.counters), dict(self.bulk)
        return other

    def apply(self, n: int) -> None:
        kind = n % 6
        if kind in (0, 1):
            self.steps.append(n)
        elif kind == 2:
            self.keyed.update({n * 10 + i: n for i in range(3)})
        elif kind == 3:
            self.counters[n % 5] += 1
            self.keyed.pop((n - 1) * 10 + 1)
        elif kind == 4:
            self.steps.append(n)
            self.counters[n % 5] += 10
        elif kind == 5:
            self.bulk[n] = 3000

    def state(self) -> dict:
        return {"steps": sorted(self.steps), "keyed": self.keyed, "counters": self.counters, "bulk": self.bulk}


SCHEMA = """
CREATE TABLE steps (n BIGINT NOT NULL);
CREATE TABLE keyed (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, note TEXT);
CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);
CREATE TABLE bulk (n BIGINT, i BIGINT, filler TEXT, PRIMARY KEY (n, i));
INSERT INTO counters VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0)
"""


def statement(n: int) -> str:
    kind = n % 6
    if kind in (0, 1):
        return f"INSERT INTO steps VALUES ({n})"
    if kind == 2:
        return "INSERT INTO keyed VALUES " + ", ".join(f"({n * 10 + i}, {n}, 'note {n} {i}')" for i in range(3))
    if kind == 3:
        return f"BEGIN; UPDATE counters SET n = n + 1 WHERE id = {n % 5}; DELETE FROM keyed WHERE id = {(n - 1) * 10 + 1}; COMMIT"
    if kind == 4:
        return f"BEGIN; INSERT INTO steps VALUES ({n}); UPDATE counters SET n = n + 10 WHERE id = {n % 5}; COMMIT"
    return f"INSERT INTO bulk SELECT {n}, value, 'filler of row ' || value FROM generate_series(1, 3000) AS s(value)"


def stored(firn, uri: str) -> dict:
    """The whole state, read by a new process that only reads."""
    rows = firn.rows(uri, """
        SELECT 'steps' AS t, n AS a, count(*) AS b FROM steps GROUP BY n
        UNION ALL SELECT 'keyed', id, n FROM keyed
        UNION ALL SELECT 'counters', id, n FROM counters
        UNION ALL SELECT 'bulk', n, count(DISTINCT i) FROM bulk GROUP BY n""", "--read-only")
    state: dict = {"steps": [], "keyed": {}, "counters": {}, "bulk": {}}
    for table, a, b in rows:
        if table == "steps":
            state["steps"] += [int(a)] * int(b)
        else:
            state[table][int(a)] = int(b)
    state["steps"].sort()
    return state


def one_life(firn, uri: str, first: int, moment: str, delay: float) -> tuple[int, bool]:
    """Writes steps from `first` until the kill; returns the last acknowledged step and whether the process died of the kill.

    The kill comes `delay` seconds after the process began (`opening`), after its first answer (`writing`), or after its input ended, when it
    flushes (`closing`).
    """
    talk = Talk(firn, uri)
    killer = threading.Timer(delay, talk.process.kill)
    if moment == "opening":
        killer.start()
    acknowledged = first - 1
    try:
        for n in range(first, first + (3 if moment == "closing" else 100_000)):
            if n == first + 1 and moment == "writing":
                killer.start()
            if talk.ask(statement(n)) is None:
                break
            acknowledged = n
        if moment == "closing":
            talk.process.stdin.close()
            time.sleep(delay)
    finally:
        killer.cancel()
        talk.kill()
    assert "error" not in talk.error_text().lower(), talk.error_text()
    return acknowledged, talk.process.returncode == KILLED


MOMENTS = [("writing", 0.5), ("closing", 0.25), ("writing", 0.5), ("opening", 0.3), ("writing", 0.5)]


def test_killed_under_load(place, firn):
    uri = place.uri()
    dice = random.Random(20130101)
    firn.sql(uri, SCHEMA)
    model, done, in_flight_found, killed, rounds = Model(), -1, 0, 0, 0
    while killed < KILLS:
        moment, longest = MOMENTS[rounds % len(MOMENTS)]
        rounds += 1
        assert rounds < 3 * KILLS
        acknowledged, died = one_life(firn, uri, done + 1, moment, dice.uniform(0.01, longest))
        killed += died
        for n in range(done + 1, acknowledged + 1):
            model.apply(n)
        found = stored(firn, uri)
        if found != model.state():
            further = model.copy()
            further.apply(acknowledged + 1)
            assert found == further.state(), f"round {rounds}: neither the {acknowledged + 1} acknowledged steps nor one more"
            model, acknowledged = further, acknowledged + 1
            in_flight_found += 1
        done = acknowledged
    assert done > 2 * KILLS, "too little was written for the kills to mean anything"
    assert any(key.startswith("sst/") for key in place.keys()), "no flush was among it"
    assert firn.verify(uri, "--replay", "--json").json()["ok"] is True
    print(f"{place.kind}: {killed} kills, {done + 1} steps, {in_flight_found} in flight found durable")


def test_killed_load_resumes(place, firn, tmp_path):
    """`firn load` is killed three times, then runs to its end: every line is there once, in a table without a key too."""
    uri, rows = place.uri(), 120_000
    source = tmp_path / "rows.csv"
    source.write_text("id,name,amount\n" + "".join(f"{n},name {n},{n % 977}.25\n" for n in range(rows)))
    firn.sql(uri, "CREATE TABLE keyless (id BIGINT, name TEXT, amount DOUBLE PRECISION)")
    dice = random.Random(7)
    killed = 0
    for _ in range(3):
        process = firn.spawn("load", uri, "keyless", source, "--batch-rows", "5000")
        floor = int(firn.value(uri, "SELECT count(*) FROM keyless", "--read-only"))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if int(firn.value(uri, "SELECT count(*) FROM keyless", "--read-only")) > floor:
                time.sleep(dice.uniform(0, 0.1))
                break
        killed += process.poll() is None
        process.kill()
        process.communicate()
        assert int(firn.value(uri, "SELECT count(*) FROM keyless", "--read-only")) % 5000 == 0, "a batch is whole or not at all"
    assert killed >= 1, "every load ended before it could be killed"
    firn.load(uri, "keyless", source, flags=("--batch-rows", "5000"), timeout=300)
    expected = [[str(rows), str(rows), "0", str(rows - 1), str(sum(range(rows)))]]
    assert firn.rows(uri, "SELECT count(*), count(DISTINCT id), min(id), max(id), sum(id) FROM keyless", "--read-only") == expected
    firn.verify(uri, "--replay")
