"""Disguise every library program in each way, and see that answers stay and variables are found again in the stream."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import tyro
from beside.results import Options, Table, publish

from janiform import Pair, programs
from janiform.pair.inputs import drawn

ALONE: dict[str, Any] = {"residual": None, "heads": False, "units": False}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "basis, orthogonal": {**ALONE, "residual": "orthogonal"},
    "basis, invertible": {**ALONE, "residual": "invertible"},
    "gauges and order of heads": {**ALONE, "heads": True},
    "order and scale of units": {**ALONE, "units": True},
    "2 heads and 8 units more a layer": {**ALONE, "distractors": (2, 8)},
    "all of these": {"residual": "invertible", "distractors": (2, 8)},
    "all of these, and noise of 0.0001": {"residual": "invertible", "distractors": (2, 8), "noise": 1e-4},
    "all of these, and noise of 0.001": {"residual": "invertible", "distractors": (2, 8), "noise": 1e-3},
}
"""The changes of weights, one at a time, then together."""


@dataclass(frozen=True)
class Disguises(Options):
    """How far to check."""

    limit: int = 400
    """Try every input if there are at most this many."""
    draws: int = 200
    """Draw this many otherwise."""
    every: int = 1
    """Take one library program in so many."""


def astray(plain: Pair, hidden: Pair) -> float:
    """Return the farthest that a variable read through the basis is from the plain stream's, as a share of its size."""
    *_, codes = drawn(plain.signature, 200, 200, seed=0)  # the longest
    ids = torch.from_numpy(plain.codec.frame(codes, codes.shape[1]))
    ends = [f"blocks.{i}.hook_resid_post" for i in range(plain.model.config.n_layers)] or ["hook_embed"]
    (_, before), (_, after) = (p.model.run_with_cache(ids, ends) for p in (plain, hidden))
    far = 0.0
    for p, q in zip(plain.places, hidden.places, strict=True):
        for end in ends if p.dims else ():
            held, read = before[end][..., list(p.dims)].numpy(), after[end].numpy() @ hidden.subspace(q).read
            far = max(far, float(np.abs(read - held).max() / max(1.0, np.abs(held).max())))
    return far


def disguised(name: str, options: Disguises, change: Mapping[str, Any]) -> dict[str, Any]:
    """Disguise one program and compare it with the interpreter."""
    plain = programs.load(name).compile(signature=programs.entry(name).signature)
    start = time.process_time()
    hidden = plain.disguise(0, **change)
    seconds = time.process_time() - start
    report = hidden.check(limit=options.limit, draws=options.draws)
    share = float(np.mean([np.count_nonzero(w) / max(1, w.size) for w in hidden.model.weights().values()]))
    facts = {
        "checked": report.checked,
        "mismatches": report.mismatches,
        "error": report.error / report.bound.margin,
    }
    facts |= {"dtype": hidden.model.config.dtype, "astray": astray(plain, hidden), "nonzero": share}
    return {"program": name, **facts, "seconds": seconds}


def summary(label: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Sum up one way."""
    types = Counter(r["dtype"] for r in rows)
    return [
        label,
        len(rows),
        types["float32"],
        types["float64"],
        sum(r["checked"] for r in rows),
        sum(r["mismatches"] for r in rows),
        sum(r["mismatches"] > 0 for r in rows),
        max(r["error"] for r in rows),
        max(r["astray"] for r in rows),
        f"{np.mean([r['nonzero'] for r in rows]):.0%}",
        sum(r["seconds"] for r in rows) / len(rows),
    ]


def main(options: Disguises) -> None:
    torch.set_num_threads(1)
    names = sorted({e.file: e.name for e in programs.entries()}.values())
    names = names[:: 8 if options.quick else options.every]
    ways = {label: [disguised(n, options, change) for n in names] for label, change in WAYS.items()}
    head = ["change", "programs", "float32", "float64", "inputs", "mismatches", "in programs"]
    head += ["largest error / margin", "variable read back, off by", "weights not zero", "CPU s each"]
    says = (
        "Library programs, each with its own vocabulary and length, checked against the interpreter; *read back* is a variable's "
        "coordinates read from the changed stream through `pair.subspace(place)`, beside the plain stream's, as a share of their size."
    )
    tables = [Table(says, head, [summary(label, rows) for label, rows in ways.items()])]
    publish("disguise", "Disguise", tables, ways, options, page="realistic")


if __name__ == "__main__":
    main(tyro.cli(Disguises, description=__doc__))
