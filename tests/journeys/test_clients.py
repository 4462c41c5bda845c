"""What other programs see: the output formats, positions, request ids, backups by plain copying. Every claim is checked by a process of its own."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from driver import DONE, STATEMENT, Firn, Talk
from servers import BUCKET

EVERY_TYPE = """
CREATE TABLE every (id INTEGER PRIMARY KEY, yes BOOLEAN, s SMALLINT, b BIGINT, r REAL, d DOUBLE PRECISION, m DECIMAL(20, 4), t TEXT, v VARCHAR(12),
                    y BYTEA, day DATE, at TIMESTAMP, atz TIMESTAMPTZ, u UUID);
INSERT INTO every VALUES
 (1, true, -32768, 9223372036854775807, 1.5, 2.25, 1234567890123456.7891, 'a "quoted", text
over two lines', 'Grüße', '\\x00ff10', '2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.123456+02:00', '6F1C9A52-7F5E-4CB4-9D0E-3B7A55D1C0DE'),
 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.fixture
def every(place, firn):
    firn.sql(place.uri(), EVERY_TYPE)
    return place.uri()


def test_csv(firn, every):
    answer = firn.sql(every, "SELECT * FROM every ORDER BY id")
    header, full, empty = list(csv.reader(io.StringIO(answer.text)))
    assert header == ["id", "yes", "s", "b", "r", "d", "m", "t", "v", "y", "day", "at", "atz", "u"]
    assert empty == ["2"] + [""] * 13
    row = dict(zip(header, full))
    assert row["b"] == "9223372036854775807" and row["m"] == "1234567890123456.7891" and row["v"] == "Grüße"
    assert row["t"] == 'a "quoted", text\nover two lines'
    assert row["u"] == "6f1c9a52-7f5e-4cb4-9d0e-3b7a55d1c0de" and row["day"] == "2024-02-29"
    assert "21:59:59.123456" in row["atz"] and "23:59:59.123456" in row["at"]


def test_json(firn, every):
    answer = firn.sql(every, "SELECT id, yes, s, b, d, m, t, day FROM every ORDER BY id", flags=("--format", "json")).json()
    assert [column["name"] for column in answer["columns"]] == ["id", "yes", "s", "b", "d", "m", "t", "day"]
    assert answer["row_count"] == 2
    first, second = answer["rows"]
    assert first[:3] == [1, True, -32768] and first[4] == 2.25
    assert first[3] == "9223372036854775807", "beyond 2^53 a number is a string"
    assert Decimal(str(first[5])) == Decimal("1234567890123456.7891")
    assert second == [2] + [None] * 7


def test_json_reports_the_position_of_a_write(firn, place):
    uri = place.uri()
    created = firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)", flags=("--format", "json")).json()
    inserted = firn.sql(uri, "INSERT INTO t VALUES (1), (2), (3)", flags=("--format", "json")).json()
    assert inserted["position"] == created["position"] + 1 == firn.position(uri)


def test_ndjson(firn, every):
    lines = firn.sql(every, "SELECT id, b, m, t, u FROM every ORDER BY id", flags=("--format", "ndjson")).text.splitlines()
    first, second = map(json.loads, lines)
    assert first["id"] == 1 and first["t"].startswith('a "quoted"') and first["u"].startswith("6f1c")
    assert second == {"id": 2, "b": None, "m": None, "t": None, "u": None}


def test_arrow(firn, every):
    import datetime

    table = firn.table(every, "SELECT * FROM every ORDER BY id")
    row = {name: table[name][0].as_py() for name in table.column_names if name != "atz"}
    assert row["b"] == 9223372036854775807 and row["m"] == Decimal("1234567890123456.7891") and row["y"] == b"\x00\xff\x10"
    assert row["day"] == datetime.date(2024, 2, 29) and row["at"] == datetime.datetime(2024, 2, 29, 23, 59, 59, 123456)
    assert str(table.schema.field("atz").type).startswith("timestamp[us")
    assert all(table[name][1].as_py() is None for name in table.column_names if name != "id")


def test_table(firn, every):
    text = firn.sql(every, "SELECT id, v FROM every ORDER BY id", flags=("--format", "table")).text
    assert "Grüße" in text and "id" in text


def test_what_goes_out_comes_in_again(firn, every, tmp_path):
    """csv and ndjson written by one table load into another and give the same rows."""
    columns = "id, yes, s, b, r, d, m, t, v, y, day, at, atz, u"
    for format in ("csv", "ndjson"):
        path = tmp_path / f"out.{format}"
        path.write_bytes(firn.sql(every, f"SELECT {columns} FROM every", flags=("--format", format)).out)
        copy = f"copy_{format}"
        firn.sql(every, EVERY_TYPE.split(";")[0].replace("TABLE every", f"TABLE {copy}"))
        firn.load(every, copy, path)
        missing = firn.rows(every, f"SELECT count(*) FROM (SELECT {columns} FROM every EXCEPT SELECT {columns} FROM {copy}) AS d")
        assert missing == [["0"]], format


