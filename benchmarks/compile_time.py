"""Time the compiler beside Tracr's: from program text to a pair with its model, in CPU seconds.

Each number is from a process of its own that has compiled one small program before. *new* is the first compilation of
the case there (for Tracr: of that array shape), *warm* the fastest of three further ones.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.ask import Tracr, child
from beside.cases import CASES, source, vocabulary
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform import programs

LARGE = (("reverse", 100), ("sort", 100), ("shuffle_dyck1", 50), ("shuffle_dyck2", 50))
LIMIT = 120.0


WORKER = str(Path(beside.__file__).with_name("janiform_worker.py"))


def compared(case: str, n: int, tracr: Tracr | None, repeats: int = 3) -> dict[str, Any]:
    """Time one case on both sides, each in a process of its own."""
    request = {"vocab": vocabulary(case, 10), "n": n, "repeats": repeats}
    ours = {"action": "compile", "text": source(case), "small": source("sort_freq"), **request}
    return {
        "program": case,
        "n": n,
        "ours": child([sys.executable, WORKER], ours, LIMIT),
        "tracr": tracr and tracr.ask("compile", limit=LIMIT, case=case, **request),
    }


def library() -> dict[str, Any]:
    """Time every program of the library once new, one after another in one process, and once more."""
    found = []
    for e in programs.entries():
        text, seconds = programs.text(e.name), []
        for _ in range(2):
            start = time.process_time()
            jf.parse(text).compile(e.vocab, 20, e.causal)
            seconds.append(time.process_time() - start)
        found.append({"program": e.name, "tokens": len(e.vocab), "first": seconds[0], "again": seconds[1]})
    return {"programs": found}


def milliseconds(answer: dict[str, Any] | None, which: str) -> Any:
    """Write one time, or why there is none."""
    if answer is None:
        return None
    if "limit" in answer:
        return f"> {1000 * answer['limit']:,.0f}"
    return "fails" if "failed" in answer else 1000 * answer[which]


def ratio(row: dict[str, Any], which: str) -> float | None:
    """How many times faster ours is, where both have a time."""
    both = [a and a.get(which) for a in (row["tracr"], row["ours"])]
    return both[0] / both[1] if all(both) else None


def comparison(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Lay rows out as a table, with the geometric mean of the ratios below."""
    table = []
    for r in rows:
        times = [milliseconds(r[side], which) for which in ("first", "again") for side in ("ours", "tracr")]
        table.append([r["program"], r["n"], *times[:2], ratio(r, "first"), *times[2:], ratio(r, "again")])
    known = {w: [x for x in (ratio(r, w) for r in rows) if x] for w in ("first", "again")}
    if known["first"]:
        means = [geometric_mean(known[w]) if known[w] else None for w in ("first", "again")]
        least = [min(known[w]) if known[w] else None for w in ("first", "again")]
        table.append(["geometric mean", "", "", "", means[0], "", "", means[1]])
        sums = [
            [sum(r[s][w] for r in rows if r[s].get(w)) for s in ("ours", "tracr")] for w in ("first", "again")
        ]
        (a, b), (c, d) = [[1000 * x for x in pair] for pair in sums]
        if all(r["tracr"].get("again") and r["ours"].get("again") for r in rows):
            table.append(["together", "", a, b, b / a, c, d, d / c])
        table.append(["smallest", "", "", "", least[0], "", "", least[1]])
    return table


def main(options: Options) -> None:
    tracr = Tracr(options.tracr)
    rows = [compared(case, 20, tracr) for case in CASES]
    beside_large = None if options.quick else tracr
    large = [compared(case, n, beside_large, repeats=1) for case, n in LARGE]
    torch.set_num_threads(1)
    jf.parse(source("sort_freq")).compile([0, 1], 3)
    whole = forked(library, limit=300)
    found = sorted(whole.get("programs", ()), key=lambda r: -r["first"])
    total = [sum(r[which] for r in found) for which in ("first", "again")]
    says = (
        f"The {len(found)} programs of the library at N = 20, each with its own vocabulary: "
        f"{total[0]:.2f} s together, {total[1]:.2f} s the second time; the slowest:"
    )
    head = [
        "program",
        "N",
        "new, ours ms",
        "new, Tracr ms",
        "ratio",
        "warm, ours ms",
        "warm, Tracr ms",
        "ratio",
    ]
    tables = [
        Table("From text to a pair with its torch model, V = 10, CPU milliseconds:", head, comparison(rows)),
        Table(f"Larger, V = 10 (limit for Tracr {LIMIT:.0f} s of CPU):", head, comparison(large)),
        Table(
            says,
            ["program", "tokens", "new ms", "warm ms"],
            [[r["program"], r["tokens"], 1000 * r["first"], 1000 * r["again"]] for r in found[:10]],
        ),
    ]
    data = {"cases": rows, "large": large, "library": whole}
    publish("compile-time", "Time to compile", tables, data, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
