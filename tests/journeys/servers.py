"""Real servers for the journeys: SeaweedFS for S3, moto for AWS KMS.

Promises: everything listens on free loopback ports, keeps its bytes in a folder of its own, and is ended by its process id.
Never: a fixed port, a server that outlives the test run.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BUCKET = "firn"
WRITER = ("writer", "writersecret")
READER = ("reader", "readersecret")


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now; held open together so that they differ."""
    held = []
    try:
        for _ in range(count):
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            held.append(sock)
        return [sock.getsockname()[1] for sock in held]
    finally:
        for sock in held:
            sock.close()


class SeaweedFS:
    """`weed mini`: master, volume, filer and S3 in one process; two identities, one of them may only read."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> "SeaweedFS":
        """Tries again with other ports when somebody took one of them in between."""
        for attempt in range(3):
            try:
                return self.start_once(self.folder / f"data{attempt}")
            except RuntimeError:
                self.stop()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def start_once(self, data: Path) -> "SeaweedFS":
        weed = Path(sys.executable).parent / "weed"
        data.mkdir(parents=True)
        config = self.folder / "s3.json"
        everything = ["Admin", "Read", "List", "Tagging", "Write"]
        identities = [identity("writer", WRITER, everything), identity("reader", READER, ["Read", "List"])]
        config.write_text(json.dumps({"identities": identities}))
        names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]
        ports = dict(zip(names, free_ports(len(names))))
        self.port = ports["s3.port"]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [str(weed), "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
                   "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}", f"-bucket={BUCKET}"]
        command += [f"-{name}={port}" for name, port in ports.items()]
        log = open(self.folder / "weed.log", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder)
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        import botocore.exceptions

        deadline = time.monotonic() + 90
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"weed ended early:\n{self.log_tail()}")
            try:
                client = self.client()
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
                client.delete_object(Bucket=BUCKET, Key="ready")
                return
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"weed is not ready: {error}\n{self.log_tail()}") from error
                time.sleep(0.3)

    def log_tail(self) -> str:
        return (self.folder / "weed.log").read_text(errors="replace")[-2000:]

    def client(self):
        import boto3
        from botocore.config import Config

        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=WRITER[0], aws_secret_access_key=WRITER[1],
                            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}))

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def identity(name: str, credentials: tuple[str, str], actions: list[str]) -> dict:
    return {"name": name, "credentials": [{"accessKey": credentials[0], "secretKey": credentials[1]}], "actions": actions}


def s3_environment(endpoint: str, credentials: tuple[str, str] = WRITER) -> dict[str, str]:
    """The standard chain's variables, nothing else."""
    return {
        "AWS_ENDPOINT": endpoint,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": credentials[0],
        "AWS_SECRET_ACCESS_KEY": credentials[1],
        "AWS_EC2_METADATA_DISABLED": "true",
    }



class Moto:
    """moto's AWS KMS: keys in memory, encryption contexts checked, signatures and policies not."""

    region = "eu-west-1"

    def __init__(self, folder: Path):
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def start(self) -> "Moto":
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]
        log = open(self.folder / "moto.log", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder)
        deadline = time.monotonic() + 90
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"moto does not start:\n{(self.folder / 'moto.log').read_text(errors='replace')[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.3)

    def client(self):
        import boto3

        return boto3.client("kms", endpoint_url=self.endpoint, region_name=self.region, aws_access_key_id=WRITER[0], aws_secret_access_key=WRITER[1])

    def new_key(self) -> str:
        """The ARN of a new symmetric key."""
        return self.client().create_key()["KeyMetadata"]["Arn"]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