def test_several_statements_and_files(firn, place, tmp_path):
    uri = place.uri()
    script = tmp_path / "script.sql"
    script.write_text("-- a comment; with a semicolon\nCREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT);\nINSERT INTO t VALUES (1, 'a;b'), (2, 'c''d');\n")
    firn.run("sql", uri, "-f", script)
    assert firn.sql(uri, "INSERT INTO t VALUES (3, 'x'); INSERT INTO t VALUES (4, 'y')", "SELECT count(*) FROM t", flags=("--format", "csv")).text.splitlines()[-1] == "4"
    assert firn.run("sql", uri, "--format", "csv", stdin=b"SELECT v FROM t WHERE id = 1;").text.splitlines()[-1] == "a;b"


def test_request_id_is_answered_once(firn, place):
    """The same request id from other processes, also after another writer took over, is answered with its first answer and does nothing."""
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE account (id BIGINT PRIMARY KEY, balance BIGINT)", "INSERT INTO account VALUES (1, 100)")
    ask = lambda: firn.sql(uri, "UPDATE account SET balance = balance + 10 WHERE id = 1 RETURNING balance", flags=("--request-id", "deposit-77", "--format", "json")).json()
    first = ask()
    firn.sql(uri, "UPDATE account SET balance = balance * 2 WHERE id = 1")
    again = ask()
    assert again["rows"] == first["rows"] and again["position"] == first["position"]
    assert firn.value(uri, "SELECT balance FROM account") == "220"
    assert firn.value(uri, "SELECT count(*) FROM firn_commits WHERE request_id LIKE 'deposit-77%'") == "1"


def test_time_travel_of_schema_and_rows(firn, place):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    before = firn.position(uri)
    firn.sql(uri, "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 7", "ALTER TABLE t RENAME COLUMN a TO label", "UPDATE t SET label = 'ONE' WHERE id = 1")
    middle = firn.position(uri)
    firn.sql(uri, "ALTER TABLE t DROP COLUMN b", "DELETE FROM t WHERE id = 2", "DROP TABLE t")
    assert firn.rows(uri, f"SELECT id, a FROM t AS OF POSITION {before} ORDER BY id") == [["1", "one"], ["2", "two"]]
    assert firn.rows(uri, f"SELECT id, label, b FROM t AS OF POSITION {middle} ORDER BY id") == [["1", "ONE", "7"], ["2", "two", "7"]]
    assert firn.rows(uri, "SELECT * FROM t ORDER BY id", "--as-of", str(before)) == [["1", "one"], ["2", "two"]]
    gone = firn.sql(uri, "SELECT * FROM t", expect=None)
    assert gone.code == STATEMENT and "42P01" in gone.err
    early = firn.sql(uri, "SELECT * FROM t AS OF TIMESTAMP '1999-01-01'", expect=None)
    assert early.code == STATEMENT, str(early)
    future = firn.sql(uri, f"SELECT * FROM t AS OF POSITION {firn.position(uri) + 1}", expect=None)
    assert future.code == STATEMENT and str(firn.position(uri)) in future.err, str(future)


def test_audit_trail(firn, place):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)")
    firn.sql(uri, "SET firn.actor = 'ines'; SET firn.reason = 'ticket 12'; INSERT INTO t VALUES (1, 'a'); UPDATE t SET v = 'b'; DELETE FROM t")
    trail = firn.rows(uri, "SELECT kind, actor, reason, tables, rows FROM firn_commits WHERE actor IS NOT NULL ORDER BY position")
    assert trail == [["INSERT", "ines", "ticket 12", "t", "1"], ["UPDATE", "ines", "ticket 12", "t", "1"], ["DELETE", "ines", "ticket 12", "t", "1"]]
    hashes = firn.rows(uri, "SELECT segment, hash FROM firn_commits ORDER BY position")
    import hashlib

    for segment, digest in hashes:
        assert hashlib.sha256(place.read(f"wal/{int(segment):020}.wal")).hexdigest() == digest
    history = firn.rows(uri, "SELECT v FROM firn_history('t') ORDER BY _begin")
    assert history == [["a"], ["b"]]


