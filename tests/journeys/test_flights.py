"""Real input: five tables, 368,000 rows, through `firn load`; then every question is asked of FirnDB and of DuckDB.

First on fresh data, then after updates and deletes on both, then AS OF the position before them. Every question is asked by a process
that has just opened the namespace.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from conftest import environment_of
from driver import Firn
from flights import CHANGES, KEYS, ORDERED, QUERIES, TABLES, load_files, peer, plain, same, source_files, words


@dataclass
class Pair:
    """The same tables on both sides."""

    firn: Firn
    uri: str
    duck: object
    before: int  # the position before the changes

    def ours(self, query: str, *flags: str) -> list[tuple]:
        return plain(self.firn.table(self.uri, query, "--read-only", *flags))

    def theirs(self, query: str) -> list[tuple]:
        return plain(self.duck.sql(query).to_arrow_table())


@pytest.fixture(scope="module")
def loaded(shared_place, request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flights")
    firn = Firn(folder / "home", environment_of(request))
    files = source_files(folder)
    duck = peer(files)
    for name, (path, flags) in load_files(files, duck, folder).items():
        key = ("--key", KEYS[name]) if KEYS[name] else ()
        firn.load(shared_place.uri(), name, path, flags=("--create", *key, *flags), timeout=900)
    return Pair(firn, shared_place.uri(), duck, firn.position(shared_place.uri()))


@pytest.fixture(scope="module")
def changed(loaded):
    """Both sides changed alike; DuckDB keeps what it said before in a schema of its own."""
    loaded.duck.execute("CREATE SCHEMA past")
    for name in TABLES:
        loaded.duck.execute(f"CREATE TABLE past.{name} AS FROM main.{name}")
    for change in CHANGES:
        tables_of_change = loaded.duck.execute(change).fetchone()
        answer = loaded.firn.sql(loaded.uri, change, timeout=600)
        assert answer.code == 0 and tables_of_change[0] > 0, change
    return loaded


def test_counts(loaded):
    for name, rows in TABLES.items():
        assert loaded.ours(f"SELECT count(*) FROM {name}") == [(rows,)]


@pytest.mark.parametrize("name", QUERIES)
def test_fresh(loaded, name):
    same(loaded.ours(words(QUERIES[name])), loaded.theirs(words(QUERIES[name], schema="main.")), name in ORDERED)


@pytest.mark.parametrize("name", QUERIES)
def test_changed(changed, name):
    same(changed.ours(words(QUERIES[name])), changed.theirs(words(QUERIES[name], schema="main.")), name in ORDERED)


@pytest.mark.parametrize("name", QUERIES)
def test_as_of_before(changed, name):
    """The session's AS OF and the reference's AS OF POSITION, alternating over the queries."""
    theirs = changed.theirs(words(QUERIES[name], schema="past."))
    if list(QUERIES).index(name) % 2:
        ours = changed.ours(words(QUERIES[name]), "--as-of", str(changed.before))
    else:
        ours = changed.ours(words(QUERIES[name], suffix=f" AS OF POSITION {changed.before}"))
    same(ours, theirs, name in ORDERED)


def test_now_joined_to_then(changed):
    """Two points in one query."""
    query = """
        SELECT n.carrier, count(*) AS n, sum(n.dep_delay - t.dep_delay) AS shift FROM {now} AS n
        JOIN {then} AS t ON t.time_hour = n.time_hour AND t.carrier = n.carrier AND t.flight = n.flight GROUP BY n.carrier"""
    ours = query.replace("{now}", "flights").replace("{then}", f"flights AS OF POSITION {changed.before}")
    theirs = query.replace("{now}", "main.flights").replace("{then}", "past.flights")
    same(changed.ours(ours), changed.theirs(theirs), False)


def test_as_of_timestamp(changed):
    """The commit time of the position before, read from the audit trail, is the same point."""
    time = changed.firn.value(changed.uri, f"SELECT committed_at FROM firn_commits WHERE position = {changed.before}", "--read-only")
    query = QUERIES["every flight, summed by day"]
    theirs = changed.theirs(words(query, schema="past."))
    same(changed.ours(words(query, suffix=f" AS OF TIMESTAMP '{time}'")), theirs, False)
    same(changed.ours(words(query, suffix=f" FOR SYSTEM_TIME AS OF TIMESTAMP '{time}'")), theirs, False)
    same(changed.ours(words(query), "--as-of", time), theirs, False)


def test_history_counts_every_version(changed):
    """Each row version that DuckDB saw then or now stands once in firn_history, with its end if it has one."""
    ended, still_open = changed.ours("SELECT count(_end), count(*) - count(_end) FROM firn_history('planes')")[0]
    assert still_open == changed.duck.execute("SELECT count(*) FROM main.planes").fetchone()[0]
    touched = changed.duck.execute("SELECT count(*) FROM past.planes WHERE manufacturer = 'BOEING' OR year < 1985").fetchone()[0]
    both = changed.duck.execute("SELECT count(*) FROM past.planes WHERE manufacturer = 'BOEING' AND year < 1985").fetchone()[0]
    assert ended == touched + both


def test_verify_replays(changed):
    answer = changed.firn.verify(changed.uri, "--replay", "--json")
    assert answer.json()["ok"] is True
