"""The 22 queries of TPC-H, timed beside DuckDB over the same rows.

Promises: the queries are those whose answers tests/journeys/test_tpch.py compares value by value.
Never: a time of an answer that nobody checks.
"""

from __future__ import annotations

import json
import sys

from .bench import ROOT, Bench, median, timed


def tpch(bench: Bench) -> None:
    import duckdb

    sys.path.insert(0, str(ROOT / "tests" / "journeys"))
    from tpch import TABLES, generate, queries

    scale = "0.05" if bench.quick else "1"
    folder = bench.folder / "tpch"
    folder.mkdir()
    bench.drop("tpch")
    texts = queries(scale)
    duck = duckdb.connect(str(bench.folder / "tpch.db"))
    duck.execute("SET threads TO 2")
    ours, theirs = 0.0, 0.0
    for name, path in generate(folder, scale).items():
        ours += bench.firn("load", bench.uri("tpch"), name, path, "--create", "--key", TABLES[name])[0]
        theirs += timed(lambda name=name, path=path: duck.execute(f"CREATE TABLE {name} AS FROM '{path}'"))
        path.unlink()
    (folder / "queries.json").write_text(json.dumps(texts))
    times = {name: [] for name in texts}
    others = {name: [] for name in texts}
    for _ in range(bench.rounds):
        found = bench.bench("queries", bench.uri("tpch"), folder / "queries.json", 2)
        for name, text in texts.items():
            times[name].append(found[name])
            others[name].append(1000 * min(timed(lambda text=text: duck.execute(text).fetchall()) for _ in range(2)))
    duck.close()
    (bench.folder / "tpch.db").unlink()
    bench.drop("tpch")
    bench.figure("tpch", f"`firn load` of all tables at scale factor {scale}", ours, "s")
    bench.figure("tpch", "DuckDB CREATE TABLE AS of the same Parquet, without keys", theirs, "s")
    table = {name: {"firn_ms": round(median(times[name]), 1), "duckdb_ms": round(median(others[name]), 1)} for name in texts}
    bench.figure("tpch", f"all 22 queries at scale factor {scale}", sum(q["firn_ms"] for q in table.values()) / 1000, "s")
    bench.figure("tpch", "DuckDB, all 22 queries", sum(q["duckdb_ms"] for q in table.values()) / 1000, "s")
    bench.results["tpch"]["queries"] = table
