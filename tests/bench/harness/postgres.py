"""A PostgreSQL cluster of our own, with its defaults: fsync on, on the disk that is measured.

Promises: it listens on a socket in its folder only, and is stopped with the run.
Never: a setting turned to make it slower or faster.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

PORT = "5439"


def find() -> Path | None:
    """The newest installed, where Debian puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    def __init__(self, bin_folder: Path, folder: Path):
        self.bin, self.folder, self.log = bin_folder, folder, folder / "log"
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        folder.mkdir()
        if self.as_user:
            shutil.chown(folder, "postgres")
        self.data = folder / "data"
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8")
        options = f"-c unix_socket_directories={folder} -c listen_addresses= -p {PORT} -c max_connections=100"
        self.run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-o", options, "start")

    def run(self, tool: str, *arguments) -> None:
        done = subprocess.run([*self.as_user, str(self.bin / tool), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
        if done.returncode != 0:
            raise RuntimeError(f"{tool}: {done.stderr.strip()}")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")

    def version(self) -> str:
        return self.sql("SHOW server_version").strip()

    def call(self, tool: str) -> list[str]:
        return [str(self.bin / tool), "-h", str(self.folder), "-p", PORT, "-U", "postgres"]

    def sql(self, *statements: str) -> str:
        """Runs statements in one connection; what they print."""
        script = "".join(statement.rstrip(";") + ";\n" for statement in statements)
        done = subprocess.run([*self.call("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", "postgres"], input=script, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()[-600:]}")
        return done.stdout

    def times(self, *statements: str) -> list[float]:
        """The seconds of each statement, as psql sees them."""
        printed = self.sql("\\timing on\n" + statements[0], *statements[1:])
        return [float(ms) / 1000 for ms in re.findall(r"^Time: ([0-9.]+) ms", printed, re.MULTILINE)]

    def load(self, create: str, csv: Path) -> float:
        """A table with its key, filled by COPY from the client: the seconds of COPY."""
        self.sql("DROP TABLE IF EXISTS items", create, "CHECKPOINT")
        start = time.perf_counter()
        self.sql(f"\\copy items FROM '{csv}' WITH (FORMAT csv, HEADER)\n")
        return time.perf_counter() - start

    def settle(self) -> None:
        """What autovacuum would have done by the time anybody looks."""
        self.sql("VACUUM (ANALYZE) items", "CHECKPOINT")

    def clients(self, script: str, clients: int, seconds: float, variables: dict | None = None) -> dict:
        """pgbench with a prepared script: transactions a second and latencies in microseconds."""
        folder = self.folder.parent / "pgbench"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "script").write_text(script)
        given = [part for name, value in (variables or {}).items() for part in ("-D", f"{name}={value}")]
        command = [*self.call("pgbench"), "-n", "-M", "prepared", "-f", "script", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), "-l", *given, "postgres"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if done.returncode != 0:
            raise RuntimeError(f"pgbench: {done.stderr.strip()[-600:]}")
        per_second = float(re.search(r"tps = ([0-9.]+)", done.stdout).group(1))
        latencies = sorted(int(line.split()[2]) for log in folder.glob("pgbench_log.*") for line in log.read_text().splitlines())
        return {"per_second": per_second, "p50_us": statistics.median(latencies), "p99_us": latencies[int(len(latencies) * 0.99)]}
