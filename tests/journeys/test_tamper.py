"""Somebody with write access to the bucket damages it: `verify` names the object, and no answer is ever made of damaged bytes.

Every object of every kind is flipped at several places, cut, swapped with another of its kind, deleted, and replaced by the object of the same
name from another namespace. After each of these, `verify` must end with exit code 4 and name the object; the three queries below must either give
exactly the right answer (they did not need the object) or be refused with exit code 4.
"""

from __future__ import annotations

import shutil

import pytest
from conftest import FolderPlace
from driver import DONE, INTEGRITY, Firn

QUERIES = [
    "SELECT count(*), sum(id), sum(v), min(note), max(note) FROM t",
    "SELECT v, note FROM t WHERE id = 4711",
    "SELECT count(*), sum(v) FROM t AS OF POSITION 2",
]

PREPARE = [
    "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT, note TEXT)",
    "INSERT INTO t SELECT value, value * 3, 'note ' || value FROM generate_series(1, 20000)",
    "UPDATE t SET v = v + 1 WHERE id % 10 = 0",
    "DELETE FROM t WHERE id % 1000 = 7",
    "INSERT INTO t VALUES (100001, 1, 'late'), (100002, 2, 'later')",
]


def prepare(firn: Firn, place, namespace: str, folder) -> None:
    """Flushed files, a deletion vector, and a WAL tail on top: every kind of object there is."""
    uri = place.uri(namespace)
    firn.sql(uri, *PREPARE)
    rows = folder / "more.csv"
    rows.write_text("id,v,note\n" + "".join(f"{n},{n % 89},more {n}\n" for n in range(200_000, 260_000)))
    firn.load(uri, "t", rows)
    firn.sql(uri, "UPDATE t SET note = 'changed' WHERE id % 777 = 0", "DELETE FROM t WHERE id BETWEEN 230000 AND 230100")
    firn.load(uri, "t", write_rows(folder / "again.csv", 300_000, 360_000))
    firn.sql(uri, "INSERT INTO t VALUES (900001, 5, 'tail')", "UPDATE t SET v = 0 WHERE id = 4711")


