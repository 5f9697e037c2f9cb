"""Warm tiny models up on Dyck and train them on a haystack: several budgets of few seeds each, and the best of them again.

    python benchmarks/procedural_dyck.py --workers 2 --write

What differs is the number of kinds, the length, the depth, the rate, how long the warm-up is and what of it is taken. The training
is that of procedural_transfer.py. Runs are kept in out/benchmarks/procedural_dyck, so a script that was stopped goes on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import GOOD, HAYSTACK, flat, interval, reached, wilson

from janiform.procedural import pinned, tiny
from janiform.tasks.procedural import floor, read
from janiform.train import sweep

KEPT = Path("out/benchmarks/procedural_dyck")


@dataclass(frozen=True)
class Warm:
    """A warm-up, and the parts of it that trainings begin with."""

    task: str
    steps: int
    batch: int
    parts: tuple[str, ...]
    own: dict[str, Any] = field(default_factory=dict)
    """What the warm-up has otherwise than the recipe."""
    then: dict[str, Any] = field(default_factory=dict)
    """What the training has otherwise than the recipe."""
    seeds: int = 2

    def place(self, seed: int) -> str:
        """Return where the model is kept."""
        said = "-".join([self.task, str(self.steps), *(f"{k}{v}" for k, v in self.own.items()), str(seed)])
        return str(KEPT / "models" / "".join(c if c.isalnum() or c == "-" else "_" for c in said))

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the settings of the warm-up."""
        budget = {"steps": self.steps, "batch": self.batch, "every": self.steps // 20}
        return (
            flat("tiny-warmup")
            | {"task": self.task, "seed": seed, "out": self.place(seed)}
            | budget
            | self.own
        )


DEEP = "dyck(kinds=64, length=48, p_open=0.7)"
TRIED = (
    Warm("dyck(kinds=64, length=48)", 4000, 64, ("attention", "full")),
    Warm("dyck(kinds=16, length=22)", 6000, 64, ("attention", "full"), seeds=1),
    Warm(DEEP, 4000, 64, ("full",), seeds=5),
    Warm(DEEP, 4000, 64, ("attention",), seeds=2),
    Warm(DEEP, 4000, 64, ("mlp",), seeds=5),
    Warm(DEEP, 4000, 64, ("full",), then={"shuffle": True}, seeds=5),
)


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    workers: int = 2
    """Processes at a time."""
    steps: int = 3000
    """Of the training on the haystack, at most."""


def main(options: Settings) -> None:
    tried = TRIED
    if options.quick:
        tried = (Warm("dyck(kinds=4, length=16)", 100, 32, ("attention",), seeds=1),)
        shutil.rmtree(KEPT / "quick", ignore_errors=True)
        shutil.rmtree(tried[0].place(0), ignore_errors=True)
    place, steps = (KEPT / "quick", 100) if options.quick else (KEPT, options.steps)
    rows: list[list[Any]] = []
    data, total = [], 0.0
    for warm in tried:
        seeds = range(warm.seeds)
        before = sweep(tiny, [warm.settings(s) for s in seeds], place / "warmups", workers=options.workers)
        total += sum(run["result"]["cpu_seconds"] for run in before)
        for parts in warm.parts:
            base = flat("tiny-finetune") | {"task": HAYSTACK, "steps": steps} | warm.then
            given = [pinned(base | {"seed": s, "take": [f"{parts}={warm.place(s)}"]}) for s in seeds]
            after = sweep(tiny, given, place / "trainings", workers=options.workers)
            total += sum(run["result"]["cpu_seconds"] for run in after)
            curves = [run["result"]["curve"] for run in after]
            best = [max(p["accuracy"] for p in curve) for curve in curves]
            at = [step for curve in curves if (step := reached(curve, 0.9)) is not None]
            rows.append(
                [
                    warm.task,
                    f"{warm.steps:,} x {warm.batch}" + "".join(f", {k} {v}" for k, v in warm.own.items()),
                    mean(run["result"]["tokens"] for run in before) / 1e6,
                    f"{mean(run['result']['curve'][-1]['loss'] for run in before):.3f}",
                    f"{floor(read(warm.task)):.3f}",
                    parts + ", each matrix shuffled" * warm.then.get("shuffle", False),
                    " / ".join(f"{100 * b:.1f}" for b in best),
                    interval(best) if len(best) > 2 else f"{mean(best):.1%}",
                    wilson(sum(b >= GOOD for b in best), len(best)),
                    " / ".join(f"{step:,}" for step in at) or "never",
                ]
            )
            print(rows[-1], flush=True)
            data.append({"task": warm.task, "parts": parts, "best": best, "steps to 90 %": at})
    says = (
        f"Best accuracy on held-out rows of `{HAYSTACK}` in {steps:,} steps; GPT-2 of 2 blocks, 4 heads, width 16. "
        f"All of it took {total:,.0f} CPU seconds:"
    )
    headings = ["warm-up", "steps", "M tokens", "its loss", "floor", "taken", "accuracy %, each seed", "mean"]
    headings += ["seeds at 95 %", "steps to 90 %"]
    publish(
        "dyck",
        "Dyck and the haystack",
        [Table(says, headings, rows)],
        {"arms": data, "cpu_seconds": total},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
