"""Decompile models whose streams were compressed 1.2 and 2 times, by learning where that cannot be without loss (T4).

Programs are those of the other tiers. Where the width is below the least at which nothing is lost, a projection is learned: one
matrix and its transpose (Lindner et al. 2023, section 5), from the directions that explain most of the exactly compressed
stream, by Adam on answers and on what every half-layer writes. Such a model may compute its program no longer: how many still
do stands beside the shares. Those that answer less than 90 % of inputs as before are not decompiled, and count as missed.

    python benchmarks/decompile_compressed.py --programs 60 --write
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish
from compression import output_loss, written
from decompile_compiled import SIGNATURE, Drawn, draw, share

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.evidence import compare
from janiform.decompile.given import subject
from janiform.ir.canonical import canonical_hash
from janiform.model import Transformer
from janiform.pair import Pair
from janiform.realistic.compress import narrowed
from janiform.realistic.exact import compress_exactly, narrowest
from janiform.realistic.extents import evening, extents
from janiform.realistic.least import least_width
from janiform.realistic.lessons import Teacher, recorded
from janiform.realistic.narrowing import Narrowing
from janiform.realistic.projection import Projection, project

FACTORS = (1.2, 2.0)
LESSONS, INPUTS = 20, 64
TWO = 8
"""Where that does not keep the program, the width is one at which tokens can be read, and the exact stream is no wider than this,
two matrices are learned, from starts that put aside what nobody reads (``pair.compress(width, "autoencoder")``)."""
WORTH = 0.9
"""Models that answer a smaller share of inputs as their program does are not decompiled."""


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    programs: int = 60
    """How many programs."""
    steps: int = 400
    """How many steps a projection is learned in."""
    rows: Path = Path("out/decompile-compressed.jsonl")
    """Where the rows are kept."""
    seconds: float = 1e9
    """Stop after so long; what is missing is measured by the next run."""


def learned(pair: Pair, width: int, steps: int, seed: int = 0) -> Pair:
    """Compress to a width by one matrix and its transpose, learned."""
    base = compress_exactly(pair)
    teacher, config = Teacher(base), base.model.config
    scale = torch.from_numpy(evening(base.model.weights(), extents(base)))
    projection = Projection("linear", scale)
    student = Transformer(replace(config, d_model=width, dtype="float64"), seed=None)
    weights = dict(teacher.model.named_parameters())
    points = [*teacher.heads, *teacher.units]
    lessons = [teacher.lesson(INPUTS, [seed, i], plain=True) for i in range(LESSONS)]
    streams = torch.cat([x.record[n][x.tokens] for x in lessons for n in teacher.streams]) / scale
    start = torch.linalg.svd(streams, full_matrices=False)[2][:width]
    w = start.T.contiguous().flatten().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([w], lr=1e-2, betas=(0.9, 0.99))
    for step in range(steps):
        lesson = lessons[step % LESSONS]
        optimizer.param_groups[0]["lr"] = 1e-2 * max(0.01, 0.5 + 0.5 * math.cos(math.pi * step / steps))
        folded = project(weights, projection.matrices(w, width))
        found = recorded(student, folded, lesson.ids, lesson.positions, points)
        short = [written(n, found, weights) - written(n, lesson.record, weights) for n in points]
        loss = output_loss(base, found, lesson)
        loss = loss + sum(x[lesson.tokens].square().sum(-1).mean() for x in short)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return narrowed(pair, base, projection.matrices(w.detach(), width), "linear")


def measured(d: Drawn, factor: float, options: Settings) -> dict[str, Any]:
    """Compress a program, and decompile it."""
    pair = d.program.compile(signature=SIGNATURE)
    width = max(1, math.floor(pair.model.config.d_model / factor))
    lossless = width >= narrowest(pair)
    start = time.process_time()
    small = compress_exactly(pair, width) if lossless else learned(pair, width, options.steps)
    row: dict[str, Any] = {"seed": d.seed, "factor": factor, "lossless": lossless}
    own = compare(subject(small), d.program, limit=5_000, draws=0, seed=0)
    if not own.exact and narrowest(pair) <= TWO and width >= least_width(compress_exactly(pair)):
        small = pair.compress(width, "autoencoder", settings=Narrowing(starts=4, rounds=2))
        own = compare(subject(small), d.program, limit=5_000, draws=0, seed=0)
    row |= {"own": own.agreed / own.checked, "learning": time.process_time() - start}
    row |= {"exact": False, "functional": False, "agree": False, "method": None, "seconds": None}
    if row["own"] < WORTH:
        return row
    start = time.process_time()
    try:
        found = jf.decompile(small)
    except CannotDecompile as e:
        return row | {"seconds": time.process_time() - start, "method": "refused", "why": str(e)[:90]}
    row |= {"seconds": time.process_time() - start, "method": found.method, "agree": True}
    row["exact"] = canonical_hash(found.program, SIGNATURE) == d.digest
    same = row["exact"] or jf.equivalent(found.program, d.program, SIGNATURE, limit=5_000)
    return row | {"functional": bool(same)}


def tables(rows: Iterable[dict[str, Any]], options: Settings) -> list[Table]:
    """Shares by factor, of all, of those learned, and of those that still compute their program."""
    lines = []
    for factor in FACTORS:
        all_ = [r for r in rows if r["factor"] == factor]
        learnt = [r for r in all_ if not r["lossless"]]
        for says, some in (
            ("all", all_),
            ("without loss", [r for r in all_ if r["lossless"]]),
            ("learned", learnt),
            ("learned, still computes its program", [r for r in learnt if r["own"] == 1]),
            ("learned, 99 % of inputs and more", [r for r in learnt if r["own"] >= 0.99]),
        ):
            if not some:
                continue
            took = [r["seconds"] for r in some if r["seconds"] is not None]
            mean = f"{sum(took) / len(took):.1f}" if took else None
            methods = ", ".join(
                f"{sum(r['method'] == m for r in some)} {m}"
                for m in ("exact", "neural", "observed", "refused")
                if any(r["method"] == m for r in some)
            )
            keeps = f"{sum(r['own'] == 1 for r in some)} of {len(some)}"
            lines.append(
                [
                    f"{factor:g}x: {says}",
                    keeps,
                    share(some, "exact"),
                    share(some, "functional"),
                    methods,
                    mean,
                ]
            )
    says = (
        f"Streams compressed 1.2 and 2 times, five tokens up to length 5. Learned: one matrix and its transpose, {options.steps} steps of "
        f"Adam on {LESSONS} batches of {INPUTS} inputs; two matrices where these do not keep the program, the exact stream has at most {TWO} "
        f"dimensions and the width is one at which tokens can be read as they are. Models that answer less than {WORTH:.0%} of inputs as before are not decompiled and count as missed."
    )
    head = ["compressed", "still computes its program", "exact", "functional", "found by", "mean s"]
    return [Table(says, head, lines)]


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    start, path = time.time(), options.rows
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(r["seed"], r["factor"]) for r in rows}
    with path.open("a") as out:
        for d in draw(10 if options.quick else options.programs):
            for factor in FACTORS:
                if (d.seed, factor) in known or time.time() - start > options.seconds:
                    continue
                rows.append(measured(d, factor, options))
                out.write(json.dumps(rows[-1]) + "\n")
                out.flush()
    title = "Compressed, by learning where something is lost"
    publish("compressed", title, tables(rows, options), {"rows": rows}, options, page="decompile-compiled")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
