"""The README is run: each command of each console block, in order, and its output compared ("…" stands for anything)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from driver import REPOSITORY, Firn, binary

README = (REPOSITORY / "README.md").read_text()
# The command that runs this very test.
OURSELVES = "python3 tests/run"


def blocks() -> list[tuple[int, str]]:
    """Every fenced console block and the line it starts at."""
    found = []
    for match in re.finditer(r"^```console\n(.*?)^```$", README, re.M | re.S):
        found.append((README[: match.start()].count("\n") + 1, match.group(1)))
    return found


def steps(block: str) -> list[tuple[str, list[str]]]:
    """(command, the lines it should print) of one block; a command goes on over lines that start with "> "."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], [])
        else:
            assert found, f"output before any command: {line!r}"
            found[-1][1].append(line)
    return found


def matches(expected: list[str], printed: str) -> bool:
    pattern = r"\n".join(".*" if line.strip() == "…" else re.escape(line.rstrip()).replace("…", ".*") for line in expected)
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()), re.S) is not None


def test_every_block_is_a_console_block():
    """No command hides in a block that is not run."""
    kinds = set(re.findall(r"^```(\w+)$", README, re.M))
    assert kinds <= {"console", "text", "sql", "rust"}, kinds


def test_the_two_commands_are_there():
    assert OURSELVES in README and "cargo run" in README
    assert os.access(REPOSITORY / "tests" / "run", os.X_OK) and os.access(REPOSITORY / ".ci" / "run", os.X_OK)


def test_every_command(tmp_path, request):
    """The blocks in order, in one folder, as a reader would go through them; a variable that is exported stays."""
    environment = Firn(tmp_path / "home").environment()
    for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
        environment.setdefault(name, str(Path.home() / folder))
    environment["PATH"] = f"{binary().parent}:{Path(sys.executable).parent}:{environment['PATH']}"
    run = 0
    for line, block in blocks():
        for command, expected in steps(block):
            if command.startswith(OURSELVES):
                continue
            where = f"README line {line}: $ {command}"
            if match := re.fullmatch(r'export (\w+)="(.*)"', command):
                environment[match[1]] = match[2].replace("$PWD", str(tmp_path))
                continue
            folder = REPOSITORY if command.startswith("cargo ") else tmp_path
            done = subprocess.run(["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"
            printed = done.stdout + done.stderr
            assert matches(expected, printed), f"{where}\nexpected:\n" + "\n".join(expected) + f"\nprinted:\n{printed}"
            run += 1
    assert run >= 10
