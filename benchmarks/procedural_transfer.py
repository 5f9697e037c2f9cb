"""Warm tiny models up, move parts of them, and train on a haystack: what helps, and the controls that should not.

    python benchmarks/procedural_transfer.py --workers 2 --write
    python benchmarks/procedural_transfer.py --few --workers 2 --write

Each arm is several seeds, of the warm-up and of the training after it alike. Runs are kept in out/benchmarks/procedural_transfer,
so a script that was stopped goes on; remove that folder to begin anew. CPU seconds are of one core, warm-up apart from training.
Intervals are of 95 %: Student's of a mean over seeds, Wilson's of a share of seeds.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish

from janiform.procedural import pinned, tiny
from janiform.procedural.training import read_settings
from janiform.train import sweep

KEPT = Path("out/benchmarks/procedural_transfer")
HAYSTACK = "haystack(pairs=10, symbols=64)"
SET = "set(symbols=33, longest=12, shortest=2)"
IDENTITY = "identity(symbols=64, longest=12, shortest=2)"
REPEATING = "identity(symbols=33, longest=12, shortest=2)"
"""Over so few symbols most words repeat one, so that what stood before a place does not say what comes next."""
GOOD, MASTERED = 0.95, 0.9
T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Student's quantiles of 97.5 % by the number of seeds."""


@dataclass(frozen=True)
class Arm:
    """A way to begin the training: parts of a model that was warmed up on a task."""

    name: str
    expected: str
    warmup: str | None = None
    parts: str = "attention"
    shuffle: bool = False

    def settings(self, seed: int, steps: int) -> dict[str, Any]:
        """Return the settings of the training."""
        own: dict[str, Any] = {"task": HAYSTACK, "seed": seed, "steps": steps}
        if self.warmup is not None:
            own |= {"take": [f"{self.parts}={folder(self.warmup, seed)}"], "shuffle": self.shuffle}
        return flat("tiny-finetune") | own


def controlled(name: str, task: str) -> tuple[Arm, ...]:
    """Return the arms of a warm-up: its attention, and the controls of it."""
    return (
        Arm(f"{name}, attention", "learned", task),
        Arm(f"{name}, MLP", "plateau", task, "mlp"),
        Arm(f"{name}, attention, each matrix shuffled", "plateau", task, "attention", True),
        Arm(f"shuffled {name}, attention", "plateau", f"shuffled({task})"),
    )


NONE = Arm("no warm-up", "plateau")
ARMS = (NONE, *controlled("identity", IDENTITY))
FEW = (NONE, *controlled("Set", SET), *controlled("identity", REPEATING))


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 5
    """Of each arm."""
    workers: int = 2
    """Processes at a time."""
    steps: int = 2000
    """Of the training on the haystack, at most."""
    few: bool = False
    """Warm-ups over 33 symbols instead, of Set too."""
    warmup_steps: int = 8000
    """Of a warm-up, at most; those that are never mastered take them all."""


def flat(name: str) -> dict[str, Any]:
    """Return the settings of a recipe and of its budget together."""
    settings = read_settings(name)
    return {k: v for k, v in settings.items() if k != "budget"} | settings["budget"]


def folder(warmup: str, seed: int) -> str:
    """Return where the model of a warm-up is kept."""
    name = "".join(c if c.isalnum() else "-" for c in warmup).strip("-")
    return str(KEPT / "models" / f"{name}-{seed}")


def warmups(tasks: Sequence[str], seeds: range, steps: int, quick: bool) -> list[dict[str, Any]]:
    """Return the settings of warm-ups, each of which leaves its model in its folder."""
    return [
        flat("tiny-warmup")
        | {
            "task": t,
            "seed": s,
            "steps": steps,
            "alike": "shortest" in t,
            "out": folder(t, s) + "-quick" * quick,
        }
        for s in seeds
        for t in tasks
    ]


def half_width(values: list[float]) -> float:
    """Return half of the interval of a mean."""
    return T[len(values)] * stdev(values) / math.sqrt(len(values))


def interval(values: list[float]) -> str:
    """Write a mean with its interval."""
    told = f"{mean(values):.1%}"
    return told if len(values) < 2 else f"{told} ± {100 * half_width(values):.1f}"