def test_transactions_of_two_sessions_on_one_process_boundary(firn, place):
    """BEGIN … COMMIT is one commit, whole or not at all, and reads its own writes."""
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    talk = Talk(firn, uri)
    talk.ask("BEGIN")
    talk.ask("INSERT INTO t VALUES (1), (2)")
    assert talk.ask("SELECT count(*) FROM t")[-1] == "2"
    assert firn.value(uri, "SELECT count(*) FROM t", "--read-only") == "0"
    before = firn.position(uri)
    talk.ask("INSERT INTO t VALUES (3)")
    talk.ask("COMMIT")
    assert firn.value(uri, "SELECT count(*) FROM t", "--read-only") == "3"
    assert firn.position(uri) == before + 1
    assert talk.end() == DONE


def test_backup_by_plain_copy(firn, folder_place, tmp_path):
    """`cp -r` of the folder is a backup; it opens elsewhere and under another name."""
    uri = folder_place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'kept')")
    shutil.copytree(folder_place.root / "acme", tmp_path / "vault" / "restored")
    firn.sql(uri, "DELETE FROM t")
    restored = f"file://{tmp_path}/vault?ns=restored"
    firn.verify(restored, "--replay")
    assert firn.rows(restored, "SELECT * FROM t") == [["1", "kept"]]
    firn.sql(restored, "INSERT INTO t VALUES (2, 'lives on')")
    assert firn.value(restored, "SELECT count(*) FROM t") == "2"
    assert firn.value(uri, "SELECT count(*) FROM t") == "0"


def test_backup_by_aws_sync(s3, tmp_path, request):
    """`aws s3 sync` down to a folder and up to another prefix, a second time only what is new; each copy is a database."""
    from conftest import new_place

    place = new_place("s3", request, tmp_path)
    firn = Firn(tmp_path / "home", dict(place.environment))
    firn.sql(place.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    environment = {**firn.environment(), "PATH": f"{Path(sys.executable).parent}:{firn.environment()['PATH']}"}

    def sync(source: str, target: str) -> str:
        command = [sys.executable, "-m", "awscli", "s3", "sync", source, target, "--endpoint-url", s3.endpoint]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    bucket = f"s3://{BUCKET}/{place.prefix}"
    sync(bucket, str(tmp_path / "vault"))
    local = f"file://{tmp_path}/vault?ns=acme"
    assert firn.rows(local, "SELECT * FROM t") == [["1"]]
    firn.sql(place.uri(), "INSERT INTO t VALUES (2)")
    copied = sync(bucket, str(tmp_path / "vault"))
    assert "download" in copied and "00000000000000000001.wal" not in copied
    assert firn.value(local, "SELECT count(*) FROM t", "--read-only") == "2"
    firn.verify(local, "--replay")
    sync(str(tmp_path / "vault"), f"{bucket}-again")
    again = f"s3://{BUCKET}/{place.prefix}-again?ns=acme"
    firn.verify(again, "--replay")
    assert firn.value(again, "SELECT sum(id) FROM t") == "3"
    firn.sql(again, "INSERT INTO t VALUES (3)")
    assert firn.value(again, "SELECT count(*) FROM t") == "3"


def test_inspect_and_verify_speak_json(firn, place):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    report = firn.verify(uri, "--json").json()
    assert report["ok"] is True and report["findings"] == []
    assert isinstance(firn.run("inspect", uri, "--json").json(), dict)
    assert firn.run("inspect", uri).text


def test_interrupt_leaves_nothing_half_applied(firn, place, tmp_path):
    """Ctrl-C in a long load: whole batches, an orderly end, and the same command finishes the work."""
    import signal
    import time

    uri = place.uri()
    source = tmp_path / "rows.csv"
    source.write_text("id,name\n" + "".join(f"{n},name {n}\n" for n in range(500_000)))
    process = firn.spawn("load", uri, "t", source, "--create", "--key", "id", "--batch-rows", "5000")
    while process.poll() is None and sum(key.startswith("wal/") for key in place.keys()) < 6:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    names = firn.sql(uri, "SELECT count(*) FROM t", flags=("--read-only",), expect=None)
    if names.code == DONE:
        assert int(names.value()) % 5000 == 0
    firn.load(uri, "t", source, flags=("--create", "--key", "id", "--batch-rows", "5000"))
    assert firn.value(uri, "SELECT count(*) FROM t") == "500000"
    firn.verify(uri, "--replay")


def test_explain_analyze_counts_requests(firn, place):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    text = firn.sql(uri, "EXPLAIN ANALYZE SELECT * FROM t").text.lower()
    assert "requests" in text and "round trips" in text.replace("_", " ")


def test_two_namespaces_share_nothing(firn, place):
    firn.sql(place.uri("acme"), "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    firn.sql(place.uri("bolt"), "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (2), (3)")
    assert firn.value(place.uri("acme"), "SELECT count(*) FROM t") == "1"
    assert firn.value(place.uri("bolt"), "SELECT count(*) FROM t") == "2"
    assert {key.split("/")[0] for key in place.keys(None)} == {"acme", "bolt"}
