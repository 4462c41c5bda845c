"""One run from build to page: binaries, PostgreSQL, the rows, the results.

Promises: a row that fails is reported as failed and the others go on; whatever was started is stopped.
Never: figures of a quick run on the page.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import peers, report, rows, tpch
from .bench import ROOT, Bench, say
from .names import ROWS
from .postgres import Postgres, find

WORK = {
    "load": rows.load, "commit": rows.commit, "point": rows.point, "scan": rows.scan, "update": rows.update, "cold": rows.cold,
    "empty": rows.empty, "requests": rows.requests, "memory": rows.memory, "large": rows.large, "peers": peers.peers, "tpch": tpch.tpch,
}


def binaries(build: bool) -> Path:
    """The folder of the release binaries. `FIRN_BENCH_BIN` names another."""
    if "FIRN_BENCH_BIN" in os.environ:
        return Path(os.environ["FIRN_BENCH_BIN"])
    if build:
        say("=== building (release)")
        # --examples makes the features those of every other build of the workspace, so that dependencies are shared
        command = ["cargo", "build", "--release", "--locked", "--workspace", "--bin", "firn", "--bin", "firn-bench", "--examples", "--features", "firn-bench/bare"]
        subprocess.run(command, cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def machine() -> dict:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1), "system": f"{platform.system()} {platform.release()}"}


def measure(options) -> int:
    bin_folder = binaries(not options.no_build)
    folder = Path(tempfile.mkdtemp(prefix="firn-bench-", dir=options.work_dir))
    folder.chmod(0o755)
    bench = Bench(options, folder, bin_folder)
    chosen = [name for name in ROWS if not options.only or name in options.only]
    failed = []
    started = time.monotonic()
    try:
        where = find()
        if where:
            bench.postgres = Postgres(where, folder / "postgres")
        else:
            bench.no_postgres = "PostgreSQL is not installed (apt-get install postgresql); its figures are missing"
            say(f"note: {bench.no_postgres}")
        version = bench.postgres.version() if bench.postgres else None
        for name in chosen:
            say(f"=== {name}: {ROWS[name]}")
            begun = time.monotonic()
            load = os.getloadavg()[0]
            try:
                WORK[name](bench)
            except Exception as error:  # the other rows go on
                traceback.print_exc()
                failed.append(name)
                bench.note(name, f"failed: {str(error)[-300:]}")
            bench.results.setdefault(name, {"figures": [], "verdicts": []}).update(seconds=round(time.monotonic() - begun, 1), load_before=round(load, 2))
    finally:
        if bench.postgres:
            bench.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    command = "python3 tests/bench/run" + (" --quick" if options.quick else "") + "".join(f" --only {name}" for name in options.only or [])
    outcome = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "command": command, "machine": machine(),
        "postgres": version, "rows": bench.rows, "large_rows": bench.large_rows, "minutes": round((time.monotonic() - started) / 60, 1), "results": bench.results,
    }
    report.save(outcome, quick=options.quick)
    if not options.quick:
        report.render()
    missed = [v for row in bench.results.values() for v in row["verdicts"] if not v["met"]]
    say(f"\n{sum(len(row['verdicts']) for row in bench.results.values())} targets, {len(missed)} missed; {len(failed)} rows failed; {outcome['minutes']} minutes")
    return 1 if failed else 0
