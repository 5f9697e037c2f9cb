"""Time the compiler beside Tracr's: from program text to a pair with its model, in CPU seconds.

Each number is from a process of its own that has compiled one small program before. *new* is the first compilation of
the case there (for Tracr: of that array shape), *warm* the fastest of three further ones.
"""

from __future__ import annotations

import time
from statistics import geometric_mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.ask import Tracr
from beside.cases import CASES, signature, source, vocabulary
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform import programs

LARGE = (("reverse", 100), ("sort", 100), ("shuffle_dyck1", 50), ("shuffle_dyck2", 50))
LIMIT = 120.0


def compile_text(text: str, given: jf.Signature) -> jf.Pair:
    """Go the whole way from text to a pair."""
    return jf.parse(text).compile(signature=given)


def timed(text: str, given: jf.Signature) -> dict[str, Any]:
    """Time the first compilation in this process, and the fastest of three further ones."""
    seconds = []
    for _ in range(4):
        start = time.process_time()
        compile_text(text, given)
        seconds.append(time.process_time() - start)
    return {"first": seconds[0], "again": min(seconds[1:])}


def compared(case: str, n: int, tracr: Tracr, repeats: int = 3) -> dict[str, Any]:
    """Time one case on both sides."""
    ours = forked(timed, source(case), signature(case, 10, n), limit=LIMIT)
    request = {"case": case, "vocab": vocabulary(case, 10), "n": n, "repeats": repeats}
    return {"program": case, "n": n, "ours": ours, "tracr": tracr.ask("compile", limit=LIMIT, **request)}


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
        table.append(["smallest", "", "", "", least[0], "", "", least[1]])
    return table


def main(options: Options) -> None:
    torch.set_num_threads(1)
    tracr = Tracr(options.tracr)
    compile_text(source("count"), jf.Signature([0, 1], 3))
    rows = [compared(case, 20, tracr) for case in CASES]
    large = [compared(case, n, Tracr(None) if options.quick else tracr, repeats=0) for case, n in LARGE]
    library = []
    for e in programs.entries():
        given = jf.Signature(e.vocab, 20, e.causal)
        answer = forked(timed, programs.text(e.name), given, limit=60)
        library.append({"program": e.name, "tokens": len(e.vocab), **answer})
    good = sorted((r for r in library if "first" in r), key=lambda r: -r["first"])
    refused = [r for r in library if "first" not in r]
    says = f"{len(good)} of {len(library)} library programs at N = 20, each with its own vocabulary ({sum(r['tokens'] for r in library) / len(library):.0f} tokens on average): {sum(r['first'] for r in good):.2f} s together when new, {sum(r['again'] for r in good):.2f} s when warm; the slowest:"
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
            [[r["program"], r["tokens"], 1000 * r["first"], 1000 * r["again"]] for r in good[:10]],
        ),
    ]
    if refused:
        why = [[r["program"], r["tokens"], r.get("failed", f"> {r.get('limit')} s")] for r in refused]
        tables.append(Table("Not compiled:", ["program", "tokens", "why"], why))
    data = {"cases": rows, "large": large, "library": library}
    publish("compile-time", "Time to compile", tables, data, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
