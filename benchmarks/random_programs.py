"""Compile 10,000 random programs of 5 to 10 operations to pairs: how many a second on one core.

The programs come from the sampler that tests and data sets use; drawing them is timed apart. A few hundred of them are
checked against their weights.
"""

from __future__ import annotations

import time
from collections import Counter
from statistics import mean, median, quantiles
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import tyro
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform.ir.sample import sample_program, size_of

SIZES = range(5, 11)


def draw(signature: jf.Signature, count: int) -> list[jf.Program]:
    """Draw programs of 5 to 10 operations, those of other sizes thrown away."""
    rng, found = np.random.default_rng(0), []
    while len(found) < count:
        program = sample_program(rng, signature, int(rng.choice(SIZES)))
        if size_of(program) in SIZES:
            found.append(program)
    return found


def measured(signature: jf.Signature, count: int, checks: int) -> dict[str, Any]:
    """Compile every program, time each, and check the first ones."""
    start = time.process_time()
    programs = draw(signature, count)
    drawn = time.process_time() - start
    seconds, sizes, parameters, faults = [], Counter(map(size_of, programs)), [], Counter()
    pairs, wrong = [], 0
    for p in programs:
        start = time.process_time()
        try:
            pair = p.compile(signature=signature)
        except jf.JaniformError as e:
            faults[f"{type(e).__name__}: {e}".splitlines()[0][:120]] += 1
            continue
        seconds.append(time.process_time() - start)
        parameters.append(sum(w.numel() for w in pair.model.state_dict().values()))
        if len(pairs) < checks:
            pairs.append(pair)
    for pair in pairs:
        wrong += not pair.check(limit=0, draws=200).good
    return {
        "programs": count,
        "drawn": drawn,
        "compiled": len(seconds),
        "seconds": sum(seconds),
        "milliseconds": [1000 * f for f in (median(seconds), quantiles(seconds, n=100)[98], max(seconds))],
        "sizes": dict(sorted(sizes.items())),
        "parameters": mean(parameters),
        "checked": len(pairs),
        "wrong": wrong,
        "refused": dict(faults.most_common(5)),
    }


def main(options: Options) -> None:
    torch.set_num_threads(1)
    count = 1_000 if options.quick else 10_000
    settings = [("abcd", 8), (list(range(10)), 10)]
    jf.parse("hist = selector_width(select(tokens, tokens, ==));").compile("ab", 3)
    rows, found = [], []
    for vocab, n in settings:
        r = forked(measured, jf.Signature(vocab, n), count, 50 if options.quick else 300, limit=900)
        found.append({"tokens": len(vocab), "n": n, **r})
        if "seconds" not in r:
            rows.append([len(vocab), n, r.get("failed", "over the limit"), *[None] * 8])
            continue
        rate = r["compiled"] / r["seconds"]
        outcome = f"{r['wrong']} of {r['checked']}"
        row = [len(vocab), n, r["programs"], r["compiled"], r["seconds"], rate, *r["milliseconds"]]
        rows.append([*row, r["parameters"], outcome])
    head = ["tokens", "N", "programs", "compiled", "CPU s", "per second", "median ms", "99th %", "slowest"]
    tables = [
        Table("Programs of 5 to 10 operations to pairs, one core:", [*head, "parameters", "wrong"], rows)
    ]
    refused = [[r["tokens"], why, times] for r in found for why, times in r.get("refused", {}).items()]
    if refused:
        tables.append(Table("Refused:", ["tokens", "why", "programs"], refused))
    publish("random-programs", "Random programs", tables, {"settings": found}, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