def wilson(good: int, n: int) -> str:
    """Write a share with its interval."""
    z = 1.96
    middle, half = (good + z * z / 2) / (n + z * z), z * math.sqrt(good * (n - good) / n + z * z / 4)
    half /= n + z * z
    return f"{good} of {n} ({max(middle - half, 0):.0%} to {min(middle + half, 1):.0%})"


def reached(curve: list[dict[str, Any]], accuracy: float) -> int | None:
    """Return the step of the first validation of so high an accuracy."""
    return next((p["step"] for p in curve if p["accuracy"] >= accuracy), None)


def main(options: Settings) -> None:
    seeds = range(2 if options.quick else options.seeds)
    steps, longest = (200, 200) if options.quick else (options.steps, options.warmup_steps)
    if options.quick:
        shutil.rmtree(KEPT / "quick", ignore_errors=True)
    place = KEPT / "quick" if options.quick else KEPT
    chosen = FEW if options.few else ARMS
    tasks = list(dict.fromkeys(a.warmup for a in chosen if a.warmup is not None))
    given = warmups(tasks, seeds, longest, options.quick)
    arms = [(arm, arm.settings(s, steps)) for s in seeds for arm in chosen]
    if options.quick:
        for _, one in arms:
            one["take"] = [f"{word}-quick" for word in one.get("take", [])]
    # Two sweeps, and not two of each seed: each starts its processes, and they take seconds to begin.
    found = sweep(tiny, given, place / "warmups", workers=options.workers)
    warm = {(one["task"], one["seed"]): run["result"] for one, run in zip(given, found)}
    taken = [pinned(one) for _, one in arms]
    found = sweep(tiny, taken, place / "trainings", workers=options.workers)
    fine = {(arm.name, one["seed"]): run["result"] for (arm, one), run in zip(arms, found)}

    rows, data = [], []
    for arm in chosen:
        curves = [fine[arm.name, seed]["curve"] for seed in seeds]
        best = [max(p["accuracy"] for p in curve) for curve in curves]
        at = [step for curve in curves if (step := reached(curve, MASTERED)) is not None]
        seconds = [fine[arm.name, seed]["cpu_seconds"] for seed in seeds]
        before = [warm[arm.warmup, seed]["cpu_seconds"] for seed in seeds if arm.warmup is not None]
        good = sum(b >= GOOD for b in best)
        shown = " / ".join(f"{100 * b:.1f}" for b in best)
        cells = [arm.name, arm.expected, shown, interval(best), wilson(good, len(best))]
        rows.append(
            [
                *cells,
                median(at) if at else "never",
                mean(before) if before else None,
                mean(seconds),
            ]
        )
        data.append(
            {"arm": arm.name, "best": best, "steps to 90 %": at, "seconds": seconds, "warm-up": before}
        )
    mastery = []
    for task in tasks:
        results = [warm[task, seed] for seed in seeds]
        accuracy = " / ".join(f"{100 * r['curve'][-1]['accuracy']:.1f}" for r in results)
        ended = " / ".join(f"{r['curve'][-1]['step']:,}" for r in results)
        mastery.append([task, accuracy, ended, mean(r["tokens"] for r in results) / 1e6])
    total = sum(result["cpu_seconds"] for result in [*warm.values(), *fine.values()])
    says = (
        f"Best accuracy on held-out rows of `{HAYSTACK}` in {steps:,} steps, each seed; GPT-2 of 2 blocks, 4 heads, width 16. "
        f"All of it took {total:,.0f} CPU seconds:"
    )
    headings = ["begins with", "expected", "accuracy %, each seed", "mean", "seeds at 95 %", "steps to 90 %"]
    headings += ["warm-up CPU s", "training CPU s"]
    tables = [
        Table(says, headings, rows),
        Table("The warm-ups themselves:", ["task", "accuracy %, each seed", "steps", "M tokens"], mastery),
    ]
    publish(
        "transfer-few" if options.few else "transfer",
        "Over few symbols, and Set" if options.few else "What a warm-up moves",
        tables,
        {"arms": data, "cpu_seconds": total},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
