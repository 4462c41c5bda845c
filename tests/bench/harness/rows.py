"""The rows that measure FirnDB against its targets.

Promises: both sides of a ratio are measured in turns within the run; a side that is not installed is named in a note.
Never: a target that differs from the one the docs state.
"""

from __future__ import annotations

from .bench import Bench, median, say

CREATE_EVENTS = "CREATE TABLE events (id BIGINT PRIMARY KEY, customer INTEGER, amount DOUBLE PRECISION, note TEXT)"
PG_INSERT = """\\set n :n + 1
\\set id :client_id * 10000000 + :n
INSERT INTO events VALUES (:id, :n % 100000, 12.5, 'an event of customer 12345');
"""
PG_POINT = """\\set id random(1, :rows)
SELECT * FROM items WHERE id = :id;
"""
QUESTIONS = {
    "group": "SELECT status, count(*), sum(price), avg(score) FROM items GROUP BY status",
    "filter": "SELECT sum(price) FROM items WHERE score >= 0.25 AND score < 0.75 AND customer < 50000",
}
NAMES = {"group": "GROUP BY", "filter": "filter + sum"}


def duckdb_table(bench: Bench, rows: int):
    """A DuckDB file with the rows and their key: the connection and the seconds of the load."""
    import duckdb

    from .bench import timed

    path = bench.folder / f"duckdb-{rows}.db"
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute("SET threads TO 2")
    connection.execute(bench.text("schema"))
    csv = bench.data(rows) / "items.csv"
    return connection, timed(lambda: connection.execute(f"COPY items FROM '{csv}' (HEADER)"))


def load(bench: Bench) -> None:
    ours, theirs, duck = [], [], []
    create = bench.text("schema")
    csv = bench.data(bench.rows) / "items.csv"
    for round_number in range(bench.rounds):
        name = "base" if round_number == 0 else "again"
        ours.append(bench.load(name, bench.rows)[0])
        bench.drop("again")
        if bench.postgres:
            theirs.append(bench.postgres.load(create, csv))
        connection, seconds = duckdb_table(bench, bench.rows)
        connection.close()
        duck.append(seconds)
    bench.figure("load", "FirnDB `firn load` (CSV, key checked, encrypted, durable)", bench.rows / median(ours), "rows/s")
    bench.figure("load", "DuckDB COPY into a table with a key", bench.rows / median(duck), "rows/s")
    if theirs:
        bench.figure("load", "PostgreSQL COPY into a table with a key", bench.rows / median(theirs), "rows/s")
        bench.verdict("load", "rows/s of PostgreSQL's COPY", median(theirs) / median(ours), ">=", 2, "×")


def commit(bench: Bench) -> None:
    seconds = 1 if bench.quick else 4
    alone, many, pg_alone, pg_many = [], [], [], []
    if bench.postgres:
        bench.postgres.sql("DROP TABLE IF EXISTS events", CREATE_EVENTS)
    for round_number in range(bench.rounds):
        bench.drop("commits")
        alone.append(bench.bench("commits", bench.uri("commits"), 1, seconds))
        many.append(bench.bench("commits", bench.uri("commits"), 64, seconds))
        if bench.postgres:
            for clients, into in ((1, pg_alone), (64, pg_many)):
                bench.postgres.sql("TRUNCATE events")
                into.append(bench.postgres.clients(PG_INSERT, clients, seconds, {"n": 0}))
    of = lambda runs, *path: median(dig(run, path) for run in runs)
    bench.figure("commit", "one client, folder: p50", of(alone, "commit", "p50_us") / 1000, "ms")
    bench.figure("commit", "one client, folder: p99", of(alone, "commit", "p99_us") / 1000, "ms")
    bench.figure("commit", "a bare PUT of as many bytes, folder: p50", of(alone, "put", "p50_us") / 1000, "ms")
    bench.verdict("commit", "one client, folder: over a bare PUT at p50", of(alone, "over_put_ms"), "<=", 2, "ms")
    bench.figure("commit", "64 clients, folder", of(many, "per_second"), "commits/s")
    bench.figure("commit", "64 clients, folder: p50", of(many, "commit", "p50_us") / 1000, "ms")
    if pg_many:
        bench.figure("commit", "PostgreSQL, one client: p50", of(pg_alone, "p50_us") / 1000, "ms")
        bench.figure("commit", "PostgreSQL, 64 clients (pgbench, prepared)", of(pg_many, "per_second"), "commits/s")
        bench.verdict("commit", "64 clients, folder: commits/s of PostgreSQL", of(many, "per_second") / of(pg_many, "per_second"), ">=", 3, "×")
    on_s3(bench, seconds)


