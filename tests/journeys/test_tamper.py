"""Somebody with write access to the bucket damages it: `verify` names the object, and no answer is ever made of damaged bytes.

Every object of every kind is flipped at several places, cut, swapped with another of its kind, deleted, and replaced by the object of the same
name from another namespace. After each of these, `verify` must end with exit code 4 and name the object; the three queries below must either give
exactly the right answer (they did not need the object) or be refused with exit code 4.
"""

from __future__ import annotations

import shutil

import pytest
from conftest import FolderPlace, new_place
from driver import DONE, INTEGRITY, STORE, Firn

QUERIES = [
    "SELECT count(*), sum(id), sum(v), min(note), max(note) FROM t",
    "SELECT v, note FROM t WHERE id = 4711",
    "SELECT count(*), sum(v) FROM t AS OF POSITION 2",
]

PREPARE = [
    "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT, note TEXT)",
    "INSERT INTO t SELECT value, value * 3, 'note ' || value FROM generate_series(1, 20000) AS s(value)",
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


def kinds(place, namespace: str = "acme") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in place.keys(namespace):
        found.setdefault(key.split("/")[0] + "." + key.rsplit(".", 1)[1], []).append(key)
    return found


def newest(place) -> set[str]:
    """The ends of the two chains: nothing in the bucket names them, so their absence is the state before them."""
    found = kinds(place)
    return {found["manifest.json"][0], found["wal.wal"][-1]}


class Attacks:
    """Damages, asks, restores; tells all that was wrong at the end."""

    def __init__(self, firn: Firn, place, right):
        self.firn, self.place, self.right = firn, place, right
        self.problems: list[str] = []
        self.count = 0

    def attack(self, what: str, damage: dict[str, bytes | None]) -> None:
        """Stores other bytes (None: nothing) under these names for the length of the questions. `verify` must name each."""
        kept = {key: self.place.read(key) for key in damage}
        self.count += 1
        try:
            for key, data in damage.items():
                self.place.remove(key) if data is None else self.place.write(key, data)
            self.ask(what, list(damage))
        finally:
            for key, data in kept.items():
                self.place.write(key, data)

    def ask(self, what: str, keys: list[str]) -> None:
        report = self.firn.verify(self.place.uri(), expect=None)
        said = report.text + report.err
        for key in keys:
            if report.code != INTEGRITY:
                self.problems.append(f"{what} of {key}: verify ends with {report.code}")
            elif key not in said:
                self.problems.append(f"{what} of {key}: verify does not name it: {said}")
        for query, rows in zip(QUERIES, self.right):
            answer = self.firn.sql(self.place.uri(), query, flags=("--read-only", "--format", "csv"), expect=None)
            if answer.code == DONE and answer.rows() != rows:
                self.problems.append(f"{what} of {keys}: A WRONG ANSWER WAS SERVED: {query}: {answer.rows()} instead of {rows}")
            elif answer.code not in (DONE, INTEGRITY):
                self.problems.append(f"{what} of {keys}: exit code {answer.code}: {answer.err}")
                break

    def end(self) -> None:
        assert not self.problems, f"{len(self.problems)} problems in {self.count} attacks:\n" + "\n".join(self.problems)
        self.firn.verify(self.place.uri())


@pytest.fixture
def attacks(damaged):
    return Attacks(*damaged)


def test_every_kind_is_there(damaged):
    _, place, _ = damaged
    assert set(kinds(place)) == {"manifest.json", "sst.parquet", "sst.dv", "wal.wal"}


def each_object(place) -> list[str]:
    """Every manifest and file; of a long WAL the ends and some of the middle."""
    found = kinds(place)
    wal = found.pop("wal.wal")
    step = max(1, len(wal) // 12)
    return [key for keys in found.values() for key in keys] + sorted(set(wal[::step] + wal[-3:]))


def test_flipped_bytes(attacks):
    for key in each_object(attacks.place):
        data = attacks.place.read(key)
        for offset in sorted({0, 9, len(data) // 3, len(data) // 2, len(data) - 40, len(data) - 5, len(data) - 1}):
            if 0 <= offset < len(data):
                changed = data[:offset] + bytes([data[offset] ^ 0x20]) + data[offset + 1 :]
                attacks.attack(f"a flip at {offset}", {key: changed})
    attacks.end()


def test_cut_short_and_grown(attacks):
    for key in each_object(attacks.place):
        data = attacks.place.read(key)
        for changed in (data[:-1], data[: len(data) // 2], b"", data + b"\0"):
            attacks.attack(f"{len(changed)} bytes instead of {len(data)}", {key: changed})
    attacks.end()


def test_deleted(attacks):
    for key in set(each_object(attacks.place)) - newest(attacks.place):
        attacks.attack("deletion", {key: None})
    attacks.end()


def test_a_writer_refuses_a_gap(damaged):
    """With a segment missing in the middle, nobody may fence the log there: that would make the loss final."""
    firn, place, right = damaged
    key = kinds(place)["wal.wal"][-2]
    data = place.read(key)
    place.remove(key)
    try:
        before = place.keys()
        answer = firn.sql(place.uri(), "INSERT INTO t VALUES (-1, 1, 'over the gap')", expect=None)
        written = [name for name in place.keys() if name not in before and name.startswith("wal/")]
        assert answer.code == INTEGRITY and not written, f"{written}\n{answer}"
    finally:
        place.write(key, data)
    firn.verify(place.uri(), "--replay")
    assert [firn.rows(place.uri(), query, "--read-only") for query in QUERIES] == right


def test_swapped_with_another_of_its_kind(attacks):
    for keys in kinds(attacks.place).values():
        for left, other in list(zip(keys, keys[1:]))[:8]:
            attacks.attack("a swap", {left: attacks.place.read(other), other: attacks.place.read(left)})
    attacks.end()


def test_an_older_state_put_back(attacks):
    """Each manifest replaced by the one before it, under its own name: a replay of what was once true."""
    manifests = kinds(attacks.place)["manifest.json"]
    for newer, older in zip(manifests, manifests[1:]):
        attacks.attack("an older version", {newer: attacks.place.read(older)})
    attacks.end()


def test_copied_from_another_namespace(attacks):
    """The other tenant's bytes, sealed under the same master key, under this tenant's name."""
    foreign = kinds(attacks.place, "other")
    for kind, keys in kinds(attacks.place).items():
        for key in keys[:4] + keys[-2:]:
            source = key if key in foreign[kind] else foreign[kind][0]
            attacks.attack(f"a copy of {source} from another namespace", {key: attacks.place.read(source, "other")})
    attacks.end()


def test_a_whole_copied_namespace(damaged, tmp_path):
    """A copied prefix opens under any name with its own master key, and not with another."""
    firn, place, right = damaged
    shutil.copytree(place.root / "acme", place.root / "copied")
    try:
        assert [firn.rows(place.uri("copied"), query, "--read-only") for query in QUERIES] == right
        stranger = Firn(tmp_path / "stranger")
        stranger.sql(f"file://{tmp_path}/own?ns=own", "CREATE TABLE t (id BIGINT PRIMARY KEY)")
        answer = stranger.sql(place.uri("copied"), QUERIES[0], flags=("--read-only",), expect=None)
        assert answer.code == STORE and "key" in answer.err.lower(), str(answer)
    finally:
        shutil.rmtree(place.root / "copied")


def test_on_the_s3_server(request, tmp_path):
    """The same on a real S3 server: one damage of each sort for the middle object of each kind."""
    place = new_place("s3", request, tmp_path)
    firn = Firn(tmp_path / "home", dict(place.environment))
    prepare(firn, place, "acme", tmp_path)
    right = [firn.rows(place.uri(), query, "--read-only") for query in QUERIES]
    firn.verify(place.uri(), "--replay")
    attacks = Attacks(firn, place, right)
    for keys in kinds(place).values():
        key = keys[len(keys) // 2]
        data = place.read(key)
        attacks.attack("a cut", {key: data[:-1]})
        attacks.attack("a flip", {key: data[:100] + bytes([data[100] ^ 1]) + data[101:]})
        if key not in newest(place):
            attacks.attack("deletion", {key: None})
    attacks.end()
