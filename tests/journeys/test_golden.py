"""A namespace that an earlier build wrote: this build reads it, verifies it, replays it and writes on. Its bytes are in the repository.

`tests/golden/namespace` is never regenerated while its formats are valid: a change of a format keeps reading this one and adds another beside it.
Run as a program, this file made it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from driver import REPOSITORY, Firn

GOLDEN = REPOSITORY / "tests" / "golden"

PREPARE = [
    "SET firn.actor = 'golden'; SET firn.reason = 'made once'; CREATE TABLE every (id INTEGER PRIMARY KEY, yes BOOLEAN, s SMALLINT, b BIGINT, r REAL, "
    "d DOUBLE PRECISION, m DECIMAL(20,4), t TEXT NOT NULL DEFAULT 'nothing', v VARCHAR(12), y BYTEA, day DATE, at TIMESTAMP, atz TIMESTAMPTZ, u UUID)",
    "INSERT INTO every VALUES (1, true, -32768, 9223372036854775807, 1.5, 2.25, 1234567890123456.7891, 'text', 'Grüße', '\\x00ff10', '2024-02-29', "
    "'2024-02-29 23:59:59.123456', '2024-02-29 23:59:59.123456+02:00', '6f1c9a52-7f5e-4cb4-9d0e-3b7a55d1c0de')",
    "INSERT INTO every (id) VALUES (2), (3), (4)",
    "CREATE TABLE pairs (a BIGINT, b TEXT, n DOUBLE PRECISION, PRIMARY KEY (a, b))",
    "INSERT INTO pairs SELECT value % 7, 'key ' || value, value * 0.25 FROM generate_series(1, 500) AS s(value)",
    "CREATE TABLE keyless (what TEXT)",
    "INSERT INTO keyless VALUES ('one'), ('two'), ('two')",
    *[f"UPDATE pairs SET n = n + 1 WHERE a = {a}" for a in range(5)],
    "DELETE FROM pairs WHERE a = 6",
    "ALTER TABLE every ADD COLUMN later INTEGER DEFAULT 5",
    "BEGIN; INSERT INTO every (id, t) VALUES (5, 'in a transaction'); DELETE FROM keyless WHERE what = 'one'; COMMIT",
]
# Ends of rows that stand in files: the second flush writes a deletion vector.
AFTER_FLUSH = [
    *[f"UPDATE pairs SET n = n - 1 WHERE a = {a % 7} AND b = 'key {a}'" for a in range(10, 25)],
    "UPDATE pairs SET n = -1 WHERE a = 2 AND b = 'key 2'",
    "DELETE FROM every WHERE id = 4",
    "ALTER TABLE every RENAME COLUMN later TO latest",
    "INSERT INTO keyless VALUES ('flushed')",
]
TAIL = ["INSERT INTO keyless VALUES ('tail')", "UPDATE every SET v = 'tail' WHERE id = 1"]
QUERIES = [
    "SELECT * FROM every ORDER BY id",
    "SELECT a, count(*), sum(n) FROM pairs GROUP BY a ORDER BY a",
    "SELECT what, count(*) FROM keyless GROUP BY what ORDER BY what",
    "SELECT id, t FROM every AS OF POSITION 3 ORDER BY id",
    "SELECT count(*), sum(n) FROM pairs AS OF POSITION 6",
    "SELECT position, kind, actor, reason, tables, rows, segment, hash FROM firn_commits ORDER BY position",
]


def answers(firn: Firn, uri: str) -> dict[str, str]:
    return {query: firn.sql(uri, query, flags=("--read-only", "--format", "csv")).text for query in QUERIES}


def test_the_golden_namespace_still_opens(tmp_path):
    shutil.copytree(GOLDEN / "namespace", tmp_path / "store" / "namespace")
    key = shutil.copy(GOLDEN / "master.key", tmp_path / "master.key")
    os.chmod(key, 0o600)
    kinds = {path.suffix for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert kinds == {".json", ".wal", ".parquet", ".dv"}
    firn, uri = Firn(tmp_path / "home"), f"file://{tmp_path}/store?ns=namespace&kms=local:{key}"
    firn.verify(uri, "--replay")
    expected = json.loads((GOLDEN / "answers.json").read_text())
    assert answers(firn, uri) == expected
    firn.sql(uri, "INSERT INTO every (id, t) VALUES (6, 'written by a later build')", "UPDATE pairs SET n = 0 WHERE a = 1")
    assert firn.value(uri, "SELECT count(*) FROM every") == "5"
    firn.verify(uri, "--replay")


def make(folder: Path) -> None:
    assert not GOLDEN.exists(), "the golden namespace is made once"
    firn, uri = Firn(folder / "home"), f"file://{folder}/store?ns=namespace"
    firn.sql(uri, *PREPARE)
    firn.sql(uri, *AFTER_FLUSH)
    firn.sql(uri, *TAIL)
    GOLDEN.mkdir()
    shutil.copytree(folder / "store" / "namespace", GOLDEN / "namespace")
    shutil.copy(firn.home / "firn" / "master.key", GOLDEN / "master.key")
    (GOLDEN / "answers.json").write_text(json.dumps(answers(firn, uri), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        make(Path(made))
