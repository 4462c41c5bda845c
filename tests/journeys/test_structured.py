"""JSON, arrays and intervals go in from CSV, NDJSON and Parquet, come out in every form, and go in again: nothing changes on the way."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

COLUMNS = "id, doc, raw, tags, nums, docs, span"
TABLE = (
    "CREATE TABLE {name} (id BIGINT PRIMARY KEY, doc JSONB, raw JSON, tags TEXT[], nums DOUBLE PRECISION[], docs JSONB[], span INTERVAL)"
)
# what is hard: quotes, commas, braces and backslashes inside of items, texts that read as NULL, empty ones, all parts of an interval
ROWS = """INSERT INTO t VALUES
  (1, '{"b": [1, 2.50, {"c": "x, \\"y\\" {z}"}], "a": null}', '{"k" : 1,  "k": 2}', '{a,"b c","d,e","f\\"g","h\\\\i",NULL,"NULL",""}', '{1.5,-0,1e300,NULL}',
   '{"{\\"x\\": \\"a,b\\"}",NULL,"[1, \\"}\\"]"}', '1 year 2 mons -3 days 04:05:06.789'),
  (2, '"text"', 'null', '{}', '{}', '{}', '-00:00:00.000001'),
  (3, 'null', '[ ]', '{"été \U0001f44d"}', '{Infinity,-Infinity,NaN}', NULL, '0'),
  (4, NULL, NULL, NULL, NULL, NULL, NULL),
  (5, '12345678901234567890.125', '"\\u00e9\\n"', '{"two\nlines"}', '{0.1}', ARRAY['"\\u0009tab"'::jsonb], '178000 days')"""


@pytest.fixture
def filled(firn, folder_place):
    uri = folder_place.uri()
    firn.sql(uri, TABLE.format(name="t"), ROWS)
    return uri


def shown(firn, uri: str, table: str) -> list[list[str]]:
    """Every value as its own text, NULLs told apart from texts."""
    texts = ", ".join(f"coalesce('=' || {column}::text, 'NULL')" for column in COLUMNS.split(", "))
    return firn.rows(uri, f"SELECT {texts} FROM {table} ORDER BY id")


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_texts_come_back(firn, filled, tmp_path, form):
    answer = firn.sql(filled, f"SELECT {COLUMNS} FROM t ORDER BY id", flags=("--format", form))
    file = tmp_path / f"rows.{form}"
    file.write_bytes(answer.out)
    firn.sql(filled, TABLE.format(name="again"))
    firn.load(filled, "again", file)
    wanted = shown(firn, filled, "t")
    if form == "ndjson":  # which has one null for NULL and for the JSON value null
        wanted = [["NULL" if value == "=null" else value for value in row] for row in wanted]
    assert shown(firn, filled, "again") == wanted
    flags = ("--format", form)
    assert firn.sql(filled, f"SELECT {COLUMNS} FROM again ORDER BY id", flags=flags).out == answer.out


def test_ndjson_holds_values_not_texts_of_them(firn, filled):
    lines = firn.sql(filled, f"SELECT {COLUMNS} FROM t ORDER BY id", flags=("--format", "ndjson")).text.splitlines()
    first = json.loads(lines[0])
    assert first["doc"] == {"a": None, "b": [1, 2.5, {"c": 'x, "y" {z}'}]}
    assert first["tags"] == ["a", "b c", "d,e", 'f"g', "h\\i", None, "NULL", ""]
    assert first["docs"] == [{"x": "a,b"}, None, [1, "}"]]
    assert first["span"] == "1 year 2 mons -3 days +04:05:06.789"
    assert json.loads(lines[3]) == {"id": 4, **dict.fromkeys(COLUMNS.split(", ")[1:])}


def test_parquet_comes_back(firn, filled, tmp_path):
    """Out as Arrow, into a Parquet file, and in again: lists stay lists, JSON and intervals their texts."""
    rows = firn.table(filled, f"SELECT id, doc, raw, tags, nums, docs, span::text AS span FROM t ORDER BY id")
    assert rows.column("tags").to_pylist()[0] == ["a", "b c", "d,e", 'f"g', "h\\i", None, "NULL", ""]
    file = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(rows, file)
    firn.sql(filled, TABLE.format(name="again"))
    firn.load(filled, "again", file)
    assert shown(firn, filled, "again") == shown(firn, filled, "t")


def test_a_table_made_from_parquet_has_lists(firn, folder_place, tmp_path):
    file = tmp_path / "lists.parquet"
    table = pa.table({"id": [1, 2], "tags": [["a", None], []], "n": pa.array([[1, 2], None], pa.list_(pa.int32()))})
    pyarrow.parquet.write_table(table, file)
    uri = folder_place.uri()
    firn.load(uri, "made", file, flags=("--create", "--key", "id"))
    assert firn.rows(uri, "SELECT tags, n, tags[2] IS NULL AS absent FROM made ORDER BY id") == [["{a,NULL}", "{1,2}", "true"], ["{}", "", "true"]]


def test_what_does_not_read_changes_nothing(firn, filled, tmp_path):
    before = shown(firn, filled, "t")
    for name, text, column in [
        ("json.csv", 'id,doc\n8,1\n9,{"a":\n', "doc"),
        ("array.csv", 'id,tags\n8,{a}\n9,"{a,"\n', "tags"),
        ("span.csv", "id,span\n8,1 day\n9,one day\n", "span"),
        ("array.ndjson", '{"id": 8, "nums": [1]}\n{"id": 9, "nums": [1, "x"]}\n', "nums"),
    ]:
        file = tmp_path / name
        file.write_text(text)
        answer = firn.load(filled, "t", file, expect=1)
        assert column in answer.err and name in answer.err, str(answer)
        assert shown(firn, filled, "t") == before, name
