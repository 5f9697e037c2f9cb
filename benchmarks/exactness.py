"""Check that weights and program agree: every library program at several lengths, beside Tracr on its own library.

Ours: every input where there are at most 10^5, else 10^4 drawn ones of all lengths, all-equal and extreme ones among them, padded and not.
Tracr: a few hundred inputs of four lengths, unpadded. What is done is kept in out/benchmarks, so a long run resumes.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.ask import Tracr
from beside.cases import CASES, inputs
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform import programs

KEPT = Path("out/benchmarks/exactness.jsonl")


@dataclass(frozen=True)
class Exactness(Options):
    """How far to go."""

    lengths: tuple[int, ...] = (5, 10, 20, 50, 100)
    draws: int = 10_000
    """Inputs drawn where there are too many to try all."""
    draws_from_100: int = 10_000
    """The same at lengths from 100 on, which take as long as all others together."""
    limit: float = 120
    """CPU seconds for one program at one length."""


def checked(name: str, n: int, draws: int, limit: int) -> dict[str, Any]:
    """Compile a library program at length ``n`` and compare it with its weights."""
    e = programs.entry(name)
    start = time.process_time()
    pair = jf.parse(programs.text(name)).compile(e.vocab, n, e.causal)
    compiled = time.process_time() - start
    r = pair.check(limit=limit, draws=draws)
    return {**r.data(), "compile": compiled}


def digest() -> str:
    """Name the code that is measured, so that nothing an older version did is kept."""
    root = Path(jf.__file__).parent
    files = sorted(p for p in root.rglob("*") if p.suffix in (".py", ".rasp", ".json", ".lark"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:16]


def ours(options: Exactness) -> list[dict[str, Any]]:
    """Check every program at every length, or read what an earlier run found."""
    limit = 2_000 if options.quick else 100_000
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    version, known = digest(), {}
    for line in KEPT.read_text().splitlines() if KEPT.exists() else ():
        row = json.loads(line)
        if row["version"] == version:
            known[row["program"], row["n"], row["draws"]] = row
    rows = []
    names = programs.names()
    for n in options.lengths:
        draws = options.draws if n < 100 else options.draws_from_100
        for i, name in enumerate(names):
            row = known.get((name, n, draws))
            if row is None:
                answer = forked(checked, name, n, draws, limit, limit=options.limit)
                row = {"program": name, "n": n, "draws": draws, "version": version, **answer}
                with KEPT.open("a") as f:
                    f.write(json.dumps(row) + "\n")
                if not row.get("good"):
                    print(f"\n{name} at N = {n}: {row}", file=sys.stderr)
            if sys.stderr.isatty():
                print(f"\rN = {n}: {i + 1}/{len(names)} {name:30}", end="", file=sys.stderr)
            rows.append(row)
        print(f"\nN = {n} is done", file=sys.stderr)
    return rows


def summary(n: int, rows: list[dict[str, Any]]) -> list[Any]:
    """Sum up one length."""
    done = [r for r in rows if "checked" in r]
    types = Counter(r["bound"]["dtype"] for r in done)
    wrong = [r for r in done if r["mismatches"]]
    return [
        n,
        len(done),
        sum(r["exhaustive"] for r in done),
        sum(r["checked"] for r in done),
        sum(r["mismatches"] for r in done),
        len(wrong),
        types["float32"],
        types["float64"],
        sum(r["bound"]["error"] < r["bound"]["margin"] for r in done),
        max((r["bound"]["error"] / r["bound"]["margin"] for r in done), default=None),
        max((r["error"] / r["bound"]["margin"] for r in done), default=None),
        len(rows) - len(done),
    ]


def main(options: Exactness) -> None:
    torch.set_num_threads(1)
    if options.quick:
        options = replace(options, lengths=tuple(n for n in options.lengths if n <= 10), draws=1_000)
    rows = ours(options)
    tracr, beside_us = Tracr(options.tracr), []
    for n in options.lengths:
        for case in CASES:
            vocab = list(programs.entry(case).vocab)
            request = {
                "case": case,
                "vocab": vocab,
                "n": n,
                "inputs": inputs(vocab, n, 5 if options.quick else 60),
            }
            answer = tracr.ask("exactness", limit=150, keep=True, **request)
            beside_us.append({"program": case, "n": n, "tracr": answer})
    by_length = {n: [r for r in rows if r["n"] == n] for n in options.lengths}
    head = ["N", "programs", "exhaustive", "inputs", "mismatches", "programs wrong", "float32", "float64"]
    head += ["bound < margin", "largest bound / margin", "largest observed error / margin", "not done"]
    tables = [
        Table(
            "The whole library, each program with its own vocabulary. *Margin* is how far a logit may be off before it decodes to another value.",
            head,
            [summary(n, r) for n, r in by_length.items()],
        )
    ]
    found = {(r["program"], r["n"]): r for r in rows}
    lines = []
    for case in CASES:
        line: list[Any] = [case]
        for n in options.lengths:
            us = found[case, n]
            t = next(r["tracr"] for r in beside_us if (r["program"], r["n"]) == (case, n)) or {}
            line.append(f"{us['mismatches']:,}/{us['checked']:,}" if "checked" in us else "not done")
            line.append(
                f"{t['wrong']}/{t['inputs']}"
                if "wrong" in t
                else f"> {t['limit']:.0f} s"
                if "limit" in t
                else t.get("failed", "")[:40]
            )
        lines.append(line)
    head = ["program", *[f"N = {n}, {side}" for n in options.lengths for side in ("ours", "Tracr")]]
    tables.append(
        Table(
            "Inputs decoded wrongly, of those tried (Tracr's undefined positions are not compared, its numbers may be off by 10^-3):",
            head,
            lines,
        )
    )
    lines = [
        [
            r["program"],
            r["n"],
            r["bound"]["dtype"],
            f"{r['bound']['error']:.1e}",
            f"{r['error']:.1e}",
            f"{r['bound']['margin']:.1e}",
        ]
        for r in sorted(
            (r for r in rows if "checked" in r and r["program"] in CASES),
            key=lambda r: (r["program"], r["n"]),
        )
    ]
    tables.append(
        Table(
            "The computed bound beside the largest error observed at a read-out, and the margin below which nothing decodes wrongly:",
            ["program", "N", "dtype", "bound", "observed", "margin"],
            lines,
        )
    )
    bad = [
        [
            r["program"],
            r["n"],
            r.get("failed")
            or (
                "over the limit" if "limit" in r else f"{r['mismatches']} mismatches, {r['refused']} refused"
            ),
        ]
        for r in rows
        if not r.get("good")
    ]
    if bad:
        tables.append(Table("Not exact, or not done:", ["program", "N", "why"], bad))
    publish("exactness", "Exactness", tables, {"library": rows, "tracr": beside_us}, options)


if __name__ == "__main__":
    main(tyro.cli(Exactness, description=__doc__))