def on_s3(bench: Bench, seconds: float) -> None:
    """The same on a real S3 server."""
    from .s3 import server

    with server(bench) as uri:
        alone = [bench.bench("commits", uri(f"alone{n}"), 1, seconds) for n in range(bench.rounds)]
        many = bench.bench("commits", uri("many"), 64, seconds)
    bench.figure("commit", "one client, S3 (SeaweedFS): p50", median(run["commit"]["p50_us"] for run in alone) / 1000, "ms")
    bench.figure("commit", "a bare PUT, S3: p50", median(run["put"]["p50_us"] for run in alone) / 1000, "ms")
    bench.verdict("commit", "one client, S3: over a bare PUT at p50", median(run["over_put_ms"] for run in alone), "<=", 2, "ms")
    bench.figure("commit", "64 clients, S3", many["per_second"], "commits/s")


def point(bench: Bench) -> None:
    from .peers import run as peer

    count = 2_000 if bench.quick else 20_000
    flushed, before = bench.updated(flush=True)
    ours, theirs, sqlite, without_sqlite = [], [], [], None
    if bench.postgres:
        ensure_items(bench)
    for _ in range(bench.rounds):
        ours.append(bench.bench("points", bench.base(), bench.rows, count, "--updated", flushed, "--before", before))
        if bench.postgres:
            theirs.append(bench.postgres.clients(PG_POINT, 1, 1 if bench.quick else 3, {"rows": bench.rows}))
        try:
            sqlite.append(peer("local", "sqlite-points", bench.folder / "sqlite.db", bench.data(bench.rows) / "items.csv", count)[0])
        except RuntimeError as error:
            without_sqlite = f"SQLite: {error}"
    of = lambda *path: median(dig(run, path) for run in ours)
    bench.verdict("point", "p50", of("now", "p50_us"), "<=", 50, "µs")
    bench.verdict("point", "p99", of("now", "p99_us"), "<=", 200, "µs")
    bench.figure("point", "after 10 % of the rows were updated: p50", of("updated", "p50_us"), "µs")
    bench.figure("point", "AS OF before those updates: p50", of("as_of", "p50_us"), "µs")
    bench.verdict("point", "AS OF against now (p50)", of("as_of", "p50_us") / of("now", "p50_us"), "<=", 1.3, "×")
    if theirs:
        bench.figure("point", "PostgreSQL, prepared, on a socket: p50", median(run["p50_us"] for run in theirs), "µs")
        bench.figure("point", "PostgreSQL: p99", median(run["p99_us"] for run in theirs), "µs")
    if sqlite:
        bench.figure("point", "SQLite, prepared, in process: p50", median(run["p50_us"] for run in sqlite), "µs")
        bench.figure("point", "SQLite: p99", median(run["p99_us"] for run in sqlite), "µs")
    if without_sqlite:
        bench.note("point", without_sqlite)


def scan(bench: Bench) -> None:
    unflushed, _ = bench.updated(flush=False)
    flushed, before = bench.updated(flush=True)
    parquet = bench.data(bench.rows) / "items.parquet"
    extra = ["--unflushed", unflushed, "--flushed", flushed, "--before", before]
    compare(bench, "scan", bench.base(), bench.rows, parquet, extra, 5 if bench.quick else 15)


