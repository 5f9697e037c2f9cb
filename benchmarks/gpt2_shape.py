"""Give every library program GPT-2's shape, and check it: which can, in which format, how wide, with which error."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish

from janiform import CompileError, programs


@dataclass(frozen=True)
class Shapes(Options):
    """How far to check."""

    limit: int = 100_000
    """Try every input if there are at most this many."""
    draws: int = 2_000
    """Draw this many otherwise."""


def shaped(name: str, options: Shapes, disguised: bool = False, **settings: Any) -> dict[str, Any]:
    """Shape one program, disguise it where asked, and compare it with the interpreter."""
    plain = programs.load(name).compile(signature=programs.entry(name).signature)
    start = time.process_time()
    try:
        pair = plain.to_gpt2(**settings)
        if disguised:
            pair = pair.disguise(seed=0)
    except CompileError as e:
        return {"program": name, "why": str(e).split(" may look")[0]}
    seconds = time.process_time() - start
    report = pair.check(limit=options.limit, draws=options.draws)
    found, c = report.data(), pair.model.config
    if not math.isfinite(report.bound.error):
        found["bound"]["error"] = None
    return {
        "program": name,
        **found,
        "d_model": c.d_model,
        "plain": plain.model.config.d_model,
        "seconds": seconds,
    }


def summary(label: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Sum up one way to shape."""
    done = [r for r in rows if "good" in r]
    types = Counter(r["bound"]["dtype"] for r in done)
    bounds = [r["bound"] for r in done]
    ratio = sorted(r["d_model"] / r["plain"] for r in done)
    return [
        label,
        len(done),
        len(rows) - len(done),
        types["float32"],
        types["float64"],
        sum(r["checked"] for r in done),
        sum(r["mismatches"] for r in done),
        max((b["error"] / b["margin"] for b in bounds if b["error"] is not None), default="not proven"),
        max(r["error"] / r["bound"]["margin"] for r in done),
        ratio[len(ratio) // 2],
        sum(r["seconds"] for r in done) / len(done),
    ]


def main(options: Shapes) -> None:
    torch.set_num_threads(1)
    names = sorted({e.file: e.name for e in programs.entries()}.values())[:: 8 if options.quick else 1]
    stock = [shaped(n, options) for n in names]
    tied = [shaped(n, options, tied=True) for n in names]
    hidden = [shaped(n, options, disguised=True) for n in names]
    both = [shaped(n, options, causal=programs.entry(n).causal) for n in names]
    rms = [shaped(n, options, causal=programs.entry(n).causal, norm="RMS", tied=True) for n in names]
    ways = {
        "stock GPT-2": stock,
        "stock GPT-2, tied": tied,
        "stock GPT-2, disguised": hidden,
        "attention as the program asks": both,
        "the same, RMSNorm, tied": rms,
    }
    named = {
        "Exact in float64 only": [
            r["program"] for r in stock if r.get("bound", {}).get("dtype") == "float64"
        ],
        "Look ahead, and have no stock GPT-2": [r["program"] for r in stock if "why" in r],
    }
    lists = [
        fill(f"{label} ({len(found)}): {', '.join(found) or 'none'}.", 120) for label, found in named.items()
    ]
    head = ["shape", "programs", "look ahead", "float32", "float64", "inputs", "mismatches"]
    head += ["largest bound / margin", "largest error / margin", "median width / plain", "CPU s each"]
    says = "The library, each program with its own vocabulary and length, checked against the interpreter."
    tables = [
        Table("\n\n".join([*lists, says]), head, [summary(label, rows) for label, rows in ways.items()])
    ]
    publish("gpt2", "GPT-2 shape", tables, ways, options, page="realistic")


if __name__ == "__main__":
    main(tyro.cli(Shapes, description=__doc__))