def write_rows(path, first: int, last: int):
    path.write_text("id,v,note\n" + "".join(f"{n},{n % 89},again {n}\n" for n in range(first, last)))
    return path


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A folder with two namespaces made alike, under one master key, and the right answers."""
    folder = tmp_path_factory.mktemp("tamper")
    firn, place = Firn(folder / "home"), FolderPlace(folder / "store", {})
    for namespace in ("acme", "other"):
        prepare(firn, place, namespace, folder)
    right = [firn.rows(place.uri(), query, "--read-only") for query in QUERIES]
    firn.verify(place.uri(), "--replay")
    yield firn, place, right
    shutil.rmtree(folder, ignore_errors=True)


def kinds(place) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in place.keys():
        found.setdefault(key.split("/")[0] + "." + key.rsplit(".", 1)[1], []).append(key)
    return found


def newest(place) -> set[str]:
    """The ends of the two chains: nothing in the bucket names them, so their absence is the state before them."""
    found = kinds(place)
    return {found["manifest.json"][0], found["wal.wal"][-1]}


def check(firn: Firn, place, right, key: str, what: str, verify_must_find: bool = True) -> None:
    answer = firn.verify(place.uri(), expect=None)
    if verify_must_find:
        assert answer.code == INTEGRITY, f"{what} of {key} was not found\n{answer}"
        assert key in answer.text + answer.err, f"{what} of {key}: the report does not name it\n{answer}"
    for query, rows in zip(QUERIES, right):
        answer = firn.sql(place.uri(), query, flags=("--read-only", "--format", "csv"), expect=None)
        if answer.code == DONE:
            assert answer.rows() == rows, f"{what} of {key}: a wrong answer was served\n{answer}"
        else:
            assert answer.code == INTEGRITY, f"{what} of {key}\n{answer}"


def test_every_kind_is_there(damaged):
    _, place, _ = damaged
    assert set(kinds(place)) == {"manifest.json", "sst.parquet", "sst.dv", "wal.wal"}


def each_object(place) -> list[str]:
    """Every manifest and file; of a long WAL the ends and some of the middle."""
    found = kinds(place)
    wal = found.pop("wal.wal")
    step = max(1, len(wal) // 12)
    return [key for keys in found.values() for key in keys] + sorted(set(wal[::step] + wal[-3:]))


def test_flipped_bytes(damaged):
    firn, place, right = damaged
    for key in each_object(place):
        data = place.read(key)
        for offset in sorted({0, 9, len(data) // 3, len(data) // 2, len(data) - 40, len(data) - 5, len(data) - 1}):
            if not 0 <= offset < len(data):
                continue
            changed = bytearray(data)
            changed[offset] ^= 0x20
            place.write(key, bytes(changed))
            check(firn, place, right, key, f"a flip at {offset}")
        place.write(key, data)
    firn.verify(place.uri())


def test_cut_short_and_grown(damaged):
    firn, place, right = damaged
    for key in each_object(place):
        data = place.read(key)
        for changed in (data[:-1], data[: len(data) // 2], b"", data + b"\0"):
            place.write(key, changed)
            check(firn, place, right, key, f"{len(changed)} bytes instead of {len(data)}")
        place.write(key, data)
    firn.verify(place.uri())


def test_deleted(damaged):
    firn, place, right = damaged
    for key in each_object(place):
        if key in newest(place):
            continue
        data = place.read(key)
        place.remove(key)
        check(firn, place, right, key, "deletion")
        place.write(key, data)
    firn.verify(place.uri())


def test_swapped_with_another_of_its_kind(damaged):
    firn, place, right = damaged
    for keys in kinds(place).values():
        for left, other in list(zip(keys, keys[1:]))[:8]:
            a, b = place.read(left), place.read(other)
            place.write(left, b)
            place.write(other, a)
            check(firn, place, right, left, f"swap with {other}")
            place.write(left, a)
            place.write(other, b)
    firn.verify(place.uri())


def test_copied_from_another_namespace(damaged):
    """The other tenant's bytes, sealed under the same master key, under this tenant's name."""
    firn, place, right = damaged
    foreign = kinds_of(place, "other")
    for kind, keys in kinds(place).items():
        for key in keys[:4] + keys[-2:]:
            data = place.read(key)
            source = key if key in foreign.get(kind, []) else foreign[kind][0]
            place.write(key, place.read(source, "other"))
            check(firn, place, right, key, f"a copy of {source} from another namespace")
            place.write(key, data)
    firn.verify(place.uri())


def kinds_of(place, namespace: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in place.keys(namespace):
        found.setdefault(key.split("/")[0] + "." + key.rsplit(".", 1)[1], []).append(key)
    return found


def test_a_whole_foreign_namespace_under_this_name_is_the_other_one(damaged, tmp_path):
    """A copied prefix opens under any name with its own key, and not with another master key."""
    firn, place, _ = damaged
    shutil.copytree(place.root / "acme", place.root / "copied")
    try:
        assert firn.rows(place.uri("copied"), QUERIES[0], "--read-only") == firn.rows(place.uri(), QUERIES[0], "--read-only")
        stranger = Firn(tmp_path / "stranger")
        stranger.sql(f"file://{tmp_path}/own?ns=own", "CREATE TABLE t (id BIGINT PRIMARY KEY)")
        answer = stranger.sql(place.uri("copied"), QUERIES[0], flags=("--read-only",), expect=None)
        assert answer.code == 3 and "key" in answer.err.lower(), str(answer)
    finally:
        shutil.rmtree(place.root / "copied")


def test_on_the_s3_server(request, tmp_path):
    """The same on a real S3 server, one damage of each sort for each kind of object."""
    from conftest import new_place

    place = new_place("s3", request, tmp_path)
    firn = Firn(tmp_path / "home", dict(place.environment))
    prepare(firn, place, "acme", tmp_path)
    right = [firn.rows(place.uri(), query, "--read-only") for query in QUERIES]
    firn.verify(place.uri(), "--replay")
    for keys in kinds(place).values():
        key = keys[len(keys) // 2]
        data = place.read(key)
        place.write(key, data[:-1])
        check(firn, place, right, key, "a cut")
        place.write(key, data[:100] + bytes([data[100] ^ 1]) + data[101:])
        check(firn, place, right, key, "a flip")
        if key not in newest(place):
            place.remove(key)
            check(firn, place, right, key, "deletion")
        place.write(key, data)
    firn.verify(place.uri())
