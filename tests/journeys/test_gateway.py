"""A gateway serves tenants over HTTP: each with its own keys, none reaching another, nothing acknowledged lost.

Stories: an application developer tries the interface; a client repeats a write after the gateway was killed; a tenant's key
is tried on another tenant; an operator seals, suspends and erases; somebody copied the bucket before.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from driver import STATEMENT, STORE, USAGE
from gateway import Gateway


def root(place) -> str:
    return place.uri().split("?")[0]


@pytest.fixture
def gateway(place, firn, tmp_path):
    gateway = Gateway(firn, root(place), tmp_path / "serve.log").start()
    yield gateway
    gateway.stop()
    assert b"panicked" not in (tmp_path / "serve.log").read_bytes()


def tenant(gateway, name: str) -> str:
    """Creates a tenant as an operator does; gives its first key."""
    reply = gateway.call("POST", "/v1/tenants", gateway.operator(), {"name": name})
    assert reply.status == 201, reply.body
    assert reply.json()["name"] == name and reply.json()["api_key"].startswith("firn_")
    return reply.json()["api_key"]


def eventually(done, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_sql_over_http(gateway):
    key = tenant(gateway, "acme")
    made = gateway.sql("acme", key, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, d DECIMAL(20,2))")
    assert made.status == 200 and made.json()["command"] == "CREATE TABLE"
    put = gateway.sql("acme", key, "INSERT INTO t VALUES ($1, $2, $3), (2, NULL, 1.5)", 9007199254740993, "a", "12345678901234567.25")
    assert put.json()["row_count"] == 2 and put.json()["position"] == int(put.headers["x-firn-position"])
    assert int(put.headers["x-firn-requests"]) == put.json()["stats"]["requests"] > 0
    read = gateway.sql("acme", key, "SELECT id, v, d FROM t ORDER BY id")
    assert read.json()["columns"] == [{"name": "id", "type": "bigint"}, {"name": "v", "type": "text"}, {"name": "d", "type": "numeric(20,2)"}]
    assert read.json()["rows"] == [[2, None, 1.5], ["9007199254740993", "a", "12345678901234567.25"]]
    # the forms of an answer
    for accept, body in [
        ("text/csv", b"id,v,d\n2,,1.50\n9007199254740993,a,12345678901234567.25\n"),
        ("application/x-ndjson", b'{"id":2,"v":null,"d":1.50}\n{"id":"9007199254740993","v":"a","d":"12345678901234567.25"}\n'),
    ]:
        reply = gateway.call("POST", "/v1/sql?ns=acme", key, {"sql": "SELECT id, v, d FROM t ORDER BY id"}, Accept=accept)
        assert reply.headers["content-type"].startswith(accept) and reply.body == body
    import pyarrow.ipc

    arrow = gateway.call("POST", "/v1/sql", key, {"sql": "SELECT id FROM t ORDER BY id"}, Accept="application/vnd.apache.arrow.stream")
    assert pyarrow.ipc.open_stream(io.BytesIO(arrow.body)).read_all().to_pydict() == {"id": [2, 9007199254740993]}
    gateway.call("POST", "/v1/sql?ns=acme", key, {"sql": "SELECT 1"}, Accept="image/png").problem(406, "not_acceptable")
    # the past, and reading one's own writes
    before = put.json()["position"]
    gone = gateway.sql("acme", key, "DELETE FROM t").json()["position"]
    assert gateway.rows("acme", key, "SELECT count(*) FROM t", as_of=before) == [[2]]
    assert gateway.rows("acme", key, "SELECT count(*) FROM t", as_of=str(before)) == [[2]]
    assert gateway.rows("acme", key, "SELECT count(*) FROM t", min_position=gone, consistency="snapshot") == [[0]]
    late = gateway.sql("acme", key, "SELECT 1 FROM t", min_position=gone + 100).problem(400, "statement_failed")
    assert late["sqlstate"] == "22023" and str(gone + 100) in late["detail"]


def test_a_large_answer_is_streamed(gateway):
    key = tenant(gateway, "acme")
    reply = gateway.sql("acme", key, "SELECT x, repeat('y', 100) AS y FROM generate_series(1, 200000) AS g(x)")
    assert reply.json()["row_count"] == 200_000 and reply.json()["rows"][-1][0] == 200_000
    assert "x-firn-requests" not in reply.headers and "position" in reply.json()
    # an error among later rows cuts the answer off: no client takes the part for the whole
    with pytest.raises(Exception) as cut:
        gateway.sql("acme", key, "SELECT 1 / (150000 - x) AS y, repeat('y', 100) FROM generate_series(1, 200000) AS g(x)")
    assert "IncompleteRead" in repr(cut.value)
    assert gateway.rows("acme", key, "SELECT 1") == [[1]]


def test_a_list_is_one_transaction(gateway):
    key = tenant(gateway, "acme")
    gateway.sql("acme", key, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    both = {"statements": [{"sql": "INSERT INTO t VALUES ($1)", "params": [1]}, {"sql": "SELECT count(*) FROM t"}, {"sql": "INSERT INTO t VALUES (2)"}], "request_id": "r-1"}
    first = gateway.call("POST", "/v1/sql?ns=acme", key, both)
    assert first.status == 200, first.body
    assert [answer["row_count"] for answer in first.json()] == [1, 1, 1] and first.json()[1]["rows"] == [[1]]
    assert len({first.json()[0]["position"], first.json()[2]["position"], int(first.headers["x-firn-position"])}) == 1
    assert gateway.call("POST", "/v1/sql?ns=acme", key, both).status == 200
    broken = {"statements": [{"sql": "INSERT INTO t VALUES (3)"}, {"sql": "INSERT INTO t VALUES (1)"}]}
    assert gateway.call("POST", "/v1/sql?ns=acme", key, broken).problem(409, "constraint_violation")["sqlstate"] == "23505"
    assert gateway.rows("acme", key, "SELECT id FROM t ORDER BY id") == [[1], [2]]
    inside = {"statements": [{"sql": "INSERT INTO t VALUES (4)"}, {"sql": "COMMIT"}]}
    assert gateway.call("POST", "/v1/sql?ns=acme", key, inside).status == 409
    assert gateway.rows("acme", key, "SELECT count(*) FROM t") == [[2]]


def test_a_killed_gateway_loses_nothing_acknowledged(gateway):
    """Four clients write with request ids; the gateway is killed under them and started again; they repeat what was not
    answered. Every acknowledged row is there once."""
    key = tenant(gateway, "acme")
    gateway.sql("acme", key, "CREATE TABLE t (id BIGINT PRIMARY KEY, times BIGINT)")
    acknowledged, lock, over = set(), threading.Lock(), threading.Event()

    def write(client: int) -> None:
        n = 0
        while not over.is_set() or n < 3:
            n += 1
            row = client * 100_000 + n
            while True:
                try:
                    reply = gateway.sql("acme", key, "INSERT INTO t VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET times = t.times + 1", row, request_id=f"w-{row}")
                except OSError:
                    over.wait(0.05)
                    continue
                if reply.status == 200:
                    with lock:
                        acknowledged.add(row)
                    break
                assert reply.status == 503, reply.body
                over.wait(0.05)

    clients = [threading.Thread(target=write, args=(client,)) for client in range(1, 5)]
    for client in clients:
        client.start()
    for _ in range(3):
        over.wait(0.7)
        gateway.kill()
        gateway.start()
    over.set()
    for client in clients:
        client.join(120)
        assert not client.is_alive()
    rows = gateway.rows("acme", key, "SELECT id, times FROM t")
    assert {row for row, _ in rows} == acknowledged and len(acknowledged) > 10
    assert {times for _, times in rows} == {1}, "a repeated request was done twice"


def test_keys_and_roles(gateway):
    acme, globex = tenant(gateway, "acme"), tenant(gateway, "globex")
    gateway.sql("acme", acme, "CREATE TABLE t (id BIGINT PRIMARY KEY, secret TEXT)")
    gateway.sql("acme", acme, "INSERT INTO t VALUES (1, 'of acme')")

    def made(role):
        reply = gateway.call("POST", "/v1/tenants/acme/keys", acme, {"role": role, "label": f"a {role}"})
        assert reply.status == 201, reply.body
        return reply.json()

    reader, writer = made("reader"), made("writer")
    assert gateway.rows("acme", reader["api_key"], "SELECT id FROM t") == [[1]]
    for sql in ["INSERT INTO t VALUES (2, 'x')", "WITH a AS (SELECT 1) DELETE FROM t", "EXPLAIN ANALYZE DELETE FROM t", "DROP TABLE t", "SELECT * INTO u FROM t"]:
        assert gateway.sql("acme", reader["api_key"], sql).problem(403, "forbidden")["sqlstate"] == "42501", sql
    assert gateway.sql("acme", writer["api_key"], "INSERT INTO t VALUES (2, 'x')").status == 200
    gateway.sql("acme", writer["api_key"], "TRUNCATE t").problem(403, "forbidden")
    gateway.call("POST", "/v1/tenants/acme/keys", writer["api_key"], {"role": "admin"}).problem(403, "forbidden")
    gateway.call("GET", "/v1/tenants", acme).problem(403, "forbidden")
    # who wrote what
    actors = gateway.rows("acme", acme, "SELECT DISTINCT actor FROM firn_commits ORDER BY 1")
    assert [f"key:{writer['id']} (a writer)"] in actors
    # an unknown tenant, another's key and a wrong key are answered alike
    wrong = "firn_" + "A" * 43
    said = [gateway.sql(ns, key, "SELECT 1").body for ns, key in [("acme", globex), ("nobody", acme), ("nobody", wrong), ("acme", wrong), ("acme", "x"), ("../acme", acme), ("ACME", acme)]]
    assert len(set(said)) == 1 and json.loads(said[0])["code"] == "unauthenticated"
    gateway.call("GET", "/v1/tenants/acme", globex).problem(401, "unauthenticated")
    gateway.call("POST", "/v1/sql?ns=acme", None, {"sql": "SELECT 1"}).problem(401, "unauthenticated")
    # no table of another tenant, by whatever name
    for name in ["t", "acme.t", "acme.public.t", '"../acme".t', '"acme/t"']:
        assert gateway.sql("globex", globex, f"SELECT * FROM {name}").status == 400, name
    assert b"acme" not in gateway.sql("globex", globex, "SELECT * FROM information_schema.tables").body
    # a revoked key is none
    assert gateway.call("DELETE", f"/v1/tenants/acme/keys/{reader['id']}", acme).status == 204
    gateway.sql("acme", reader["api_key"], "SELECT 1").problem(401, "unauthenticated")
    shown = gateway.call("GET", "/v1/tenants/acme/keys", acme)
    assert [key["role"] for key in shown.json()["keys"]] == ["admin", "reader", "writer"]
    assert b"firn_" not in shown.body


def test_bad_requests(gateway):
    key = tenant(gateway, "acme")
    post = lambda body, **headers: gateway.call("POST", "/v1/sql?ns=acme", key, body, **headers)
    json_type = {"Content_Type": "application/json"}
    assert post(b"{", **json_type).problem(400, "bad_request")
    assert post(b'{"sql": 1}', **json_type).problem(422, "bad_request")
    assert "nonsense" in post({"sql": "SELECT 1", "nonsense": 1}).problem(422, "bad_request")["detail"]
    assert post(b"SELECT 1", Content_Type="text/plain").problem(415, "bad_request")
    assert post({}).problem(400, "bad_request") and post({"sql": ""}).problem(400, "bad_request")
    assert "statements" in post({"sql": "SELECT 1; SELECT 2"}).problem(400, "bad_request")["hint"]
    placed = post({"sql": "SELECT 1,\n  FROM"})
    assert placed.problem(400, "statement_failed")["sqlstate"] == "42601"
    assert placed.json()["at"]["line"] == 2
    assert post({"sql": "SELECT $1", "params": [1] * 70_000}).problem(400, "bad_request")
    assert post({"sql": "SELECT 1", "timeout_ms": 0}).problem(400, "bad_request")
    assert post({"sql": "SELECT 1", "as_of": {}}).problem(400, "bad_request")
    assert post({"statements": []}).problem(400, "bad_request")
    slow = post({"sql": "SELECT count(*) FROM generate_series(1, 100000) a(x), generate_series(1, 1000000) b(y) WHERE x + y = 7", "timeout_ms": 300})
    assert slow.problem(408, "canceled")["sqlstate"] == "57014"
    # curl waits for 100 Continue, as a client with a large body does
    large = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json", "--data-binary", "@-", f"{gateway.url}/v1/sql?ns=acme"],
        input=b'{"sql": "' + b"x" * (17 << 20) + b'"}', capture_output=True, timeout=60,
    )
    assert large.stdout == b"413", large
    gateway.call("GET", "/v1/sql", key).problem(405, "bad_method")
    gateway.call("GET", "/nowhere", key).problem(404, "no_route")
    for bad in ["Bad Name", "_x", "a" * 64, ""]:
        gateway.call("POST", "/v1/tenants", gateway.operator(), {"name": bad}).problem(400, "bad_request")
    gateway.call("POST", "/v1/tenants", gateway.operator(), {"name": "acme"}).problem(409, "name_taken")
    assert gateway.rows("acme", key, "SELECT 1") == [[1]]


def test_sealed_suspended_renamed(gateway):
    key = tenant(gateway, "acme")
    gateway.sql("acme", key, "CREATE TABLE t (id BIGINT PRIMARY KEY)")
    change = lambda tenant_name, **what: gateway.call("PATCH", f"/v1/tenants/{tenant_name}", gateway.operator(), what)
    assert change("acme", status="sealed").json()["status"] == "sealed"
    assert gateway.rows("acme", key, "SELECT count(*) FROM t") == [[0]]
    gateway.sql("acme", key, "INSERT INTO t VALUES (1)").problem(403, "forbidden")
    change("acme", status="suspended")
    gateway.sql("acme", key, "SELECT 1").problem(403, "forbidden")
    change("acme", status="active")
    assert gateway.sql("acme", key, "INSERT INTO t VALUES (1)").status == 200
    assert change("acme", name="acme-two").json()["name"] == "acme-two"
    gateway.sql("acme", key, "SELECT 1").problem(410, "renamed")
    assert gateway.rows("acme-two", key, "SELECT id FROM t") == [[1]]
    assert change("acme-two", quotas={"storage_bytes": 10}).json()["quotas"] == {"storage_bytes": 10}
    entries = gateway.call("GET", "/v1/tenants/acme-two/audit", key).json()["entries"]
    assert [entry["op"] for entry in entries] == ["set_quota", "rename_tenant", "resume", "suspend", "seal", "create_tenant", "create_tenant"]
    assert entries[1]["before"]["name"] == "acme" and entries[1]["after"]["name"] == "acme-two"
    assert "hash" not in json.dumps(entries) and "scram" not in json.dumps(entries)


def test_limits(gateway):
    """A tenant at its limits is told when to come again; another one does not notice."""
    key, other = tenant(gateway, "acme"), tenant(gateway, "globex")
    limit = lambda **limits: gateway.call("PATCH", "/v1/tenants/acme", gateway.operator(), {"quotas": limits})
    assert limit(statements_per_s=5).status == 200
    said = [gateway.sql("acme", key, "SELECT 1") for _ in range(30)]
    refused = [reply for reply in said if reply.status != 200]
    assert 5 <= len(said) - len(refused) < 25
    assert refused[0].problem(429, "over_quota")["sqlstate"] == "53400" and int(refused[0].headers["retry-after"]) >= 1
    assert all(gateway.sql("globex", other, "SELECT 1").status == 200 for _ in range(30))
    assert limit(statements_per_s=None, concurrent_statements=1, query_time_ms=1500).status == 200
    slow = "SELECT count(*) FROM generate_series(1, 100000) a(x), generate_series(1, 1000000) b(y) WHERE x + y = 7"
    answers = []
    first = threading.Thread(target=lambda: answers.append(gateway.sql("acme", key, slow)))
    first.start()
    time.sleep(0.5)
    gateway.sql("acme", key, "SELECT 1").problem(429, "over_quota")
    assert gateway.rows("globex", other, "SELECT 1") == [[1]]
    first.join(60)
    assert answers[0].problem(408, "canceled")
    assert gateway.rows("acme", key, "SELECT 1") == [[1]]
    assert limit(result_bytes=10_000).status == 200
    long = "SELECT repeat('y', 1000) FROM generate_series(1, 100)"
    assert gateway.sql("acme", key, long).problem(413, "over_quota")["sqlstate"] == "53400"
    gateway.call("PATCH", "/v1/tenants/acme", gateway.operator(), {"quotas": {"nonsense": 1}}).problem(400, "bad_request")


def test_erased(gateway, place, firn, tmp_path):
    """A tenant is erased; a backup made before does not open, and its chain still verifies."""
    key, other = tenant(gateway, "acme"), tenant(gateway, "globex")
    gateway.sql("acme", key, "CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)")
    gateway.sql("acme", key, "INSERT INTO t VALUES (1, 'a secret')")
    copy = tmp_path / "copy" / "acme"
    for name in place.keys():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(place.read(name))
    erase = "/v1/tenants/acme?basis=GDPR%20art.%2017"
    gateway.call("DELETE", erase, key).problem(403, "forbidden")
    receipt = gateway.call("DELETE", erase, gateway.operator())
    assert receipt.status == 200, receipt.body
    assert receipt.json()["receipt"]["basis"] == "GDPR art. 17" and "signature" in receipt.body.decode()
    assert gateway.call("DELETE", erase, gateway.operator()).body == receipt.body
    assert place.keys() == []
    gateway.sql("acme", key, "SELECT * FROM t").problem(401, "unauthenticated")
    assert gateway.rows("globex", other, "SELECT 1") == [[1]]
    backup = f"file://{copy.parent}?ns=acme"
    firn.verify(backup)
    assert "tenant" in firn.sql(backup, "SELECT * FROM t", expect=STORE).err


def test_the_command_line_and_the_gateway_see_the_same(place, firn, tmp_path):
    store = ("--store", root(place))
    made = firn.run("tenant", "create", "acme", *store, "--json").json()
    assert set(made) == {"name", "id", "uuid", "api_key"} and made["name"] == "acme"
    assert "taken" in firn.run("tenant", "create", "acme", *store, expect=STATEMENT).err
    # whoever has bucket and master key opens the namespace without a gateway
    firn.sql(place.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (7)")
    firn.verify(place.uri(), "--replay")
    gateway = Gateway(firn, root(place), tmp_path / "serve.log").start()
    try:
        assert gateway.rows("acme", made["api_key"], "SELECT id FROM t") == [[7]]
        assert gateway.sql("acme", made["api_key"], "INSERT INTO t VALUES (8)").status == 200
        assert firn.rows(place.uri(), "SELECT id FROM t ORDER BY id", "--read-only") == [["7"], ["8"]]
        # a key that the command line made is good at the gateway
        key = firn.run("tenant", "key", "create", "acme", "--role", "reader", *store, "--json").json()["api_key"]
        eventually(lambda: gateway.sql("acme", key, "SELECT 1").status == 200)  # a second at the most
        assert gateway.rows("acme", key, "SELECT count(*) FROM t") == [[2]]
        # what is ended there ends here, within a second or so
        number = [shown["id"] for shown in firn.run("tenant", "key", "list", "acme", *store, "--json").json() if shown["role"] == "reader"][0]
        firn.run("tenant", "key", "revoke", "acme", str(number), *store)
        eventually(lambda: gateway.sql("acme", key, "SELECT 1").status == 401)
        key = firn.run("tenant", "key", "create", "acme", "--role", "reader", *store, "--json").json()["api_key"]
        firn.run("tenant", "suspend", "acme", *store)
        eventually(lambda: gateway.sql("acme", made["api_key"], "SELECT 1").status == 403)
        firn.run("tenant", "resume", "acme", *store)
        eventually(lambda: gateway.sql("acme", key, "SELECT 1").status == 200)
        firn.run("tenant", "rotate", "acme", "--level", "kek", *store)
        assert gateway.rows("acme", key, "SELECT count(*) FROM t") == [[2]]
        # another writer took over: the gateway opens the namespace anew
        firn.sql(place.uri(), "INSERT INTO t VALUES (9)")
        assert gateway.sql("acme", made["api_key"], "INSERT INTO t VALUES (10)").status == 200
        assert gateway.rows("acme", key, "SELECT count(*) FROM t") == [[4]]
        for path in ["/healthz", "/readyz"]:
            assert gateway.call("GET", path).json()["status"] == "ok"
        assert b"firn_statements_total" in gateway.call("GET", "/metrics").body
        assert "/v1/sql" in gateway.call("GET", "/openapi.json").json()["paths"]
        said = subprocess.run(
            ["curl", "-sS", f"{gateway.url}/v1/sql", "-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json", "-d", '{"sql": "SELECT $1 + 1", "params": [41]}'],
            capture_output=True, timeout=60, check=True,
        )
        assert json.loads(said.stdout)["rows"] == [[42]]
    finally:
        assert gateway.stop() == 0
    assert "tenant" in firn.run("tenant", "show", "nobody", *store, expect=STATEMENT).err
    assert "plaintext" in firn.run("serve", *store, "--http", "0.0.0.0:0", expect=USAGE).err


def test_the_master_key_is_rotated(folder_place, firn, tmp_path):
    store = ("--store", root(folder_place))
    made = firn.run("tenant", "create", "acme", *store, "--json").json()
    firn.sql(folder_place.uri(), "CREATE TABLE t (id BIGINT PRIMARY KEY)", "INSERT INTO t VALUES (7)")
    new = tmp_path / "new.key"
    done = firn.run("tenant", "rotate", "--level", "master", "--to", f"local:{new}", *store, "--json").json()
    assert done["wrapped"] >= 1
    shutil.move(firn.home / "firn" / "master.key", tmp_path / "old.key")
    moved = firn.with_environment(FIRN_KMS=f"local:{new}")
    assert moved.rows(folder_place.uri(), "SELECT id FROM t") == [["7"]]
    assert moved.run("tenant", "show", "acme", *store, "--json").json()["id"] == made["id"]


def test_nothing_that_the_openapi_document_allows_or_forbids_breaks_it(gateway, place):
    """schemathesis makes requests from the document, good ones and bad ones: no 5xx, no undocumented form of answer."""
    if place.kind == "s3":
        pytest.skip("the store makes no difference")
    key = tenant(gateway, "acme")
    for bearer in [gateway.operator(), key]:
        checks = "not_a_server_error,content_type_conformance,response_schema_conformance"
        command = [Path(sys.executable).parent / "schemathesis", "run", f"{gateway.url}/openapi.json", "--checks", checks]
        command += ["-H", f"Authorization: Bearer {bearer}", "--max-examples", "30", "--seed", "1", "--no-color"]
        done = subprocess.run(command, capture_output=True, timeout=280, cwd=gateway.log.parent)
        assert done.returncode == 0, (done.stdout[-4000:] + done.stderr[-2000:]).decode()
    assert gateway.call("GET", "/readyz").status == 200
