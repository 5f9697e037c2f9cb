"""Train tiny models on each diagnostic at reduced size, with and without a warm-up: where it helps, and where it harms.

    python benchmarks/procedural_diagnostics.py --workers 2 --write

The warm-ups are those of procedural_transfer.py, seed by seed, and are made where they are missing. Differences from no warm-up are
paired by seed; intervals are Student's of 95 %. What is done is kept in out/benchmarks/procedural_transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import KEPT, REPEATING, SET, flat, folder, interval, warmups
from procedural_transfer import Settings as Transfer

from janiform.procedural import pinned, tiny
from janiform.train import sweep

TASKS = (
    "sort(symbols=33, longest=10)",
    "addition(digits=3)",
    "reversed_addition(digits=4)",
    "multiplication(digits=2)",
)
WARM = Transfer().warmup_steps
ARMS: tuple[tuple[str, str | None, str], ...] = (
    ("none", None, ""),
    ("Set, attention", SET, "attention"),
    ("identity, attention", REPEATING, "attention"),
    ("identity, full", REPEATING, "full"),
)


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 5
    """Of each arm."""
    workers: int = 2
    """Processes at a time."""
    steps: int = 600
    """Of each training."""
    batch: int = 128
    """Rows a step."""


def settings(task: str, warmup: str | None, parts: str, seed: int, options: Settings) -> dict[str, Any]:
    """Return the settings of a training."""
    own: dict[str, Any] = {"task": task, "seed": seed, "steps": options.steps, "batch": options.batch}
    if warmup is not None:
        own["take"] = [f"{parts}={folder(warmup, seed)}"]
    return flat("tiny-finetune") | own


def main(options: Settings) -> None:
    seeds, tasks = range(options.seeds), TASKS
    if options.quick:
        seeds, tasks, options = range(2), TASKS[:1], Settings(steps=50, workers=options.workers, quick=True)
    given = warmups([SET, REPEATING], seeds, 100 if options.quick else WARM, options.quick)
    sweep(tiny, given, KEPT / ("quick" if options.quick else "") / "warmups", workers=options.workers)
    runs = [
        (task, name, settings(task, w, p, s, options)) for s in seeds for task in tasks for name, w, p in ARMS
    ]
    if options.quick:
        for _, _, one in runs:
            one["take"] = [f"{word}-quick" for word in one.get("take", [])]
    place = KEPT / ("quick" if options.quick else "") / "diagnostics"
    found = sweep(tiny, [pinned(one) for _, _, one in runs], place, workers=options.workers)

    rows, data = [], []
    for task in tasks:
        best = {
            name: [
                max(p["accuracy"] for p in run["result"]["curve"])
                for (t, n, _), run in zip(runs, found)
                if (t, n) == (task, name)
            ]
            for name, _, _ in ARMS
        }
        for name, values in best.items():
            apart = [v - w for v, w in zip(values, best["none"])]
            shown = " / ".join(f"{100 * v:.1f}" for v in values)
            rows.append([task, name, shown, interval(values), None if name == "none" else interval(apart)])
            data.append({"task": task, "arm": name, "best": values})
    total = sum(run["result"]["cpu_seconds"] for run in found)
    says = (
        f"Best accuracy on the targets of held-out rows in {options.steps:,} steps of {options.batch} rows; GPT-2 of 2 blocks, "
        f"4 heads, width 16; {total:,.0f} CPU seconds, warm-ups apart:"
    )
    headings = ["diagnostic", "warm-up", "accuracy %, each seed", "mean", "beyond none"]
    publish(
        "diagnostics",
        "Diagnostics at reduced size",
        [Table(says, headings, rows)],
        {"runs": data, "cpu_seconds": total},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
