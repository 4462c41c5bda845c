"""The rows of the benchmark by name, in the order they run."""

ROWS = {
    "load": "bulk load of 1 M rows with a key, against PostgreSQL's COPY and DuckDB",
    "commit": "durable commits of one row, 1 and 64 clients, against a bare PUT to the same store and PostgreSQL",
    "point": "a row by its key, warm, in process: now and AS OF; against PostgreSQL on a socket and SQLite in process",
    "scan": "GROUP BY, and filter and sum: fresh, updated, AS OF; against bare DataFusion, PostgreSQL, DuckDB",
    "update": "one per cent of the rows, by key and by predicate, against PostgreSQL",
    "cold": "a new process to its first point answer",
    "empty": "opening an empty namespace",
    "requests": "requests and bytes of a commit, a point read, a scan, of idling",
    "memory": "peak memory of scans and of a large load",
    "large": "GROUP BY, and filter and sum, over 10 M rows",
    "peers": "the same work done by DuckDB, Delta Lake, LanceDB, SQLite, SlateDB, Kimberlite and HeliosDB Nano",
    "tpch": "the 22 queries of TPC-H at scale factor 1, against DuckDB",
}
