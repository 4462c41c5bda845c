"""From results to the page and its picture.

Promises: the measured part of docs/src/internals/speed.md is this program's alone, between two marks; a missed target stands there as missed.
Never: a figure that is not in tests/bench/results.json.
"""

from __future__ import annotations

import json
import math
from html import escape

from .bench import ROOT, say, show
from .names import ROWS
from .works import WORKS

RESULTS = ROOT / "tests" / "bench" / "results.json"
QUICK = ROOT / "target" / "bench-quick.json"
PAGE = ROOT / "docs" / "src" / "internals" / "speed.md"
PICTURE = ROOT / "docs" / "src" / "internals" / "speed.svg"
BEGIN, END = "<!-- measured: written by tests/bench/run -->", "<!-- end of what was measured -->"


def save(outcome: dict, quick: bool) -> None:
    """Full runs of some rows replace those rows only."""
    path = QUICK if quick else RESULTS
    if not quick and RESULTS.exists():
        before = json.loads(RESULTS.read_text())
        for row in outcome["results"].values():
            row["date"] = outcome["date"]
        outcome = {**outcome, "results": {**before.get("results", {}), **outcome["results"]}}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(outcome, indent=1, ensure_ascii=False) + "\n")
    say(f"results: {path}")


def render() -> int:
    outcome = json.loads(RESULTS.read_text())
    PICTURE.write_text(picture(outcome))
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    PAGE.write_text(head + BEGIN + "\n\n" + tables(outcome) + "\n" + END + rest.split(END)[1])
    say(f"page: {PAGE}")
    return 0


def tables(outcome: dict) -> str:
    machine = outcome["machine"]
    lines = [
        f"Measured {outcome['date']} on {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['system']}, by `{outcome['command']}`"
        f" in {outcome['minutes']} minutes, beside PostgreSQL {outcome['postgres'] or '(not installed)'}.",
        "", "![Each figure against its target](speed.svg)", "",
    ]
    for name in [name for name in ROWS if name in outcome["results"]]:
        row = outcome["results"][name]
        lines += [f"## {ROWS[name][0].upper()}{ROWS[name][1:]}", ""]
        if row["verdicts"] and name != "peers":
            lines += ["| target | must be | measured | |", "|---|---|---|---|"]
            lines += [f"| {v['what']} | {'≤' if v['relation'] == '<=' else '≥'} {show(v['target'])} {v['unit']} | {show(v['value'])} {v['unit']} | {'met' if v['met'] else '**missed**'} |" for v in row["verdicts"]]
            lines.append("")
        if row["figures"]:
            lines += ["| beside it | measured |", "|---|---|"]
            lines += [f"| {f['name']} | {show(f['value'])} {f['unit']} |" for f in row["figures"]] + [""]
        if "table" in row:
            lines += peer_table(row["table"]) + [""]
            behind = [f"{v['what'].replace(': times as good as', ', beside')} {show(v['value'])} ×" for v in row["verdicts"] if not v["met"]]
            lines += [f"Behind in: {'; '.join(behind)}." if behind else "Ahead of each in all of it.", ""]
        if "queries" in row:
            lines += query_table(row["queries"]) + [""]
        lines += [f"Note: {note}\n" for note in row.get("notes", [])]
        if row.get("load_before", 0) > 2:
            lines.append(f"The machine was busy with other work (load {row['load_before']}) when this began.\n")
    return "\n".join(lines)


def peer_table(table: dict) -> list[str]:
    names = list(table)
    lines = ["| work | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for work, (text, unit, better) in WORKS.items():
        values = {name: table[name].get(work) for name in names if table[name].get(work)}
        best = (max if better == "more" else min)(values.values()) if values else None
        cells = [("–" if name not in values else f"**{shown(values[name])}**" if values[name] == best else shown(values[name])) for name in names]
        lines.append(f"| {text}, {unit} | " + " | ".join(cells) + " |")
    return lines


def shown(value: float) -> str:
    return show(float(f"{value:.3g}"))


def query_table(queries: dict) -> list[str]:
    lines = ["| query | FirnDB, ms | DuckDB, ms | ratio |", "|---|---|---|---|"]
    return lines + [f"| {name} | {show(q['firn_ms'])} | {show(q['duckdb_ms'])} | {q['firn_ms'] / q['duckdb_ms']:.2f} |" for name, q in queries.items()]


def picture(outcome: dict) -> str:
    """Every target on one axis: how much of what is allowed was used, in powers of two."""
    bars = []
    for name in ROWS:
        for v in outcome["results"].get(name, {}).get("verdicts", []) if name != "peers" else []:
            if v["target"] and v["value"] > 0:
                used = v["value"] / v["target"] if v["relation"] == "<=" else v["target"] / v["value"]
                bars.append((f"{name}: {v['what']}", used, f"{show(v['value'])} {v['unit']}", v["met"]))
    height, left, width = 22, 560, 420
    low, high = -7.0, 4.0
    x = lambda used: left + width * (min(max(math.log2(used), low), high) - low) / (high - low)
    total = len(bars) * height + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 130} {total}" font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="#ffffff"/><text x="{x(1)}" y="16" text-anchor="middle" fill="#333">the target</text>',
    ]
    for power in range(int(low) + 1, int(high) + 1):
        parts.append(f'<line x1="{x(2.0**power):.1f}" x2="{x(2.0**power):.1f}" y1="24" y2="{total - 26}" stroke="{"#333" if power == 0 else "#ddd"}"/>')
        parts.append(f'<text x="{x(2.0**power):.1f}" y="{total - 10}" text-anchor="middle" fill="#666">{f"{2**power}" if power >= 0 else f"1/{2**-power}"} ×</text>')
    for i, (label, used, value, met) in enumerate(bars):
        y = 28 + i * height
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end" fill="#222">{escape(label)}</text>')
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{max(1.5, x(used) - left):.1f}" height="{height - 7}" fill="{"#3b7ea1" if met else "#c0392b"}"/>')
        parts.append(f'<text x="{x(used) + 6:.1f}" y="{y + 14}" fill="#222">{escape(value)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
