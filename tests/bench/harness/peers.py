"""The same table of work done by others: DuckDB, Delta Lake, LanceDB from Python; the Rust ones by programs in tests/bench/peers.

Promises: FirnDB does the work in the same run; a peer that cannot do a piece of it, or not in time,
has a dash and a reason; a peer that fails or cannot be built says how.
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

SOURCES = ROOT / "tests" / "bench" / "peers"
PROGRAMS = {"local": "firn-peer", "kimberlite": "firn-peer-kimberlite", "helios": "firn-peer-helios"}
LOAD_SECONDS, LIMIT_SECONDS = 60, 240


def program(source: str) -> str:
    """The program of one of the folders of `tests/bench/peers`, built when it must be. `FIRN_BENCH_PEERS` names a folder of built ones."""
    if "FIRN_BENCH_PEERS" in os.environ:
        return os.path.join(os.environ["FIRN_BENCH_PEERS"], PROGRAMS[source])
    target = os.path.join(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "peers")
    found = os.path.join(target, "release", PROGRAMS[source])
    if not os.path.exists(found):
        say(f"    building {PROGRAMS[source]} (once)")
    done = subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=SOURCES / source, env={**os.environ, "CARGO_TARGET_DIR": target}, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"it cannot be built here: {done.stderr.strip()[-300:]}")
    return found


def run(source: str, *arguments) -> tuple[dict, dict]:
    """What a program measured, and why it did not measure the rest."""
    process = subprocess.Popen([program(source), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, error = process.communicate(timeout=LIMIT_SECONDS)
        why = f"{PROGRAMS[source]} {arguments[0]}: {error.strip()[-300:]}" if process.returncode != 0 else ""
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        why = f"took over {LIMIT_SECONDS} s"
    found, reasons = {}, {}
    for line in output.splitlines():
        figures = json.loads(line)
        reasons.update(figures.pop("cannot", {}))
        found.update(figures)
    if why and not found:
        raise RuntimeError(why)
    if why:
        reasons.update({work: why for work in WORKS if work not in found and work not in reasons})
    return found, reasons


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


def built(name: str, source: str, kind: str, *arguments):
    """A peer that is a program of ours; of one that cannot load all rows in time the scans and the update are scaled to all rows."""
    def work(bench: Bench) -> dict:
        found, reasons = run(source, kind, bench.folder / f"{kind}.data", bench.data(bench.rows) / "items.csv", *arguments)
        rows = found.pop("rows", bench.rows)
        if rows < bench.rows:
            times = bench.rows / rows
            bench.note("peers", f"{name} loaded {rows:,} rows in {LOAD_SECONDS} s. Its GROUP BY, filter and update are theirs, times {times:.3g}; its row by key is one of them.")
            found.update({work: found[work] * times for work in ("group", "filter", "update") if work in found})
        for work, reason in reasons.items():
            bench.note("peers", f"{name}, {WORKS[work][0]}: {reason}")
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
    "FirnDB": firndb, "DuckDB": duckdb, "Delta Lake": delta, "LanceDB": lance,
    "SQLite": built("SQLite", "local", "sqlite"), "SlateDB": built("SlateDB", "local", "slatedb"),
    "Kimberlite": built("Kimberlite", "kimberlite", "kimberlite", LOAD_SECONDS),
    "HeliosDB Nano": built("HeliosDB Nano", "helios", "helios", LOAD_SECONDS),
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
