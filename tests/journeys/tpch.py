"""TPC-H: its tables made by tpchgen, its queries, and changes to a twentieth of each table.

Promises: queries and changes are the same text for both sides. Never: rows that are not the generator's own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# name → primary key
TABLES = {
    "region": "r_regionkey", "nation": "n_nationkey", "supplier": "s_suppkey", "customer": "c_custkey", "part": "p_partkey",
    "partsupp": "ps_partkey,ps_suppkey", "orders": "o_orderkey", "lineitem": "l_orderkey,l_linenumber",
}
CHANGES = [
    "UPDATE region SET r_comment = 'changed' WHERE r_regionkey = 3",
    "DELETE FROM region WHERE r_regionkey = 4",
    "UPDATE nation SET n_comment = 'changed', n_regionkey = 2 WHERE n_nationkey % 20 = 7",
    "DELETE FROM nation WHERE n_nationkey % 20 = 13",
    "UPDATE supplier SET s_acctbal = s_acctbal + 100.25, s_nationkey = 20 WHERE s_suppkey % 20 = 7",
    "DELETE FROM supplier WHERE s_suppkey % 20 = 13",
    "UPDATE customer SET c_mktsegment = 'BUILDING', c_acctbal = c_acctbal - 7.5 WHERE c_custkey % 20 = 7",
    "DELETE FROM customer WHERE c_custkey % 20 = 13",
    "UPDATE part SET p_size = 15, p_name = 'forest green ' || p_name WHERE p_partkey % 20 = 7",
    "DELETE FROM part WHERE p_partkey % 20 = 13",
    "UPDATE partsupp SET ps_supplycost = ps_supplycost + 1, ps_availqty = ps_availqty - ps_availqty % 7 WHERE (ps_partkey + ps_suppkey) % 20 = 7",
    "DELETE FROM partsupp WHERE (ps_partkey + ps_suppkey) % 20 = 13",
    "UPDATE orders SET o_orderpriority = '1-URGENT', o_orderdate = DATE '1994-03-01' WHERE o_orderkey % 20 = 7",
    "DELETE FROM orders WHERE o_orderkey % 20 = 13",
    "UPDATE lineitem SET l_discount = 0.06, l_quantity = l_quantity + 1 WHERE (l_orderkey + l_linenumber) % 20 = 7",
    "DELETE FROM lineitem WHERE (l_orderkey + l_linenumber) % 20 = 13",
]


def generate(folder: Path, scale: str) -> dict[str, Path]:
    """The tables as Parquet."""
    program = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run([str(program), "parquet", "--scale-factor", scale, "--output-dir", str(folder)], check=True, capture_output=True)
    return {name: folder / f"{name}.parquet" for name in TABLES}


def queries(scale: str) -> dict[str, str]:
    """Q1 to Q22."""
    text = (Path(__file__).parent / "tpch.sql").read_text().replace("{fraction}", f"{0.0001 / float(scale):.10f}")
    parts = text.split("\n-- Q")[1:]
    return {f"Q{part.split(maxsplit=1)[0]}": part.split("\n", 1)[1].strip().rstrip(";") for part in parts}


def same_decimals(ours: list[tuple], theirs: list[tuple]) -> None:
    """As `flights.same`; where FirnDB answers with a decimal and DuckDB with a float (averages, quotients), one unit in the decimal's last place may differ."""
    from decimal import Decimal

    from flights import order, same

    def rounded(mine: tuple, other: tuple) -> tuple:
        def one(a, b):
            near = isinstance(a, Decimal) and isinstance(b, float) and abs(float(a) - b) <= 10.0 ** a.as_tuple().exponent
            return a if near else b
        return tuple(map(one, mine, other))

    def ready(rows: list[tuple]) -> list[tuple]:
        return sorted((tuple(str(v) if hasattr(v, "isoformat") else v for v in row) for row in rows), key=order)

    ours, theirs = ready(ours), ready(theirs)
    assert len(ours) == len(theirs), f"{len(ours)} rows, DuckDB has {len(theirs)}"
    same(ours, [rounded(mine, other) for mine, other in zip(ours, theirs)], True)
