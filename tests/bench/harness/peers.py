"""The same table of work done by others: DuckDB, Delta Lake, LanceDB from Python; SQLite and SlateDB by a program of their own.

Promises: FirnDB does the work in the same run; a peer that cannot do a piece of it has a dash and a reason; a peer that fails says how.
Never: a peer slowed down by how it is called: bulk interfaces for bulk work, prepared statements where there are any.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

from .bench import ROOT, Bench, median, say, timed
from .rows import QUESTIONS, duckdb_table
from .works import WORKS

LOCAL = ROOT / "tests" / "bench" / "peers" / "local"


def local_peer(bench: Bench, *arguments) -> dict | None:
    """One measurement of the program that holds SQLite and SlateDB; nothing when it cannot be built."""
    target = ROOT / "target" / "peers" if "CARGO_TARGET_DIR" not in os.environ else os.path.join(os.environ["CARGO_TARGET_DIR"], "peers")
    program = os.environ.get("FIRN_BENCH_PEER", os.path.join(target, "release", "firn-peer"))
    if not os.path.exists(program):
        say("    building SQLite and SlateDB (once)")
        done = subprocess.run(["cargo", "build", "--release", "--locked"], cwd=LOCAL, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
        if done.returncode != 0:
            return None
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"firn-peer {arguments[0]}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def firndb(bench: Bench) -> dict:
    name, count = "peer", 500 if bench.quick else 5_000
    seconds, _ = bench.load(name, bench.rows)
    uri = bench.uri(name)
    scans = bench.bench("scans", uri, 5)
    points = bench.bench("points", uri, bench.rows, count)
    updates = bench.bench("one-percent", uri, bench.rows, 1)
    commits = bench.bench("commits", uri, 1, 1)
    return {
        "load": bench.rows / seconds, "commit": commits["commit"]["p50_us"] / 1000, "point": points["now"]["p50_us"],
        "group": scans["group"]["fresh"]["p50_ms"], "filter": scans["filter"]["fresh"]["p50_ms"], "update": updates["by_predicate"]["p50_us"] / 1000,
    }


def duckdb(bench: Bench) -> dict:
    connection, seconds = duckdb_table(bench, bench.rows)
    found = {"load": bench.rows / seconds}
    for name, sql in QUESTIONS.items():
        found[name] = 1000 * median(timed(lambda sql=sql: connection.execute(sql).fetchall()) for _ in range(5))
    keys = keys_of(bench, 500)
    found["point"] = 1e6 * median(timed(lambda key=key: connection.execute("SELECT * FROM items WHERE id = ?", [key]).fetchall()) for key in keys)
    found["update"] = 1000 * timed(lambda: connection.execute(bench.text("update-sql", "predicate", bench.rows, 0)))
    found["commit"] = 1000 * median(timed(lambda key=key: connection.execute(insert(key))) for key in range(bench.rows + 1, bench.rows + 51))
    connection.close()
    return found


def delta(bench: Bench) -> dict:
    import pyarrow.csv
    from deltalake import DeltaTable, QueryBuilder, write_deltalake

    path = bench.folder / "delta"
    csv = bench.data(bench.rows) / "items.csv"
    start = time.perf_counter()
    data = read_csv(csv)
    write_deltalake(str(path), data)
    found = {"load": bench.rows / (time.perf_counter() - start)}
    table = DeltaTable(str(path))
    ask = lambda sql: pyarrow.table(QueryBuilder().register("items", table).execute(sql).read_all())
    for name, sql in QUESTIONS.items():
        found[name] = 1000 * median(timed(lambda sql=sql: ask(sql)) for _ in range(5))
    found["point"] = 1e6 * median(timed(lambda key=key: ask(f"SELECT * FROM items WHERE id = {key}")) for key in keys_of(bench, 20))
    found["update"] = 1000 * timed(lambda: table.update(updates={"price": "price + 1"}, predicate="customer < 1000"))
    one = data.slice(0, 1)
    found["commit"] = 1000 * median(timed(lambda: write_deltalake(str(path), one, mode="append")) for _ in range(10))
    shutil.rmtree(path)
    return found


def lance(bench: Bench) -> dict:
    import lancedb
    import pyarrow.compute as compute

    path = bench.folder / "lance"
    csv = bench.data(bench.rows) / "items.csv"
    database = lancedb.connect(str(path))
    start = time.perf_counter()
    data = read_csv(csv)
    table = database.create_table("items", data=data)
    table.create_scalar_index("id")
    found = {"load": bench.rows / (time.perf_counter() - start)}
    columns = lambda names, where=None: (table.search().where(where) if where else table.search()).select(names).limit(bench.rows).to_arrow()
    group = lambda: columns(["status", "price", "score"]).group_by("status").aggregate([("price", "count"), ("price", "sum"), ("score", "mean")])
    filtered = lambda: compute.sum(columns(["price"], "score >= 0.25 AND score < 0.75 AND customer < 50000")["price"])
    found["group"] = 1000 * median(timed(group) for _ in range(5))
    found["filter"] = 1000 * median(timed(filtered) for _ in range(5))
    found["point"] = 1e6 * median(timed(lambda key=key: table.search().where(f"id = {key}").limit(1).to_arrow()) for key in keys_of(bench, 50))
    found["update"] = 1000 * timed(lambda: table.update(where="customer < 1000", values_sql={"price": "price + 1"}))
    one = data.slice(0, 1)
    found["commit"] = 1000 * median(timed(lambda: table.add(one)) for _ in range(10))
    shutil.rmtree(path)
    return found


def local(kind: str):
    def work(bench: Bench) -> dict:
        found = local_peer(bench, kind, bench.folder / f"{kind}.data", bench.data(bench.rows) / "items.csv")
        if found is None:
            raise RuntimeError("the program did not build")
        return found
    return work


def read_csv(path):
    import pyarrow as arrow
    import pyarrow.csv as csv

    types = {
        "id": arrow.int64(), "customer": arrow.int32(), "price": arrow.decimal128(12, 2), "score": arrow.float64(), "status": arrow.string(),
        "note": arrow.string(), "made_at": arrow.timestamp("us", "UTC"),
    }
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))


def keys_of(bench: Bench, count: int) -> list[int]:
    return [1 + n * 7_919 * 31 % bench.rows for n in range(count)]


def insert(key: int) -> str:
    return f"INSERT INTO items VALUES ({key}, 1, 1.25, 0.5, 'new', 'one more', TIMESTAMPTZ '2026-01-01 00:00:00+00')"


PEERS = {
    "FirnDB": firndb, "DuckDB": duckdb, "Delta Lake": delta, "LanceDB": lance, "SQLite": local("sqlite"), "SlateDB": local("slatedb"),
}

def peers(bench: Bench) -> None:
    table = {}
    for name, work in PEERS.items():
        say(f"    {name}")
        try:
            table[name] = work(bench)
        except Exception as error:  # one peer's failure is its own
            bench.note("peers", f"{name}: {str(error)[-200:]}")
            continue
        say("      " + ", ".join(f"{WORKS[work][0]} {value:,.4g} {WORKS[work][1]}" for work, value in table[name].items() if value is not None))
    bench.results.setdefault("peers", {"figures": [], "verdicts": []})["table"] = table
    mine = table.get("FirnDB", {})
    for name in [name for name in table if name != "FirnDB"]:
        for work, (text, _, better) in WORKS.items():
            theirs = table[name].get(work)
            if theirs and work in mine:
                ahead = mine[work] / theirs if better == "more" else theirs / mine[work]
                bench.verdict("peers", f"{text}: times as good as {name}", ahead, ">=", 1, "×")
