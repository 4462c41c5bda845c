"""Two real processes want to write one namespace: exactly one of them may, and nothing acknowledged is lost. A reader disturbs neither."""

from __future__ import annotations

from driver import DONE, FENCED, STATEMENT, STORE, Talk


def test_takeover_fences_the_first_writer(place, firn):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY, who TEXT)")
    first, second = Talk(firn, uri), Talk(firn, uri)
    assert first.ask("INSERT INTO t VALUES (1, 'first')") is not None
    assert second.ask("INSERT INTO t VALUES (2, 'second')") is not None

    reader = Talk(firn, uri, "--read-only")
    assert reader.ask("SELECT id FROM t ORDER BY id") == ["id", "1", "2"]

    first.ask("INSERT INTO t VALUES (3, 'first, too late')")
    assert first.end() == FENCED
    message = first.error_text().lower()
    assert "fenced" in message and "another writer" in message, message

    assert second.ask("INSERT INTO t VALUES (4, 'second')") is not None
    assert reader.ask("SELECT id FROM t ORDER BY id")[-3:] == ["1", "2", "4"]
    assert second.end() == DONE and reader.end() == DONE
    assert firn.rows(uri, "SELECT id, who FROM t ORDER BY id") == [["1", "first"], ["2", "second"], ["4", "second"]]
    firn.verify(uri, "--replay")


def test_many_takeovers_lose_nothing(place, firn):
    """Four clients take the namespace from each other in turn; each acknowledged row stays."""
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    acknowledged = []
    talks: list[Talk] = []
    for turn in range(8):
        talk = Talk(firn, uri)
        talks.append(talk)
        for n in range(5):
            assert talk.ask(f"INSERT INTO t VALUES ({turn * 100 + n})") is not None
            acknowledged.append(turn * 100 + n)
        for older in talks[:-1]:
            older.ask(f"INSERT INTO t VALUES ({turn * 100 + 50 + talks.index(older)})")
            assert older.end() == FENCED
        talks = [talk]
    assert talks[0].end() == DONE
    assert [int(row[0]) for row in firn.rows(uri, "SELECT id FROM t ORDER BY id")] == acknowledged
    firn.verify(uri, "--replay")


def test_a_reader_writes_nothing(place, firn):
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    writer = Talk(firn, uri)
    assert writer.ask("INSERT INTO t VALUES (3)") is not None
    before = place.keys(None)
    reader = Talk(firn, uri, "--read-only")
    assert reader.ask("SELECT count(*) FROM t") == ["count", "3"]
    assert firn.value(uri, "SELECT count(*) FROM t", "--as-of", "2") == "2"
    firn.run("verify", uri)
    firn.run("inspect", uri)
    assert place.keys(None) == before
    refused = firn.sql(uri, "INSERT INTO t VALUES (9)", flags=("--read-only",), expect=None)
    assert refused.code == STATEMENT and "25006" in refused.err, str(refused)
    assert place.keys(None) == before
    assert writer.ask("INSERT INTO t VALUES (4)") is not None, "the reader fenced the writer"
    assert writer.end() == DONE
    assert reader.ask("SELECT count(*) FROM t") is not None
    assert reader.end() == DONE


def test_selects_of_a_writing_session_claim_nothing(place, firn):
    """Opening without --read-only and only reading leaves the epoch where it was."""
    uri = place.uri()
    firn.sql(uri, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    writer = Talk(firn, uri)
    assert writer.ask("INSERT INTO t VALUES (1)") is not None
    before = place.keys(None)
    assert firn.value(uri, "SELECT count(*) FROM t") == "1"
    assert place.keys(None) == before
    assert writer.ask("INSERT INTO t VALUES (2)") is not None
    assert writer.end() == DONE


def test_reading_never_creates(place, firn):
    for flags in (("--read-only",), ()):
        answer = firn.sql(place.uri("nobody"), "SELECT 1 FROM t", flags=flags, expect=None)
        assert answer.code in (STATEMENT, STORE) and "nobody" in answer.err, str(answer)
        assert "3D000" in answer.err, str(answer)
    assert firn.run("verify", place.uri("nobody"), expect=None).code in (STATEMENT, STORE)
    assert firn.run("inspect", place.uri("nobody"), expect=None).code in (STATEMENT, STORE)
    assert place.keys(None) == []
    assert not (firn.home / "firn" / "master.key").exists()
