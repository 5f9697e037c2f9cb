"""Verified pairs a second on one core: programs drawn, compiled and compared, and fresh weights for them in later epochs.

A *verified pair* is a program and weights whose outputs were compared with the interpreter's on 100 inputs: all of up to two
tokens and 70 longer ones, padded to the full context, at every position. Seconds are of CPU, of one process.

    python benchmarks/dataset.py --write
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import tyro
from beside.results import Options, Table, publish

from janiform.bench.fresh import FreshWeights, load, turned
from janiform.decompile.dataset import Entry, Plan
from janiform.decompile.dataset.sampling import Drawn, Sampler
from janiform.decompile.dataset.verify import disagreeing, disagreement, inputs
from janiform.text.json import dumps


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    programs: int = 300
    """How many programs are drawn."""
    epochs: int = 4
    """How many times weights are drawn for each."""


SPENT: dict[str, float] = {}


@contextmanager
def clock(name: str) -> Iterator[None]:
    """Add the CPU seconds of a block to what a step has taken."""
    start = time.process_time()
    yield
    SPENT[name] = SPENT.get(name, 0.0) + time.process_time() - start


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    plan = Plan()
    signature, given = plan.signature, inputs(plan.signature, plan.inputs)
    count = 60 if options.quick else options.programs
    sampler = Sampler(signature, (plan.smallest, plan.largest), seed=12)
    drawing = sampler.programs()
    next(drawing)
    drawn: list[Drawn] = []
    wrong = 0
    for _ in range(count):
        with clock("draw, normal form, all 3,905 inputs"):
            drawn.append(next(drawing))
        with clock("compile"):
            pair = drawn[-1].program.compile(signature=signature)
        with clock("compare"):
            wrong += bool(disagreeing(pair, drawn[-1].outcomes, given))
    first = sum(SPENT.values())
    entries = [Entry(d.canonical, d.behavior, d.size, dumps(d.program)) for d in drawn]
    fresh = FreshWeights(entries, signature, plan.inputs)
    for i in range(count):
        fresh.plain(i)
    start = time.process_time()
    verified = sum(1 for epoch in range(options.epochs) for _ in fresh.epoch(epoch))
    later = time.process_time() - start
    rng = np.random.default_rng(0)
    models = [p.model for p in fresh.epoch(0)]
    for i in range(count):
        pair, weights, outcomes = fresh.plain(i)
        with clock("fresh: turn"):
            changed = turned(pair, weights, rng)
        with clock("fresh: model"):
            model = load(models[i], changed)
        with clock("fresh: compare"):
            disagreement(model, pair.readouts[0], outcomes, given)
    rows = [
        ["new programs: drawn, compiled, compared", count, f"{count / first:.0f}"],
        ["fresh weights for programs that are compiled", verified, f"{verified / later:.0f}"],
        [
            f"both, over {options.epochs + 1} epochs",
            count + verified,
            f"{(count + verified) / (first + later):.0f}",
        ],
    ]
    says = (
        f"A program is kept where it is no constant, mostly defined, and like no other; {sum(sampler.rejected.values())} of "
        f"{count + 1 + sum(sampler.rejected.values())} draws were rejected, and their time counts. {wrong} of {count} programs differed "
        f"from their weights; of {verified} fresh weights {fresh.redrawn} needed float64."
    )
    parts = [[name, f"{1000 * seconds / count:.2f}"] for name, seconds in SPENT.items()]
    publish(
        "dataset",
        "Data sets of pairs",
        [
            Table(says, ["verified pairs", "how many", "a CPU second"], rows),
            Table("Where the time goes:", ["step", "CPU ms a program"], parts),
        ],
        {"programs": count, "wrong": wrong, "verified": verified},
        options,
        page="decompile-compiled",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
