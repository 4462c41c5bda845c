"""AWS KMS keeps the master key: a real KMS protocol server (moto), and one in front of it that refuses, fails and falls silent.

The bucket holds wrapped keys that only KMS opens, each bound to its namespace. What KMS refuses, firn refuses with exit code 3 and a sentence that
names the key and the next step; what KMS does not answer ends in bounded time. Whatever happened, the data is as it was when KMS is back.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from driver import STORE, USAGE, Firn
from gateway import Gateway
from servers import Moto

SECRET = "kms-secret-that-nobody-may-see"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
TABLE = ["CREATE TABLE t (id BIGINT PRIMARY KEY, note TEXT)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"]
COUNT = "SELECT count(*) FROM t"


class FaultyKms:
    """Forwards to a KMS, unless `fault` is set: (status, error code), "hang" or "cut"."""

    def __init__(self, upstream: int):
        self.upstream, self.fault, self.asked = upstream, None, []
        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        kms = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status: int, data: bytes) -> None:
                self.send_response_only(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kms.asked.append((self.headers["X-Amz-Target"], json.loads(body)))
                if kms.fault == "hang":
                    kms.over.wait(60)
                if kms.fault in ("hang", "cut"):
                    self.close_connection = True
                    return
                if kms.fault:
                    status, code = kms.fault
                    return self.answer(status, json.dumps({"__type": code, "message": f"{code} was injected"}).encode())
                upstream = http.client.HTTPConnection("127.0.0.1", kms.upstream, timeout=30)
                upstream.request("POST", self.path, body, {name: value for name, value in self.headers.items() if name.lower() != "connection"})
                response = upstream.getresponse()
                self.answer(response.status, response.read())
                upstream.close()

        return Handler


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def kms(moto):
    server = FaultyKms(moto.port)
    yield server
    server.stop()


@pytest.fixture
def user(tmp_path) -> Firn:
    return Firn(tmp_path / "home", CREDENTIALS)


def uri_of(place, arn: str, endpoint: str, namespace: str = "acme") -> str:
    return f"{place.uri(namespace)}&kms=aws:{arn}?endpoint={endpoint}"


def refused(answer, arn: str, *words: str):
    assert answer.code == STORE, str(answer)
    assert arn in answer.err and SECRET not in answer.err, str(answer)
    for word in words:
        assert any(part in answer.err for part in word.split("|")), f"{word!r} is missing\n{answer}"
    return answer


def test_a_database_whose_master_key_is_in_kms(user, moto, kms, folder_place):
    arn = moto.new_key()
    uri = uri_of(folder_place, arn, kms.endpoint)
    user.sql(uri, *TABLE)
    user.sql(uri, "UPDATE t SET note = 'zwei' WHERE id = 2")
    assert user.rows(uri, "SELECT id, note FROM t ORDER BY id") == [["1", "one"], ["2", "zwei"]]
    user.verify(uri, "--replay")

    # the environment names it as well
    elsewhere = user.with_environment(FIRN_KMS=f"aws:{arn}", AWS_ENDPOINT_URL_KMS=kms.endpoint)
    assert elsewhere.value(folder_place.uri(), COUNT) == "2"
    # and without any key the chain still verifies
    Firn(user.home).verify(folder_place.uri())

    envelope = newest_manifest(folder_place)[1]["envelope"]
    assert [key["wrapped_by"] for key in envelope["keys"]] == [f"aws:{arn}"]
    assert not list(user.home.rglob("master.key")), "no local key beside it"
    assert {operation for operation, _ in kms.asked} == {"TrentService.Encrypt", "TrentService.Decrypt"}
    for _, body in kms.asked:
        assert body["KeyId"] == arn and body["EncryptionContext"] == {"firn:namespace": envelope["namespace"]}


def test_each_open_asks_kms_for_the_key_and_no_statement_does(user, moto, kms, folder_place):
    uri = uri_of(folder_place, moto.new_key(), kms.endpoint)
    user.sql(uri, *TABLE)
    asked = []
    for statements in (1, 30):
        kms.asked.clear()
        user.sql(uri, *[f"INSERT INTO t VALUES ({100 * statements + n}, 'n')" for n in range(statements)])
        asked.append(len(kms.asked))
    assert asked[0] == asked[1] >= 1, asked


def test_a_wrapped_key_of_another_namespace_does_not_open(user, moto, folder_place):
    arn = moto.new_key()
    place = folder_place
    for namespace in ("acme", "evil"):
        user.sql(uri_of(place, arn, moto.endpoint, namespace), *TABLE)
    (name, mine), (_, theirs) = newest_manifest(place), newest_manifest(place, "evil")
    mine["envelope"]["keys"][0]["wrapped"] = theirs["envelope"]["keys"][0]["wrapped"]
    place.write(name, manifest_bytes(mine))
    answer = user.sql(uri_of(place, arn, moto.endpoint), COUNT, flags=("--read-only",), expect=None)
    refused(answer, arn, "another namespace", "I8", "restore")
    assert user.value(uri_of(place, arn, moto.endpoint, "evil"), COUNT) == "2"


def test_another_master_key_is_not_asked(user, moto, kms, folder_place):
    arn, other = moto.new_key(), moto.new_key()
    user.sql(uri_of(folder_place, arn, kms.endpoint), *TABLE)
    kms.asked.clear()
    refused(user.sql(uri_of(folder_place, other, kms.endpoint), COUNT, expect=None), arn, f"wrapped by aws:{arn}", "kms=")
    assert not kms.asked
    local = user.sql(folder_place.uri(), COUNT, expect=None)
    refused(local, arn, "another key service")


@pytest.mark.parametrize("code,words", [
    ("AccessDeniedException", ["access denied", "kms:Decrypt", "28000"]),
    ("ExpiredTokenException", ["credentials", "28000"]),
    ("DisabledException", ["cannot be used", "enable", "28000"]),
    ("KMSInvalidStateException", ["cannot be used", "deletion", "28000"]),
    ("NotFoundException", ["no such key", "ARN", "28000"]),
    ("IncorrectKeyException", ["another key", "28000"]),
    ("ThrottlingException", ["too often", "wait", "08006"]),
])
def test_what_kms_refuses(user, moto, kms, folder_place, code, words):
    arn = moto.new_key()
    uri = uri_of(folder_place, arn, kms.endpoint)
    kms.fault = (400, code)
    refused(user.sql(uri, *TABLE, expect=None), arn, kms.endpoint, *words)
    assert folder_place.keys(None) == [], "nothing is half-created"
    kms.fault = None
    user.sql(uri, *TABLE)
    kms.fault = (400, code)
    refused(user.sql(uri, COUNT, expect=None), arn, kms.endpoint, *words)
    refused(user.sql(uri, "INSERT INTO t VALUES (3, 'three')", expect=None), arn, *words)
    kms.fault = None
    assert user.value(uri, COUNT) == "2"


@pytest.mark.parametrize("fault", [(500, "KMSInternalException"), (503, "ServiceUnavailableException"), "cut", "hang"])
def test_what_kms_does_not_answer_ends_in_bounded_time(user, moto, kms, folder_place, fault):
    arn = moto.new_key()
    uri = uri_of(folder_place, arn, kms.endpoint)
    user.sql(uri, *TABLE)
    kms.fault, kms.asked = fault, []
    start = time.monotonic()
    refused(user.sql(uri, COUNT, expect=None, timeout=60), arn, "try again", "08006")
    assert time.monotonic() - start < 30
    assert 2 <= len(kms.asked) <= 3, "it is asked again, and not for ever"
    kms.fault = None
    assert user.value(uri, COUNT) == "2"


def test_nobody_listens_and_nobody_is_known(user, moto, folder_place):
    arn = moto.new_key()
    uri = uri_of(folder_place, arn, moto.endpoint)
    user.sql(uri, *TABLE)
    refused(user.sql(uri_of(folder_place, arn, "http://127.0.0.1:1"), COUNT, expect=None), arn, "cannot be reached", "08006")
    stranger = Firn(user.home, {"AWS_EC2_METADATA_DISABLED": "true"})
    refused(stranger.sql(uri, COUNT, expect=None), arn, "AWS_ACCESS_KEY_ID")
    refused(user.sql(uri_of(folder_place, arn, "http://192.0.2.1"), COUNT, expect=None), arn, "plain HTTP", "AWS_ALLOW_HTTP")
    alias = user.sql(uri_of(folder_place, "arn:aws:kms:eu-west-1:1:alias/firn", moto.endpoint), COUNT, expect=USAGE)
    assert "alias" in alias.err
    assert user.value(uri, COUNT) == "2"


def test_tenants_whose_keys_are_kept_are_served_while_kms_is_away(user, moto, kms, folder_place, tmp_path):
    """Two tenants; a gateway has used the key of one of them when KMS goes away. That one is served on, the other is told
    to come again, /readyz says what is wrong, and when KMS is back all is as it was."""
    arn = moto.new_key()
    operator = user.with_environment(FIRN_KMS=f"aws:{arn}?endpoint={kms.endpoint}")
    store = folder_place.uri().split("?")[0]
    keys = {name: operator.run("tenant", "create", name, "--store", store, "--json").json()["api_key"] for name in ("acme", "globex")}
    gateway = Gateway(operator, store, tmp_path / "serve.log").start()
    try:
        assert gateway.sql("acme", keys["acme"], "CREATE TABLE t (id BIGINT PRIMARY KEY)").status == 200
        assert "keys_unreachable_since" not in gateway.call("GET", "/readyz").json()
        kms.fault = (500, "KMSInternalException")
        assert gateway.sql("acme", keys["acme"], "INSERT INTO t VALUES (1)").status == 200
        assert gateway.rows("acme", keys["acme"], "SELECT id FROM t") == [[1]]
        away = gateway.sql("globex", keys["globex"], "SELECT 1", timeout_ms=60_000).problem(503, "key_unavailable")
        assert SECRET not in json.dumps(away)
        ready = gateway.call("GET", "/readyz")
        assert ready.status == 200 and ready.json()["keys_unreachable_since"]
        assert gateway.rows("acme", keys["acme"], "SELECT count(*) FROM t") == [[1]]
        kms.fault = None
        assert gateway.sql("globex", keys["globex"], "CREATE TABLE t (id BIGINT PRIMARY KEY)").status == 200
        assert "keys_unreachable_since" not in gateway.call("GET", "/readyz").json()
    finally:
        gateway.stop()
    contexts = [body["EncryptionContext"] for operation, body in kms.asked if operation == "TrentService.Encrypt"]
    assert sum("firn:tenant" in context for context in contexts) == 2, contexts


def newest_manifest(place, namespace: str = "acme") -> tuple[str, dict]:
    name = min(key for key in place.keys(namespace) if key.startswith("manifest/"))
    return name, json.loads(place.read(name, namespace))


def manifest_bytes(manifest: dict) -> bytes:
    """Its canonical bytes with the sum made anew, as whoever tampers would."""
    assert base64.b64decode(manifest["sealed"]["data"])
    parts = {name: manifest[name] for name in ("envelope", "sealed")}
    head = json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
    return head + b',"sum":"' + hashlib.sha256(head).hexdigest().encode() + b'"}'
