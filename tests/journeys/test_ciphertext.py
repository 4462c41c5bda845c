"""Whoever reads the bucket without the key learns nothing of what is stored: no value, no table name, no column name."""

from __future__ import annotations

import struct
import uuid

TABLE, COLUMN, RENAMED = "zebrafinch_ledger", "quarterly_bonus", "yearly_bonus_renamed"
TEXTS = ["Wolfgang Amadeus Mozart", "kingfisher-4711", "strictly confidential remark", "Übermäßig geheim"]
NUMBER, DECIMAL_TEXT, MARK = 7_239_481_726_354_817, "98765.4321", uuid.UUID("6f1c9a52-7f5e-4cb4-9d0e-3b7a55d1c0de")
ACTOR, REASON = "auditor-hildegard", "correction of the third quarter"


def needles() -> dict[str, bytes]:
    words = [TABLE, COLUMN, RENAMED, *TEXTS, str(NUMBER), DECIMAL_TEXT, "987654321", str(MARK), MARK.hex, ACTOR, REASON, "default-phrase-here"]
    found = {}
    for word in words:
        found[word] = word.encode()
        found[word + " (utf-16 le)"] = word.encode("utf-16-le")
        found[word + " (utf-16 be)"] = word.encode("utf-16-be")
    found["the number, little-endian"] = struct.pack("<q", NUMBER)
    found["the number, big-endian"] = struct.pack(">q", NUMBER)
    found["the number, big-endian, sign flipped"] = struct.pack(">Q", NUMBER ^ (1 << 63))
    found["the number as key, hex"] = struct.pack(">Q", NUMBER ^ (1 << 63)).hex().encode()
    found["the uuid's bytes"] = MARK.bytes
    found["the text as key, hex"] = TEXTS[0].encode().hex().encode()
    return found


def test_nothing_readable_under_the_prefix(place, firn, tmp_path):
    uri = place.uri()
    firn.sql(
        uri,
        f"SET firn.actor = '{ACTOR}'; SET firn.reason = '{REASON}'; CREATE TABLE {TABLE} (who TEXT, id BIGINT, mark UUID, {COLUMN} DECIMAL(12,4), "
        "remark TEXT DEFAULT 'default-phrase-here', PRIMARY KEY (who, id))",
        *[f"INSERT INTO {TABLE} VALUES ('{text}', {NUMBER}, '{MARK}', {DECIMAL_TEXT}, '{text} again')" for text in TEXTS],
        f"UPDATE {TABLE} SET {COLUMN} = {COLUMN} + 1 WHERE who = '{TEXTS[0]}'",
        f"ALTER TABLE {TABLE} RENAME COLUMN {COLUMN} TO {RENAMED}",
    )
    rows = tmp_path / "rows.csv"
    rows.write_text(f"who,id,mark,{RENAMED},remark\n" + "".join(f"{TEXTS[n % 3]},{NUMBER + n + 1},{MARK},{DECIMAL_TEXT},{TEXTS[2]} {n}\n" for n in range(150_000)))
    firn.load(uri, TABLE, rows)
    firn.sql(uri, f"DELETE FROM {TABLE} WHERE id = {NUMBER + 5}", f"DELETE FROM {TABLE} WHERE id % 1000 = 1")
    assert int(firn.value(uri, f"SELECT count(*) FROM {TABLE} WHERE mark = '{MARK}'")) > 149_000
    keys = place.keys(None)
    assert any(key.endswith(".parquet") for key in keys) and any(key.endswith(".wal") for key in keys)
    for key in keys:
        namespace, name = key.split("/", 1)
        stored = place.read(name, namespace)
        for what, needle in needles().items():
            assert needle not in stored and needle not in key.encode(), f"{what} stands readable in {key}"


def test_the_search_finds_what_is_there(tmp_path):
    """The needles do find plain Parquet: the test above could fail."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({COLUMN: [NUMBER], "who": [TEXTS[0]]}), tmp_path / "plain.parquet", compression="none", use_dictionary=False)
    stored = (tmp_path / "plain.parquet").read_bytes()
    assert sum(needle in stored for needle in needles().values()) >= 3
