"""Random statements, one after the other, to FirnDB and to SQLite: every answer must be the same, and again in a new process, and AS OF.

The statements stay where both dialects mean the same: whole numbers, texts compared byte by byte, NULLs, keys. `FIRN_SQLITE_SEEDS=500` tries that many
databases instead of a few; a failure names its seed.
"""

from __future__ import annotations

import csv
import os
import random
import sqlite3

import pytest
from driver import Firn, Talk

SEEDS = int(os.environ.get("FIRN_SQLITE_SEEDS", "4"))
STATEMENTS = 60
TEXTS = ["", "a", "A", "ab", "b", "zz", "ä"]


class Maker:
    """Statements that both sides understand."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def whole(self) -> str:
        return self.random.choice(["NULL", *map(str, range(-3, 9))])

    def text(self) -> str:
        return self.random.choice(["NULL", *(f"'{text}'" for text in TEXTS)])

    def number(self, of: str, depth: int = 2) -> str:
        kind = self.random.randrange(8 if depth else 3)
        if kind == 0:
            return self.whole() if depth < 2 else str(self.random.randrange(-3, 9))
        if kind < 3:
            return f"{of}{self.random.choice('kin')}"
        left, right = self.number(of, depth - 1), self.number(of, depth - 1)
        if kind == 3:
            return f"CASE WHEN {self.condition(of, 0)} THEN {left} ELSE {right} END"
        if kind == 4:
            return f"coalesce({left}, {right})"
        if kind == 5:
            return f"length({of}s)"
        return f"({left} {self.random.choice('+-*')} {right})"

    def condition(self, of: str, depth: int = 2) -> str:
        kind = self.random.randrange(10 if depth else 6)
        compare = self.random.choice(["=", "<>", "<", "<=", ">", ">="])
        if kind == 0:
            return f"{of}s {compare} {self.text()}"
        if kind == 1:
            return f"{of}{self.random.choice('ins')} IS {self.random.choice(['', 'NOT '])}NULL"
        if kind == 2:
            return f"{of}i {self.random.choice(['', 'NOT '])}IN ({', '.join(self.whole() for _ in range(3))})"
        if kind < 6:
            return f"{self.number(of, min(depth, 1))} {compare} {self.number(of, min(depth, 1))}"
        if kind == 6:
            return f"NOT ({self.condition(of, depth - 1)})"
        if kind == 7:
            negated = self.random.choice(["", "NOT "])
            return f"{negated}EXISTS (SELECT 1 FROM u x WHERE x.i {compare} {of}i)"
        if kind == 8:
            return f"coalesce({of}n, 0) {self.random.choice(['', 'NOT '])}IN (SELECT x.n FROM u x WHERE x.n IS NOT NULL AND x.k > {self.random.randrange(20)})"
        return f"({self.condition(of, depth - 1)} {self.random.choice(['AND', 'OR'])} {self.condition(of, depth - 1)})"

    def change(self) -> str:
        table, other = self.random.choice(["tu", "ut"])
        # while it updates a table, SQLite reads the rows it has changed already: conditions read the other table
        where = self.condition(f"{table}.").replace("FROM u x", f"FROM {other} x")
        kind = self.random.randrange(8)
        if kind < 4:
            rows = [f"({self.random.randrange(60)}, {self.whole()}, {self.whole()}, {self.text()})" for _ in range(self.random.randrange(1, 6))]
            conflict = self.random.choice(["DO NOTHING", "(k) DO UPDATE SET i = excluded.i, n = coalesce(t.n, 0) + 1".replace("t.n", f"{table}.n")])
            keys, kept = set(), []
            for row in rows:
                if row.split(",")[0] not in keys:
                    keys.add(row.split(",")[0])
                    kept.append(row)
            return f"INSERT INTO {table} VALUES {', '.join(kept)} ON CONFLICT {conflict}"
        if kind < 7:
            return f"UPDATE {table} SET {self.random.choice('in')} = {self.number('', 1)}, s = {self.text()} WHERE {where}"
        return f"DELETE FROM {table} WHERE k > 5 AND {where}"

    def query(self, past: str = "") -> str:
        t, u = f"t{past} a", f"u{past} b"
        kind = self.random.randrange(9)
        where = self.condition("a.").replace("FROM u x", f"FROM u{past} x")
        if kind == 0:
            return f"SELECT a.k, {self.number('a.')}, a.s FROM {t} WHERE {where}"
        if kind == 1:
            return f"SELECT a.s, count(*), sum(a.i), min(a.n), max(a.n) FROM {t} WHERE {where} GROUP BY a.s"
        if kind == 2:
            join = self.random.choice(["JOIN", "LEFT JOIN"])
            return f"SELECT a.k, b.k, a.i FROM {t} {join} {u} ON a.i = b.i AND b.n > {self.random.randrange(-2, 6)} WHERE {where}"
        if kind == 3:
            op = self.random.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
            return f"SELECT a.i, a.s FROM {t} WHERE {where} {op} SELECT b.n, b.s FROM {u}"
        if kind == 4:
            return f"SELECT a.k, (SELECT count(*) FROM u{past} x WHERE x.i < a.i) FROM {t} WHERE {where}"
        if kind == 5:
            return f"SELECT a.i, count(DISTINCT a.s) FROM {t} GROUP BY a.i HAVING count(*) > 1"
        if kind == 6:
            return f"SELECT a.k, row_number() OVER (PARTITION BY a.s ORDER BY a.k), sum(a.i) OVER (ORDER BY a.k) FROM {t} WHERE {where}"
        if kind == 7:
            return f"SELECT DISTINCT a.s, a.i IS NULL AND a.n > 0 FROM {t} WHERE {where}".replace("a.i IS NULL AND a.n > 0", "a.n")
        return f"WITH c AS (SELECT a.k, a.i, a.n, a.s FROM {t} WHERE {where}) SELECT x.k, y.k FROM c x JOIN c y ON x.s = y.s AND x.k < y.k"


def theirs(lite: sqlite3.Connection, query: str) -> list[list[str]]:
    return sorted(["" if value is None else str(value) for value in row] for row in lite.execute(query))


def ours(talk: Talk, query: str) -> list[list[str]]:
    lines = talk.ask(query)
    assert lines is not None, f"{query}\n{talk.error_text()}"
    return sorted(csv.reader(lines[1:]))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_statements(seed, tmp_path):
    make = Maker(seed)
    firn, uri = Firn(tmp_path / "home"), f"file://{tmp_path / 'store'}?ns=acme"
    lite = sqlite3.connect(":memory:", isolation_level=None)
    for table in "tu":
        create = f"CREATE TABLE {table} (k INTEGER PRIMARY KEY, i INTEGER, n INTEGER, s TEXT)"
        lite.execute(create)
        firn.sql(uri, create)
    talk = Talk(firn, uri)
    position, past = None, {}
    for step in range(STATEMENTS):
        if step == STATEMENTS // 2:
            position = talk.ask("SELECT firn_position()")[1]
            past = {query: theirs(lite, query) for query in (make.query() for _ in range(10))}
        change = make.change()
        lite.execute(change)
        assert talk.ask(change) is not None, f"seed {seed}: {change}\n{talk.error_text()}"
        query = make.query()
        assert ours(talk, query) == theirs(lite, query), f"seed {seed}, step {step}: {query}"
    assert talk.end() == 0
    talk = Talk(firn, uri)
    for table in "tu":
        query = f"SELECT * FROM {table}"
        assert ours(talk, query) == theirs(lite, query), f"seed {seed}, reopened: {query}"
    talk.ask(f"SET firn.as_of = '{position}'")
    for query, then in past.items():
        assert ours(talk, query) == then, f"seed {seed}, AS OF {position}: {query}"
    assert talk.end() == 0
