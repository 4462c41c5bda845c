"""TPC-H against DuckDB: the 22 queries on fresh tables, after a twentieth of each was updated and another deleted, and AS OF before that.

The scale factor is 0.05, or FIRN_TPCH_SCALE. Every question is asked by a process that has just opened the namespace.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import pytest
from driver import Firn
from flights import plain
from tpch import CHANGES, TABLES, generate, queries, same_decimals

SCALE = os.environ.get("FIRN_TPCH_SCALE", "0.05")
QUERIES = queries(SCALE)


@dataclass
class Pair:
    firn: Firn
    uri: str
    duck: object
    before: int

    def check(self, name: str, schema: str, *flags: str) -> None:
        self.duck.execute(f"USE {schema}")
        theirs = plain(self.duck.sql(QUERIES[name]).to_arrow_table())
        same_decimals(plain(self.firn.table(self.uri, QUERIES[name], "--read-only", *flags)), theirs)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    import duckdb

    folder = tmp_path_factory.mktemp("tpch")
    firn, uri = Firn(folder / "home"), f"file://{folder / 'store'}?ns=tpch"
    duck = duckdb.connect()
    for name, path in generate(folder, SCALE).items():
        firn.load(uri, name, path, flags=("--create", "--key", TABLES[name]), timeout=1800)
        duck.execute(f"CREATE TABLE {name} AS FROM '{path}'")
        path.unlink()
    return Pair(firn, uri, duck, firn.position(uri))


@pytest.fixture(scope="module")
def changed(loaded):
    loaded.duck.execute("USE main; CREATE SCHEMA past")
    for name in TABLES:
        loaded.duck.execute(f"CREATE TABLE past.{name} AS FROM main.{name}")
    for change in CHANGES:
        rows = loaded.duck.execute(change).fetchone()[0]
        answer = loaded.firn.sql(loaded.uri, change, timeout=1800)
        assert re.search(rf"\b{rows}\b", answer.text + answer.err), f"{change}: {rows} rows in DuckDB\n{answer}"
    return loaded


def test_every_row_is_there(loaded):
    for name in TABLES:
        loaded.duck.execute("USE main")
        rows = loaded.duck.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        assert int(loaded.firn.value(loaded.uri, f"SELECT count(*) FROM {name}", "--read-only")) == rows, name


@pytest.mark.parametrize("name", QUERIES)
def test_fresh(loaded, name):
    loaded.check(name, "main")


@pytest.mark.parametrize("name", QUERIES)
def test_changed(changed, name):
    changed.check(name, "main")


@pytest.mark.parametrize("name", QUERIES)
def test_as_of_before(changed, name):
    changed.check(name, "past", "--as-of", str(changed.before))


def test_verify(changed):
    changed.firn.verify(changed.uri)
