"""Wrong input of every sort: the error says what, where and what to do next; nothing is half-applied; memory stays bounded."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest
from conftest import FolderPlace
from driver import DONE, STATEMENT, STORE, USAGE, Firn
from servers import BUCKET, READER, free_ports, s3_environment

MIB = 1 << 20


def refused(answer, code: int, *words: str):
    """The exit code, and each word in the error; words separated by | are alternatives."""
    assert answer.code == code, str(answer)
    for word in words:
        assert any(one.lower() in answer.err.lower() for one in word.split("|")), f"{word!r} is missing\n{answer}"
    return answer


@pytest.fixture
def table(folder_place, firn):
    uri = folder_place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, small SMALLINT, name TEXT)", "INSERT INTO t VALUES (1, 1, 'one')")
    return uri


def unchanged(firn, uri: str) -> None:
    assert firn.rows(uri, "SELECT id, small, name FROM t") == [["1", "1", "one"]]


# ---- files


def test_empty_file(firn, table, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    refused(firn.load(table, "t", empty, expect=None), STATEMENT, "empty", "empty.csv")
    refused(firn.load(table, "fresh", empty, flags=("--create",), expect=None), STATEMENT, "empty")
    for name in ("empty.parquet", "empty.ndjson"):
        (tmp_path / name).write_bytes(b"")
        refused(firn.load(table, "t", tmp_path / name, expect=None), STATEMENT, name)
    unchanged(firn, table)


def test_only_a_header(firn, table, tmp_path):
    """A header and no rows is a file of no rows."""
    only = tmp_path / "only.csv"
    only.write_text("id,small,name\n")
    firn.load(table, "t", only)
    unchanged(firn, table)


def test_missing_file_and_folder(firn, table, tmp_path):
    refused(firn.load(table, "t", tmp_path / "nowhere.csv", expect=None), USAGE, "nowhere.csv", "no such file|not found|does not exist")
    refused(firn.load(table, "t", tmp_path, expect=None), USAGE, "director|folder|format")


@pytest.mark.parametrize("bad", ["3,3\n", "3,3,three,four\n"])
def test_wrong_column_count(firn, table, tmp_path, bad):
    path = tmp_path / "columns.csv"
    path.write_text("id,small,name\n2,2,two\n" + bad + "4,4,four\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 3")
    unchanged(firn, table)


def test_unknown_column_and_missing_table(firn, table, tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("id,small,nmae\n2,2,two\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "nmae", "42703")
    refused(firn.load(table, "missing", path, expect=None), STATEMENT, "missing", "42P01", "--create")
    unchanged(firn, table)


def test_invalid_utf8(firn, table, tmp_path):
    path = tmp_path / "latin1.csv"
    path.write_bytes(b"id,small,name\n2,2,two\n3,3,caf\xe9\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "utf-8", "line 3")
    lines = tmp_path / "latin1.ndjson"
    lines.write_bytes(b'{"id":2,"small":2,"name":"two"}\n{"id":3,"small":3,"name":"caf\xe9"}\n')
    refused(firn.load(table, "t", lines, expect=None), STATEMENT, "utf-8", "line 2")
    unchanged(firn, table)


@pytest.mark.parametrize(
    "value, state",
    [("40000", "22003"), ("-99999999999999999999999", "22003"), ("12abc", "22P02"), ("1.5", "22P02|22003")],
)
def test_value_out_of_range_in_a_file(firn, table, tmp_path, value, state):
    path = tmp_path / "range.csv"
    path.write_text(f"id,small,name\n2,2,two\n3,{value},three\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 3", "small", state)
    unchanged(firn, table)


def test_broken_json_lines(firn, table, tmp_path):
    path = tmp_path / "broken.ndjson"
    path.write_text('{"id":2,"small":2,"name":"two"}\n{"id":3,"small":\n')
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 2")
    path.write_text('{"id":2,"small":2,"name":"two"}\n[1,2,3]\n')
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 2")
    unchanged(firn, table)


def test_broken_parquet(firn, table, tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 500 + b"PAR1")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "broken.parquet", "parquet")
    unchanged(firn, table)


def test_quote_never_closed_in_a_file(firn, table, tmp_path):
    path = tmp_path / "quote.csv"
    path.write_text('id,small,name\n2,2,"two\n' + "3,3,three\n" * 20)
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 2|quote")
    unchanged(firn, table)


def test_null_in_the_key_and_a_key_twice(firn, table, tmp_path):
    path = tmp_path / "key.csv"
    path.write_text("id,small,name\n,2,two\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "23502", "id")
    path.write_text("id,small,name\n7,2,two\n7,3,three\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "23505", "7")
    path.write_text("id,small,name\n1,2,two\n")
    refused(firn.load(table, "t", path, expect=None), STATEMENT, "23505", "t")
    unchanged(firn, table)


def test_a_row_of_200_mb(firn, table, tmp_path):
    """One absurd row is refused by its line, and the process does not grow with it."""
    path = tmp_path / "huge.csv"
    with open(path, "wb") as file:
        file.write(b"id,small,name\n2,2,two\n3,3,")
        for _ in range(200):
            file.write(b"x" * MIB)
        file.write(b"\n4,4,four\n")
    answer = refused(firn.load(table, "t", path, expect=None), STATEMENT, "line 3", "MiB|bytes|long|large")
    assert answer.peak_rss < 400 * MIB, f"{answer.peak_rss // MIB} MiB"
    lines = tmp_path / "huge.ndjson"
    with open(lines, "wb") as file:
        file.write(b'{"id":2,"small":2,"name":"two"}\n{"id":3,"small":3,"name":"')
        for _ in range(200):
            file.write(b"x" * MIB)
        file.write(b'"}\n')
    answer = refused(firn.load(table, "t", lines, expect=None), STATEMENT, "line 2", "MiB|bytes|long|large")
    assert answer.peak_rss < 400 * MIB, f"{answer.peak_rss // MIB} MiB"
    unchanged(firn, table)


def test_memory_does_not_grow_with_the_file(firn, folder_place, tmp_path):
    uri, peaks = folder_place.uri(), []
    for number, rows in enumerate((60_000, 480_000)):
        path = tmp_path / f"rows{number}.csv"
        with open(path, "w") as file:
            file.write("id,name,amount\n")
            file.writelines(f"{n},some name that is the same length for all {n:08},{n % 977}.25\n" for n in range(rows))
        peaks.append(firn.load(uri, f"t{number}", path, flags=("--create", "--key", "id"), timeout=600).peak_rss)
        assert firn.value(uri, f"SELECT count(*) FROM t{number}") == str(rows)
    small, large = peaks
    assert large < 2 * small + 200 * MIB, [peak // MIB for peak in peaks]


# ---- SQL


@pytest.mark.parametrize(
    "sql, state, words",
    [
        ("SELECT * FROM nowhere", "42P01", ["nowhere"]),
        ("SELECT nothing FROM t", "42703", ["nothing"]),
        ("INSERT INTO t (id, nothing) VALUES (2, 2)", "42703", ["nothing"]),
        ("INSERT INTO t VALUES (2, 70000, 'x')", "22003", ["smallint|small|out of range"]),
        ("INSERT INTO t VALUES (2, 'abc', 'x')", "22P02", ["abc"]),
        ("INSERT INTO t VALUES (1, 2, 'again')", "23505", ["t", "1"]),
        ("INSERT INTO t VALUES (8, 2, 'a'), (9, 2, 'b'), (8, 2, 'c')", "23505", ["8"]),
        ("INSERT INTO t VALUES (NULL, 2, 'x')", "23502", ["id"]),
        ("SELECT CAST('x' AS INTEGER)", "22P02", ["x"]),
        ("SELECT CAST(9223372036854775807 AS BIGINT) + 1", "22003", ["overflow|out of range"]),
        ("SELECT 1 / 0", "22012", ["zero"]),
        ("UPDATE t SET small = 32767 + id", "22003", []),
        ("SELEC 1", "42601", ["selec"]),
        ("SELECT 1;\nSELECT 'never closed", "42601", ["line 2", "unterminated"]),
        ("SELECT (1", "42601", []),
        ("CREATE INDEX i ON t (lower(name))", "0A000", ["index"]),
        ("GRANT SELECT ON t TO bob", "0A000", []),
        ("CREATE TABLE t (id BIGINT PRIMARY KEY)", "42P07", ["t"]),
        ("SELECT * FROM t AS OF POSITION 99999", "22023|22003|72", ["99999"]),
        ("CREATE TABLE u (a INTEGER, a TEXT)", "42701", ["a"]),
        ("CREATE TABLE u (a HSTORE)", "42704|0A000", ["hstore"]),
        ("COMMIT", "25P01", []),
    ],
)
def test_statement_errors(firn, table, sql, state, words):
    refused(firn.sql(table, sql, expect=None), STATEMENT, state, *words)
    unchanged(firn, table)


def test_a_failed_statement_of_several_rows_leaves_nothing(firn, table):
    refused(firn.sql(table, "INSERT INTO t SELECT value, 1, 'x' FROM generate_series(100, 1, -1) AS s(value)", expect=None), STATEMENT, "23505")
    unchanged(firn, table)


def test_a_failed_transaction_leaves_nothing(firn, table):
    refused(firn.sql(table, "BEGIN; INSERT INTO t VALUES (5, 5, 'five'); INSERT INTO t VALUES (1, 1, 'twice'); COMMIT", expect=None), STATEMENT, "23505")
    unchanged(firn, table)
    firn.sql(table, "BEGIN; INSERT INTO t VALUES (5, 5, 'five')", expect=None)
    unchanged(firn, table)


@pytest.mark.parametrize("depth", [30, 1_000, 20_000, 200_000])
def test_deep_nesting(firn, table, depth, tmp_path):
    """Deep enough is an error with a sentence, never a crash."""
    shapes = ["SELECT " + "(" * depth + "1" + ")" * depth, "SELECT " + "NOT " * depth + "true", "SELECT 1" + " + 1" * depth,
              "SELECT " + "CASE WHEN true THEN " * depth + "1" + " END" * depth, "SELECT * FROM " + "(SELECT * FROM " * depth + "t" + ") AS x" * depth]
    for number, sql in enumerate(shapes):
        path = tmp_path / f"deep{number}.sql"
        path.write_text(sql)
        answer = firn.run("sql", table, "-f", str(path), expect=None, timeout=120)
        assert answer.code in (DONE, STATEMENT), f"shape {number}, depth {depth}: {str(answer)[-500:]}"
        if answer.code == STATEMENT:
            refused(answer, STATEMENT, "54001|42601|0A000|54000")
        if depth <= 30:
            assert answer.code == DONE, str(answer)[-800:]
        assert answer.peak_rss < 1500 * MIB
    unchanged(firn, table)


def test_a_statement_of_many_megabytes(firn, table, tmp_path):
    path = tmp_path / "long.sql"
    path.write_text("SELECT length('" + "x" * (8 * MIB) + "')")
    answer = firn.run("sql", table, "-f", str(path), expect=None)
    assert answer.code == DONE and answer.value() == str(8 * MIB), str(answer)[-500:]


def test_ten_thousand_columns(firn, folder_place, tmp_path):
    """Either it works or it is refused with the limit; here: whichever it is, it is whole."""
    uri = folder_place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    path = tmp_path / "wide.sql"
    path.write_text("CREATE TABLE wide (id BIGINT PRIMARY KEY, " + ", ".join(f"c{n} INTEGER" for n in range(10_000)) + ")")
    answer = firn.run("sql", uri, "-f", str(path), expect=None, timeout=120)
    names = firn.rows(uri, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
    if answer.code == DONE:
        assert ["wide"] in names
        firn.sql(uri, "INSERT INTO wide (id, c9999) VALUES (1, 7)")
        assert firn.rows(uri, "SELECT id, c0, c9999 FROM wide") == [["1", "", "7"]]
    else:
        refused(answer, STATEMENT, "54011", "columns")
        assert ["wide"] not in names
    rows = tmp_path / "wide.csv"
    rows.write_text(",".join(f"c{n}" for n in range(10_000)) + "\n" + ",".join("1" for _ in range(10_000)) + "\n")
    loaded = firn.load(uri, "wider", rows, flags=("--create",), expect=None)
    assert loaded.code == answer.code, str(loaded)
    assert loaded.peak_rss < 1500 * MIB


def test_script_file_errors(firn, table, tmp_path):
    refused(firn.run("sql", table, "-f", str(tmp_path / "none.sql"), expect=None), USAGE, "none.sql")
    script = tmp_path / "script.sql"
    script.write_text("INSERT INTO t VALUES (2, 2, 'two');\n\nINSERT INTO t VALUES (3, 3, 'three');\nSELEKT 1;\n")
    answer = refused(firn.run("sql", table, "-f", str(script), expect=None), STATEMENT, "42601", "line 4")
    assert answer.code == STATEMENT


# ---- usage and URIs


@pytest.mark.parametrize(
    "uri, words",
    [
        ("s3://bucket/prefix", ["ns="]),
        ("s3://bucket/prefix?ns=Acme", ["Acme", "a-z"]),
        ("s3://bucket/prefix?ns=acme&regoin=x", ["regoin", "region"]),
        ("s3:///prefix?ns=acme", ["bucket"]),
        ("s3://user:secret@bucket/p?ns=acme", ["environment|credential"]),
        ("ftp://host/x?ns=acme", ["ftp", "s3"]),
        ("just-a-name", ["file://|scheme"]),
        ("file://relative/path?ns=acme", ["absolute|file:///"]),
        ("s3://bucket/p?ns=a&ns=b", ["ns", "twice|once|more than"]),
    ],
)
def test_uri_errors(firn, uri, words):
    answer = refused(firn.sql(uri, "SELECT 1", expect=None), USAGE, *words)
    assert "secret" not in answer.err


@pytest.mark.parametrize("args", [["sql"], ["frobnicate"], ["sql", "memory://?ns=a", "--format", "xml"], ["load", "memory://?ns=a"], ["verify"]])
def test_usage_errors(firn, args):
    refused(firn.run(*args, expect=None), USAGE, "usage|--help|possible values")


@pytest.mark.parametrize("command", [[], ["sql"], ["load"], ["verify"], ["inspect"], ["demo"]])
def test_help_shows_examples(firn, command):
    answer = firn.run(*command, "--help")
    assert ("Examples:" if command else "Begin with: firn demo") in answer.text and "Exit codes:" in answer.text


# ---- keys


def test_wrong_and_missing_key(firn, table, tmp_path):
    master = firn.home / "firn" / "master.key"
    assert master.stat().st_mode & 0o777 == 0o600
    stranger = Firn(tmp_path / "stranger")
    refused(stranger.sql(table, "SELECT * FROM t", expect=None), STORE, "key", "firn/master.key")
    assert not (tmp_path / "stranger" / "firn" / "master.key").exists(), "a read made a key"
    stranger.sql(f"file://{tmp_path}/own?ns=own", "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    refused(stranger.sql(table, "SELECT * FROM t", expect=None), STORE, "key")
    refused(stranger.sql(table, "INSERT INTO t VALUES (2, 2, 'x')", expect=None), STORE, "key")

    pointed = stranger.with_environment(FIRN_KMS=f"local:{master}")
    assert pointed.rows(table, "SELECT count(*) FROM t") == [["1"]]
    assert stranger.rows(f"{table}&kms=local:{master}", "SELECT count(*) FROM t") == [["1"]]

    kept = master.read_bytes()
    master.write_bytes(kept[: len(kept) // 2])
    refused(firn.sql(table, "SELECT * FROM t", expect=None), STORE, "key", "master.key")
    master.write_bytes(kept)
    master.chmod(0o644)
    refused(firn.sql(table, "SELECT * FROM t", expect=None), STORE, "0600|permission|mode")
    master.chmod(0o600)
    unchanged(firn, table)
    firn.verify(table)
    master.unlink()
    firn.verify(table)  # needs no key
    refused(firn.verify(table, "--replay", expect=None), STORE, "key")


def test_key_inside_the_bucket_is_refused(firn, folder_place):
    uri = f"{folder_place.uri()}&kms=local:{folder_place.root}/master.key"
    answer = firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)", expect=None)
    assert answer.code in (USAGE, STORE) and "key" in answer.err, str(answer)
    assert not (folder_place.root / "master.key").exists()


# ---- stores


def test_unreachable_bucket(tmp_path):
    port = free_ports(1)[0]
    firn = Firn(tmp_path / "home", s3_environment(f"http://127.0.0.1:{port}"))
    for flags in ((), ("--read-only",)):
        answer = firn.sql(f"s3://{BUCKET}/x?ns=acme", "SELECT * FROM t", flags=flags, expect=None, timeout=120)
        refused(answer, STORE, BUCKET, f"127.0.0.1:{port}|unreachable|reach|connect")
    refused(firn.sql(f"s3://{BUCKET}/x?ns=acme", "CREATE TABLE t (id BIGINT PRIMARY KEY)", expect=None, timeout=120), STORE, BUCKET)


def test_missing_bucket_and_wrong_credentials(s3, tmp_path):
    firn = Firn(tmp_path / "home", s3_environment(s3.endpoint))
    refused(firn.sql("s3://no-such-bucket/x?ns=acme", "SELECT * FROM t", flags=("--read-only",), expect=None), STORE, "no-such-bucket")
    wrong = Firn(tmp_path / "home", s3_environment(s3.endpoint, ("writer", "not-the-secret")))
    answer = refused(wrong.sql(f"s3://{BUCKET}/x?ns=acme", "SELECT * FROM t", expect=None), STORE, "denied|refused|credential|403")
    assert "not-the-secret" not in answer.err


def test_read_only_credential(s3, tmp_path, request):
    from conftest import new_place

    place = new_place("s3", request, tmp_path)
    firn = Firn(tmp_path / "home", dict(place.environment))
    firn.sql(place.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY, small SMALLINT, name TEXT)", "INSERT INTO t VALUES (1, 1, 'one')")
    reader = Firn(tmp_path / "home", s3_environment(s3.endpoint, READER))
    before = place.keys(None)
    unchanged(reader, place.uri())
    reader.verify(place.uri())
    refused(reader.sql(place.uri(), "INSERT INTO t VALUES (2, 2, 'two')", expect=None, timeout=120), STORE, "denied|permission|403|not allowed|refused", "write|put")
    assert place.keys(None) == before
    unchanged(firn, place.uri())


def run_as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_read_only_folder(firn, folder_place, tmp_path):
    uri = folder_place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, small SMALLINT, name TEXT)", "INSERT INTO t VALUES (1, 1, 'one')")
    subprocess.run(["chown", "-R", "nobody", str(firn.home)], check=True)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_mode & 0o055 != 0o055 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    before = folder_place.keys(None)
    answer = firn.run("sql", uri, "-c", "SELECT count(*) FROM t", preexec=run_as_nobody)
    assert answer.value() == "1"
    answer = firn.run("sql", uri, "-c", "INSERT INTO t VALUES (2, 2, 'two')", preexec=run_as_nobody, expect=None)
    refused(answer, STORE, "permission|denied|read-only")
    assert folder_place.keys(None) == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_until_refused(firn, uri: str, **options) -> tuple[int, object]:
    """Inserts 300 KiB at a time until the store says no; returns how many were acknowledged, and the refusal."""
    for n in range(60):
        statement = f"INSERT INTO big SELECT {n} * 1000 + value, sha256(CAST(value * 7919 + {n} AS TEXT) || 'salt') FROM generate_series(1, 1000) AS s(value)"
        answer = firn.run("sql", uri, "-c", statement, expect=None, **options)
        if answer.code != DONE:
            return n, answer
    raise AssertionError("the disk never filled")


def test_full_disk(firn, small_disk):
    place = FolderPlace(small_disk / "store", {})
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE big (id BIGINT PRIMARY KEY, noise BYTEA)")
    acknowledged, answer = fill_until_refused(firn, uri)
    refused(answer, STORE, "full|space|quota")
    assert firn.value(uri, "SELECT count(*) FROM big", "--read-only") == str(acknowledged * 1000)
    firn.verify(uri)
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    firn.sql(uri, "INSERT INTO big VALUES (-1, 'x')")
    assert firn.value(uri, "SELECT count(*) FROM big", "--read-only") == str(acknowledged * 1000 + 1)
    firn.verify(uri, "--replay")


def test_file_size_limit(firn, folder_place):
    """The other way a disk says no in the middle of a write: a limit on file sizes."""
    uri = folder_place.uri()
    firn.sql(uri, "CREATE TABLE big (id BIGINT PRIMARY KEY, noise BYTEA)", "INSERT INTO big VALUES (1, 'x')")

    def limit():
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))

    statement = "INSERT INTO big SELECT 10 + value, sha256(CAST(value AS TEXT)) FROM generate_series(1, 3000) AS s(value)"
    answer = firn.run("sql", uri, "-c", statement, preexec=limit, expect=None, timeout=120)
    refused(answer, STORE, "too large|full|space|write")
    assert firn.value(uri, "SELECT count(*) FROM big") == "1"
    firn.verify(uri, "--replay")