def large(bench: Bench) -> None:
    if not (bench.folder / "store" / "large").exists():
        memory_of_load(bench)
    parquet = bench.data(bench.large_rows) / "items.parquet"
    compare(bench, "large", bench.uri("large"), bench.large_rows, parquet, [], 3 if bench.quick else 5)
    bench.drop("large")
    for path in (bench.folder / f"data-{bench.large_rows}").glob("*"):
        path.unlink()
    (bench.folder / f"data-{bench.large_rows}").rmdir()


def compare(bench: Bench, row: str, fresh: str, rows: int, parquet, extra: list, repeats: int) -> None:
    from .bench import timed

    connection, _ = duckdb_table(bench, rows)
    if bench.postgres:
        ensure_items(bench, rows)
    beside = ["--parquet", parquet] if bench.has_bare else []
    if not bench.has_bare:
        bench.note(row, "firn-bench was built without its feature `bare`, so bare DataFusion is missing")
    ours, theirs, duck = [], {q: [] for q in QUESTIONS}, {q: [] for q in QUESTIONS}
    for _ in range(bench.rounds):
        ours.append(bench.bench("scans", fresh, repeats, *extra, *beside))
        for name, sql in QUESTIONS.items():
            duck[name] += [timed(lambda sql=sql: connection.execute(sql).fetchall()) for _ in range(5)]
            if bench.postgres:
                theirs[name] += bench.postgres.times(*[sql] * (3 if rows > 1_000_000 else 5))
    connection.close()
    (bench.folder / f"duckdb-{rows}.db").unlink()
    for name in QUESTIONS:
        of = lambda side, name=name: median(run[name][side]["p50_ms"] for run in ours)
        ratio = lambda side, other, name=name: median(run[name][side]["p50_ms"] / run[name][other]["p50_ms"] for run in ours)
        what = f"{NAMES[name]}, {rows // 1_000_000 or rows / 1e6:g} M rows"
        bench.figure(row, f"{what}", of("fresh"), "ms")
        if bench.has_bare:
            bench.figure(row, f"{what}, bare DataFusion on plain Parquet", of("bare"), "ms")
            bench.verdict(row, f"{what}: time of bare DataFusion", ratio("fresh", "bare"), "<=", 1.15, "×")
        bench.figure(row, f"{what}, DuckDB", median(duck[name]) * 1000, "ms")
        if theirs[name]:
            bench.figure(row, f"{what}, PostgreSQL", median(theirs[name]) * 1000, "ms")
            bench.verdict(row, f"{what}: times as fast as PostgreSQL", median(theirs[name]) * 1000 / of("fresh"), ">=", 10, "×")
        for side, text in (("unflushed", "10 % updated, unflushed"), ("flushed", "10 % updated, flushed"), ("as_of", "AS OF before the updates")):
            if side in ours[0][name]:
                bench.verdict(row, f"{what}, {text}: time of fresh", ratio(side, "fresh"), "<=", 1.3, "×")


def ensure_items(bench: Bench, rows: int | None = None) -> None:
    """PostgreSQL's table with that many rows, settled."""
    wanted = rows or bench.rows
    exists = bench.postgres.sql("SELECT to_regclass('items') IS NOT NULL").strip() == "t"
    if not exists or int(bench.postgres.sql("SELECT count(*) FROM items")) != wanted:
        say(f"    PostgreSQL loads {wanted:,} rows")
        bench.postgres.load(bench.text("schema"), bench.data(wanted) / "items.csv")
        bench.postgres.settle()


def update(bench: Bench) -> None:
    rounds = 3
    ours, theirs = [], {"predicate": [], "keys": []}
    if bench.postgres:
        ensure_items(bench)
    for _ in range(bench.rounds):
        uri = bench.copy("updates")
        ours.append(bench.bench("one-percent", uri, bench.rows, rounds))
        if bench.postgres:
            for by in theirs:
                statements = [bench.text("update-sql", by, bench.rows, n) for n in range(rounds)]
                theirs[by] += bench.postgres.times(*statements)
    bench.drop("updates")
    if bench.postgres:
        bench.postgres.sql("DROP TABLE items")
    for by, key, text in (("predicate", "by_predicate", "by predicate"), ("keys", "by_key", "by a list of keys")):
        mine = median(run[key]["p50_us"] for run in ours) / 1000
        bench.figure("update", f"1 % of the rows {text}", mine, "ms")
        if theirs[by]:
            pg = median(theirs[by]) * 1000
            bench.figure("update", f"PostgreSQL, 1 % {text}", pg, "ms")
            bench.verdict("update", f"1 % {text}: times as fast as PostgreSQL", pg / mine, ">=", 1, "×")


