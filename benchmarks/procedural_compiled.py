"""Begin with a compiled program in a wider model, zero tokens of warm-up: what it knows at once, and what of it helps training.

    python benchmarks/procedural_compiled.py --workers 2 --write

First, programs of the library are embedded whole in a GPT-2 that is noise elsewhere, and asked before any step. Then parts of the
haystack's program begin the training that procedural_transfer.py begins with parts of trained warm-ups; each seed draws the noise,
the subspace that the program lies in, and the rows. Runs are kept in out/benchmarks/procedural_compiled. Intervals are of 95 %.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import GOOD, HAYSTACK, flat, interval, wilson

from janiform.procedural import tiny
from janiform.train import sweep

KEPT = Path("out/benchmarks/procedural_compiled")
BLOCKS = "attention+mlp+layernorm+positions"
WHOLE: tuple[tuple[str, int, int, int], ...] = (
    ("identity(symbols=6, longest=8)", 2, 2, 32),
    ("reverse(symbols=6, longest=8)", 2, 2, 80),
    ("set(symbols=6, longest=8)", 3, 2, 96),
    ("sort(symbols=6, longest=8)", 4, 4, 96),
    (HAYSTACK, 2, 4, 24),
)
"""Tasks, and blocks, heads and width of the models that their programs are embedded in."""
NOISE = (0.0, 1e-6, 1e-5, 1e-4)
"""On the program's own weights, in their deviations."""


@dataclass(frozen=True)
class Arm:
    """A way to begin the training on the haystack."""

    name: str
    begin: dict[str, Any]


ARMS = (
    Arm("noise alone", {}),
    Arm("the program, whole", {"from_program": ["haystack"]}),
    Arm("the program, whole, at a rate of 1e-6", {"from_program": ["haystack"], "rate": 1e-6}),
    Arm("its blocks and positions", {"from_program": [f"{BLOCKS}=haystack"]}),
    Arm("its attention", {"from_program": ["attention=haystack"]}),
)


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 5
    """Of each arm."""
    workers: int = 2
    """Processes at a time."""
    steps: int = 300
    """Of the training on the haystack."""


def at_once(task: str, layers: int, heads: int, width: int, noise: float, seed: int) -> dict[str, Any]:
    """Return the settings of a run that asks a program before its only step."""
    shape = {"layers": layers, "heads": heads, "width": width, "way": "autograd"}
    own = {"task": task, "from_program": [task], "noise": noise, "seed": seed, "steps": 1, "held": 1000}
    return flat("tiny-finetune") | shape | own


def main(options: Settings) -> None:
    seeds, place = range(2 if options.quick else options.seeds), KEPT / "quick" if options.quick else KEPT
    if options.quick:
        shutil.rmtree(place, ignore_errors=True)
    steps = 20 if options.quick else options.steps
    asked = [
        (shape[0], noise, s, at_once(*shape, noise, s)) for shape in WHOLE for noise in NOISE for s in seeds
    ]
    first = sweep(tiny, [one for *_, one in asked], place / "whole", workers=options.workers)
    known: dict[tuple[str, float], list[float]] = {}
    for (task, noise, _, _), run in zip(asked, first):
        known.setdefault((task, noise), []).append(run["result"]["curve"][0]["accuracy"])
    shapes = {task: f"{layers}/{heads}/{width}" for task, layers, heads, width in WHOLE}
    rows: list[list[Any]] = [
        [task, shapes[task], *(interval(known[task, noise]) for noise in NOISE)] for task, *_ in WHOLE
    ]
    says = "Accuracy on held-out rows before any step, by noise on the program's own weights:"
    tables = [Table(says, ["task", "blocks/heads/width", *(f"noise {n:g}" for n in NOISE)], rows)]

    own = {"task": HAYSTACK, "steps": steps, "width": 24}
    runs = [(arm.name, flat("tiny-finetune") | own | arm.begin | {"seed": s}) for s in seeds for arm in ARMS]
    found = sweep(tiny, [one for _, one in runs], place / "trainings", workers=options.workers)
    rows, data = [], []
    for arm in ARMS:
        curves = [run["result"]["curve"] for (name, _), run in zip(runs, found) if name == arm.name]
        begin, end = ([curve[i]["accuracy"] for curve in curves] for i in (0, -1))
        best = [max(p["accuracy"] for p in curve[1:]) for curve in curves]
        shown = " / ".join(f"{100 * b:.1f}" for b in best)
        good = wilson(sum(b >= GOOD for b in best), len(best))
        rows.append([arm.name, interval(begin), shown, interval(best), good])
        data.append({"arm": arm.name, "begin": begin, "best": best, "end": end})
    total = sum(run["result"]["cpu_seconds"] for run in [*first, *found])
    says = (
        f"Accuracy on held-out rows of `{HAYSTACK}` before any step, and at best behind the first of {steps:,} steps; GPT-2 of 2 "
        f"blocks, 4 heads, width 24. All of it, the table above too, took {total:,.0f} CPU seconds:"
    )
    headings = ["begins with", "at zero tokens", "best in training %, each seed", "mean", "seeds at 95 %"]
    tables.append(Table(says, headings, rows))
    publish(
        "compiled",
        "Compiled warm-up",
        tables,
        {
            "at once": [{"task": t, "noise": n, "accuracy": a} for (t, n), a in known.items()],
            "arms": data,
            "cpu_seconds": total,
        },
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
