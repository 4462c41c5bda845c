"""What every journey stands on: the binary, a store of each kind, a home of its own.

A `place` is one empty prefix on a folder or on the S3 server with a way to look at its bytes; a journey that takes it runs on both.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from driver import Firn, binary
from servers import BUCKET, SeaweedFS, s3_environment


def pytest_configure(config):
    if not binary().exists():
        raise pytest.UsageError(f"{binary()} does not exist: run `cargo build --bin firn`, or set FIRN to a binary")


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


@dataclass
class FolderPlace:
    """A prefix on the local disk."""

    root: Path
    environment: dict
    kind = "folder"

    def uri(self, namespace: str = "acme") -> str:
        return f"file://{self.root}?ns={namespace}"

    def keys(self, namespace: str | None = "acme") -> list[str]:
        top = self.root / namespace if namespace else self.root
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    def read(self, key: str, namespace: str = "acme") -> bytes:
        return (self.root / namespace / key).read_bytes()

    def write(self, key: str, data: bytes, namespace: str = "acme") -> None:
        path = self.root / namespace / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o644)
            path.unlink()
        path.write_bytes(data)

    def remove(self, key: str, namespace: str = "acme") -> None:
        (self.root / namespace / key).unlink()


@dataclass
class BucketPlace:
    """A prefix on the S3 server."""

    server: SeaweedFS
    prefix: str
    environment: dict
    kind = "s3"

    def uri(self, namespace: str = "acme") -> str:
        return f"s3://{BUCKET}/{self.prefix}?ns={namespace}"

    def keys(self, namespace: str | None = "acme") -> list[str]:
        top = f"{self.prefix}/{namespace}/" if namespace else f"{self.prefix}/"
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=top)
        return sorted(entry["Key"].removeprefix(top) for page in pages for entry in page.get("Contents", []))

    def read(self, key: str, namespace: str = "acme") -> bytes:
        return self.server.client().get_object(Bucket=BUCKET, Key=f"{self.prefix}/{namespace}/{key}")["Body"].read()

    def write(self, key: str, data: bytes, namespace: str = "acme") -> None:
        self.server.client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{namespace}/{key}", Body=data)

    def remove(self, key: str, namespace: str = "acme") -> None:
        self.server.client().delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{namespace}/{key}")


def new_place(kind: str, request, folder: Path):
    if kind == "folder":
        return FolderPlace(folder / "store", {})
    server = request.getfixturevalue("s3")
    return BucketPlace(server, f"p-{uuid.uuid4().hex[:12]}", s3_environment(server.endpoint))


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    return new_place(request.param, request, tmp_path)


@pytest.fixture(params=["folder", "s3"], scope="module")
def shared_place(request, tmp_path_factory):
    """One prefix of each kind for all tests of a module."""
    return new_place(request.param, request, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def folder_place(tmp_path):
    return FolderPlace(tmp_path / "store", {})


@pytest.fixture
def firn(tmp_path, request):
    """The binary with a home and master key of its own, and the credentials of the place the test runs on."""
    return Firn(tmp_path / "home", environment_of(request))


def environment_of(request) -> dict:
    for name in ("place", "shared_place"):
        if name in request.fixturenames:
            return dict(request.getfixturevalue(name).environment)
    return {}


@pytest.fixture(autouse=True)
def tidy(tmp_path):
    """Frees the disk of a test that passed or failed; its output holds what explains a failure."""
    yield
    if not os.environ.get("FIRN_KEEP"):
        shutil.rmtree(tmp_path, ignore_errors=True)
