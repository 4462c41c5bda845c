"""What every row uses: folders, the binaries, medians, and the list of results.

Promises: a figure is the median of its rounds; a verdict is a comparison with a stated target, also when it is missed.
Never: a process left running, a folder left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def say(text: str) -> None:
    print(text, flush=True)


class Bench:
    """One run."""

    def __init__(self, options, folder: Path, binaries: Path):
        self.quick = options.quick
        self.folder = folder
        self.binaries = binaries
        self.rows = 100_000 if self.quick else 1_000_000
        self.large_rows = 300_000 if self.quick else 10_000_000
        self.rounds = 1 if self.quick else 3
        self.kms = f"local:{folder / 'master.key'}"
        self.results: dict = {}
        self.postgres = None
        self.no_postgres = ""
        self.positions: dict[str, int] = {}
        self.has_bare = self.bench("features")["bare"]

    # the binaries

    def bench(self, *arguments, timeout: float = 900) -> dict:
        """One measurement, in a process of its own."""
        done = subprocess.run([str(self.binaries / "firn-bench"), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(f"firn-bench {arguments[0]}: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout)

    def text(self, *arguments) -> str:
        return subprocess.run([str(self.binaries / "firn-bench"), *map(str, arguments)], capture_output=True, text=True, check=True).stdout.strip()

    def firn(self, *arguments, timeout: float = 1800) -> tuple[float, float, str]:
        """The command: its seconds, its peak memory in MiB, its standard output."""
        start = time.perf_counter()
        process = subprocess.Popen([str(self.binaries / "firn"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        output, error = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            raise RuntimeError(f"firn {arguments[0]}: {error.strip()[-600:]}")
        return seconds, usage.ru_maxrss / 1024, output

    # namespaces

    def uri(self, name: str) -> str:
        return f"file://{self.folder / 'store'}?ns={name}&kms={self.kms}"

    def data(self, rows: int) -> Path:
        """The folder with the generated rows."""
        folder = self.folder / f"data-{rows}"
        if not folder.exists():
            say(f"    generating {rows:,} rows")
            self.bench("generate", folder, rows)
        return folder

    def load(self, name: str, rows: int) -> tuple[float, float]:
        """Makes a namespace of generated rows: the seconds of the load and its memory."""
        self.drop(name)
        self.firn("sql", self.uri(name), "-c", self.text("schema"))
        seconds, mib, _ = self.firn("load", self.uri(name), "items", self.data(rows) / "items.csv")
        return seconds, mib

    def base(self) -> str:
        """The URI of the namespace of `rows` rows that nothing has changed."""
        if not (self.folder / "store" / "base").exists():
            say("    loading the base")
            self.load("base", self.rows)
        return self.uri("base")

    def copy(self, name: str, source: str = "base") -> str:
        """A copy of a namespace: a copied prefix is a complete database."""
        self.base()
        self.drop(name)
        shutil.copytree(self.folder / "store" / source, self.folder / "store" / name)
        return self.uri(name)

    def updated(self, flush: bool) -> tuple[str, int]:
        """The base with a tenth of its rows changed, and the position before."""
        name = "flushed" if flush else "unflushed"
        if name not in self.positions:
            uri = self.copy(name)
            self.positions[name] = self.bench("a-tenth", uri, *(["--flush"] if flush else []))["position"]
        return self.uri(name), self.positions[name]

    def drop(self, name: str) -> None:
        shutil.rmtree(self.folder / "store" / name, ignore_errors=True)

    # results

    def figure(self, row: str, name: str, value, unit: str = "") -> None:
        """A measured value."""
        shown = value if not isinstance(value, float) else float(f"{value:.4g}")
        self.results.setdefault(row, {"figures": [], "verdicts": []})["figures"].append({"name": name, "value": shown, "unit": unit})
        say(f"    {name}: {show(shown)} {unit}")

    def verdict(self, row: str, what: str, value: float, relation: str, target: float, unit: str = "") -> None:
        """A comparison with a target."""
        met = value <= target if relation == "<=" else value >= target
        entry = {"what": what, "value": float(f"{value:.4g}"), "relation": relation, "target": target, "unit": unit, "met": met}
        self.results.setdefault(row, {"figures": [], "verdicts": []})["verdicts"].append(entry)
        say(f"    {'met   ' if met else 'MISSED'}  {what}: {show(entry['value'])} {unit} ({'≤' if relation == '<=' else '≥'} {show(target)})")

    def note(self, row: str, text: str) -> None:
        """Something the reader must know."""
        self.results.setdefault(row, {"figures": [], "verdicts": []}).setdefault("notes", []).append(text)
        say(f"    note: {text}")


def show(value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def median(values) -> float:
    return statistics.median(list(values))


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