def cold(bench: Bench) -> None:
    uri = bench.base()
    runs = [bench.bench("cold", uri, 4_321 + n * bench.rows // 9) for n in range(3 if bench.quick else 9)]
    bench.verdict("cold", "dependent round trips", max(run["round_trips"] for run in runs), "<=", 4)
    bench.verdict("cold", "own processor time, process start included", median(run["cpu_ms"] for run in runs), "<=", 30, "ms")
    bench.figure("cold", "process start to first answer", median(run["wall_ms"] for run in runs), "ms")
    bench.figure("cold", "requests", max(run["requests"] for run in runs))
    bench.figure("cold", "bytes read", max(run["bytes"] for run in runs), "bytes")


def empty(bench: Bench) -> None:
    run = bench.bench("empty", bench.folder / "empty", bench.kms, 5 if bench.quick else 25)
    bench.verdict("empty", "open an empty namespace to read, p50", run["open_to_read"]["p50_us"] / 1000, "<=", 5, "ms")
    bench.figure("empty", "open it to write (claims the epoch: two durable PUTs), p50", run["open_to_write"]["p50_us"] / 1000, "ms")
    bench.figure("empty", "create one, p50", run["create"]["p50_us"] / 1000, "ms")


def requests(bench: Bench) -> None:
    uri = bench.base()
    bench.drop("commits-counted")
    commits = bench.bench("commits", bench.uri("commits-counted"), 1, 0.5)
    points = bench.bench("point-requests", uri, "*", bench.rows // 3, 3 if bench.quick else 10)
    narrow = bench.bench("point-requests", uri, "price", bench.rows // 3, 0)
    scans = bench.bench("scan-requests", uri)
    bench.verdict("requests", "PUTs of a commit", commits["puts_a_commit"], "<=", 1)
    bench.figure("requests", "bytes of a commit of one row", commits["bytes_a_commit"], "bytes")
    probe = points["point_again"]["gets"]
    bench.verdict("requests", "GETs of a cold point read of one column, after opening, beside the probe", narrow["point_cold"]["gets"] - probe, "<=", 2)
    bench.figure("requests", "GETs of a cold point read of all seven columns, beside the probe", points["point_cold"]["gets"] - probe)
    bench.figure("requests", "GETs of the same read again (the probe: it proves that nothing is newer)", points["point_again"]["gets"])
    for name in QUESTIONS:
        found = scans[f"{name}_cold"]
        bench.figure("requests", f"{NAMES[name]}: GETs", found["gets"])
        bench.figure("requests", f"{NAMES[name]}: bytes", found["bytes"], "bytes")
    bench.verdict("requests", f"requests of an idle namespace in {points['idle_seconds']} s (nothing is polled, so also in an hour)", points["idle_requests"], "<=", 0)


def memory(bench: Bench) -> None:
    found = bench.bench("scan-memory", bench.base())
    bench.verdict("memory", f"peak of scans over {found['rows']:,} rows", found["peak_mib"], "<=", 300, "MiB")
    memory_of_load(bench)


def memory_of_load(bench: Bench) -> None:
    seconds, mib = bench.load("large", bench.large_rows)
    bench.verdict("memory", f"peak of `firn load` of {bench.large_rows:,} rows", mib, "<=", 600, "MiB")
    bench.figure("memory", f"`firn load` of {bench.large_rows:,} rows", bench.large_rows / seconds, "rows/s")


def dig(value, path):
    for name in path:
        value = value[name]
    return value
