"""`firn migrate`: each file once, in order, in one commit; changed and missing files; several migrators at once."""

from __future__ import annotations

import json
import threading

import pytest
from driver import DONE, STATEMENT, USAGE


@pytest.fixture
def migrations(folder_place, tmp_path):
    files = tmp_path / "migrations"
    files.mkdir()
    (files / "0001_tables.sql").write_text(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, x INT);\nINSERT INTO t VALUES (1, 10); -- a comment\n"
    )
    (files / "0002_view.sql").write_text("CREATE VIEW v AS SELECT sum(x) AS s FROM t; UPDATE t SET x = x + 1;"
        " CREATE SCHEMA app; CREATE TABLE app.n AS SELECT * FROM v;")
    return folder_place.uri(), files


def report(firn, uri, files, *more):
    answer = firn.run("migrate", uri, str(files), "--json", *more, expect=None)
    return answer, [(m["name"], m["state"]) for m in json.loads(answer.out)["migrations"]]


def test_each_file_once(firn, migrations):
    uri, files = migrations
    answer, lines = report(firn, uri, files, "--dry-run")
    assert answer.code == DONE and [s for _, s in lines] == ["pending", "pending"], str(answer)
    answer, lines = report(firn, uri, files)
    assert answer.code == DONE and [s for _, s in lines] == ["applied", "applied"], str(answer)
    assert firn.rows(uri, "SELECT v.s, n.s FROM v, app.n") == [["11", "11"]]
    assert firn.rows(uri, "SELECT version, name FROM firn_migrations ORDER BY version") == [
        ["1", "0001_tables.sql"],
        ["2", "0002_view.sql"],
    ]
    answer, lines = report(firn, uri, files)
    assert answer.code == DONE and [s for _, s in lines] == ["done", "done"], str(answer)
    position = json.loads(answer.out)["migrations"][0]["position"]
    assert firn.rows(uri, f"SELECT x FROM t AS OF POSITION {position}") == [["10"]]
    assert firn.rows(uri, f"SELECT reason FROM firn_commits WHERE position = {position}") == [["migration 0001_tables.sql"]]
    assert firn.run("verify", uri, "--replay", expect=None).code == DONE


def test_a_file_that_fails_leaves_nothing(firn, migrations):
    uri, files = migrations
    (files / "0003_wrong.sql").write_text("CREATE TABLE u (a INT);\nINSERT INTO u VALUES (1);\nINSERT INTO nope VALUES (1);")
    answer, lines = report(firn, uri, files)
    assert answer.code == STATEMENT and dict(lines)["0003_wrong.sql"] == "pending", str(answer)
    assert "0003_wrong.sql" in answer.err and "42P01" in answer.err, str(answer)
    assert firn.run("sql", uri, "-c", "SELECT * FROM u", expect=None).code == STATEMENT
    (files / "0003_wrong.sql").write_text("CREATE TABLE u (a INT); COMMIT; BEGIN;")
    answer = firn.run("migrate", uri, str(files), expect=None)
    assert answer.code == STATEMENT and "COMMIT in a migration" in answer.err, str(answer)


def test_changed_missing_and_late_files(firn, migrations):
    uri, files = migrations
    assert firn.run("migrate", uri, str(files), expect=None).code == DONE
    first = files / "0001_tables.sql"
    text = first.read_text()
    first.write_text(text + "\n")
    for more in ([], ["--status"]):
        answer = firn.run("migrate", uri, str(files), *more, expect=None)
        assert answer.code == STATEMENT and "0001_tables.sql was changed" in answer.err, str(answer)
    first.unlink()
    answer = firn.run("migrate", uri, str(files), expect=None)
    assert answer.code == STATEMENT and "0001_tables.sql" in answer.err and "not in the folder" in answer.err, str(answer)
    first.write_text(text)
    (files / "0000_early.sql").write_text("SELECT 1;")
    answer = firn.run("migrate", uri, str(files), expect=None)
    assert answer.code == STATEMENT and "0000_early.sql comes too late" in answer.err, str(answer)
    (files / "0000_early.sql").rename(files / "2_again.sql")
    assert firn.run("migrate", uri, str(files), expect=None).code == USAGE


def test_several_migrators_at_once(firn, migrations):
    uri, files = migrations
    for n in range(3, 8):
        (files / f"{n:04}_more.sql").write_text(f"UPDATE t SET x = x + 1; INSERT INTO t VALUES ({n}, {n});")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(firn.run("migrate", uri, str(files), expect=None))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.code for a in answers] == [DONE] * 3, "\n".join(map(str, answers))
    assert firn.rows(uri, "SELECT x FROM t WHERE id = 1") == [["16"]]
    assert firn.rows(uri, "SELECT count(*), count(DISTINCT version) FROM firn_history('firn_migrations')") == [["7", "7"]]
