"""Narrow the residual stream of compiled programs: accuracy and faithfulness against width, beside the paper's fixed recipe.

The recipe is that of Lindner et al. 2023, section 5: one matrix W, read through W and written through its transpose, from a random
start, by AdamW on the sum of the output's error and of every half-layer's, with a fixed schedule. Here it is shortened, from 3e5
steps to what ``--steps`` says, its learning rate ten times as large to make up. Both are judged alike, on equal widths.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish

from janiform import Pair, programs
from janiform.model import Transformer
from janiform.realistic.compress import narrowed
from janiform.realistic.exact import narrowest
from janiform.realistic.lessons import Lesson, Record, Teacher, recorded
from janiform.realistic.narrowing import Narrowing
from janiform.realistic.projection import Projection, project

SIZES = {"frac_prevs": (3, 5), "hist": (3, 4), "reverse": (3, 4), "sort_unique": (3, 4), "dyck1": (2, 3)}
"""Tokens and length of each program; frac_prevs as in the paper."""


@dataclass(frozen=True)
class Compression(Options):
    """How much is spent."""

    program: tuple[str, ...] = tuple(SIZES)
    """Which programs."""
    method: tuple[str, ...] = ("linear",)
    """Which projections are learned."""
    below: int = 2
    """How many widths below the exact one."""
    starts: int = 6
    """Starts a width."""
    rounds: int = 2
    """Rounds of polishing a width."""
    steps: int = 600
    """Steps of the recipe, of 64 inputs each."""
    inputs: int = 300
    """On how many inputs each is judged."""


def recipe(pair: Pair, width: int, steps: int, seed: int = 0) -> Pair:
    """Compress by the paper's recipe."""
    config, teacher = pair.model.config, Teacher(pair)
    projection = Projection("linear", torch.ones(config.d_model, dtype=torch.float64))
    student = Transformer(replace(config, d_model=width, dtype="float64"), seed=None)
    weights = dict(teacher.model.named_parameters())
    points = [*teacher.heads, *teacher.units]
    draw = torch.Generator().manual_seed(seed)
    w = torch.randn(config.d_model, width, generator=draw, dtype=torch.float64) / config.d_model**0.5
    w = w.flatten().requires_grad_(True)
    optimizer = torch.optim.AdamW([w], lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1)
    lessons = [teacher.lesson(64, [seed, i], plain=True) for i in range(20)]
    for step in range(steps):
        lesson = lessons[step % len(lessons)]
        falling = max(0.0, 1 - 2 * step / steps)
        optimizer.param_groups[0]["lr"] = 1e-5 + (1e-2 - 1e-5) * falling
        folded = project(weights, projection.matrices(w, width))
        found = recorded(student, folded, lesson.ids, lesson.positions, points)
        loss = output_loss(pair, found, lesson) + sum(
            (written(n, found, weights) - written(n, lesson.record, weights))[lesson.tokens]
            .square()
            .sum(-1)
            .mean()
            for n in points
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return narrowed(pair, pair, projection.matrices(w.detach(), width), "linear")


def written(name: str, record: Record, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return what a half-layer writes, in the axes of the compiled model."""
    layer = name.rsplit(".", 2)[0]
    if name.endswith("hook_post"):
        return record[name] @ weights[f"{layer}.mlp.W_out"]
    return torch.einsum("bphd,hdm->bpm", record[name], weights[f"{layer}.attn.W_O"])


def output_loss(pair: Pair, found: Record, lesson: Lesson) -> torch.Tensor:
    """Cross-entropy of categories, squared error of numbers."""
    total = torch.zeros((), dtype=torch.float64)
    for r in pair.readouts:
        right, given = (x["logits"][lesson.tokens][:, r.start : r.stop] for x in (lesson.record, found))
        if r.kind == "number":
            total = total + (given - right).square().sum(-1).mean()
        else:
            total = total + torch.nn.functional.cross_entropy(given, right.argmax(-1))
    return total


def rows_of(name: str, options: Compression) -> Iterator[dict[str, Any]]:
    """Compress a program to each width by each method, and judge what comes out."""
    vocab, length = SIZES[name]
    e = programs.entry(name)
    pair = programs.load(name).compile(e.vocab[:vocab], length, e.causal)
    least = narrowest(pair)
    lowest = max(1, least - options.below)
    settings = Narrowing(starts=options.starts, rounds=options.rounds)

    def judged(width: int, method: str, made: Any) -> dict[str, Any]:
        start = time.process_time()
        small = made()
        seconds = time.process_time() - start
        found = small.faithfulness(inputs=options.inputs)
        apart = [v for v in found.variables if v.apart]
        row = {"program": name, "full": pair.model.config.d_model, "width": width, "method": method}
        row |= {"outputs": found.outputs, "variables": len(apart), "faithful": sum(v.faithful for v in apart)}
        row |= {"probe": min(v.probe for v in apart), "interchange": min(v.interchange for v in apart)}
        return row | {"verdict": found.verdict, "seconds": seconds}

    yield judged(least, "exact", lambda: pair.compress())
    for method in options.method:
        with tempfile.TemporaryDirectory() as run:
            for width in range(least - 1, lowest - 1, -1):
                made = lambda: pair.compress(width, method, settings=settings, out=run)  # noqa: B023, E731
                yield judged(width, method, made)
    for width in range(least, lowest - 1, -1):
        yield judged(width, "recipe", lambda: recipe(pair, width, options.steps))  # noqa: B023


def main(options: Compression) -> None:
    torch.set_num_threads(1)
    names = options.program[:1] if options.quick else options.program
    rows = [row for name in names for row in rows_of(name, options)]
    rows.sort(key=lambda r: (names.index(r["program"]), -r["width"]))
    head = ["program", "d_model", "width", "method", "answers right", "variables faithful"]
    head += ["least probe", "least interchange", "verdict", "CPU s"]
    cells = [
        [
            *(r[k] for k in ("program", "full", "width", "method")),
            f"{r['outputs']:.1%}",
            f"{r['faithful']} of {r['variables']}",
            f"{r['probe']:.3f}",
            f"{r['interchange']:.3f}",
            r["verdict"],
            r["seconds"],
        ]
        for r in rows
    ]
    says = (
        f"Each pair at {options.inputs} fresh inputs; *recipe* is the paper's, shortened to {options.steps:,} steps. "
        f"Learned widths: {options.starts} starts, seed 0, each width from the one above; its seconds are its own."
    )
    publish(
        "compression", "Compression", [Table(says, head, cells)], {"rows": rows}, options, page="realistic"
    )


if __name__ == "__main__":
    main(tyro.cli(Compression, description=__doc__))
