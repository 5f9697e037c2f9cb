"""Warm small models up and train them on code, the Python standard library: how many tokens reach an equal loss.

    python benchmarks/procedural_text.py --workers 2 --write

A GPT-2 of 2 blocks, 4 heads and width 64 on characters, context 128; the warm-up is Set, short. The loss to reach is the mean of
what models without a warm-up end with, and tokens to it are told as a share of the whole training, between validations by a
straight line. Intervals are Student's of 95 % over seeds. Runs are kept in out/benchmarks/procedural_text.
"""

from __future__ import annotations

import json
import sysconfig
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import flat, half_width

from janiform.procedural import pinned, tiny
from janiform.train import sweep

KEPT = Path("out/benchmarks/procedural_text")
SET = "set(symbols=48, longest=24, shortest=2)"
LEFT_OUT = ("test", "tests", "site-packages", "lib2to3", "encodings", "idlelib")
WARMUP = {"layers": 2, "heads": 4, "width": 64, "context": 128, "untied": True, "alike": True}
WARMUP |= {"batch": 32, "rate": 1e-3, "schedule": "constant", "warmup": 100, "cooldown": 500, "decay": 0.01}
WARMUP |= {"every": 100, "held": 300}
OWN = flat("text") | {"untied": True, "held": 128, "every": 50}
ARMS: tuple[tuple[str, str | None, str], ...] = (
    ("none", None, ""),
    ("Set, attention + MLP + LayerNorm", SET, "attention+mlp+layernorm"),
    ("shuffled Set, attention + MLP + LayerNorm", f"shuffled({SET})", "attention+mlp+layernorm"),
    ("Set, attention", SET, "attention"),
    ("Set, MLP", SET, "mlp"),
)


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 5
    """Of each arm."""
    workers: int = 2
    """Processes at a time."""
    steps: int = 2500
    """Of each training."""
    warmup_steps: int = 800
    """Of each warm-up."""
    arms: int = len(ARMS)
    """Only the first so many."""
    alone: int = 5
    """Seeds of the arms that take one part alone."""


def corpus(place: Path, most: int | None = None) -> str:
    """Write the modules of the standard library that are no tests, or the first of them, and return where."""
    path, root = place / "stdlib.jsonl", Path(sysconfig.get_path("stdlib"))
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        files = (f for f in sorted(root.rglob("*.py")) if not set(f.relative_to(root).parts) & set(LEFT_OUT))
        texts = (
            f.read_text("utf-8", errors="replace").encode("ascii", "replace").decode()
            for f in islice(files, most)
        )
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts if text))
        part.rename(path)
    return str(path)


def model_of(place: Path, task: str, seed: int) -> str:
    """Return where the model of a warm-up is kept."""
    return str(place / "models" / f"{'shuffled' if task != SET else 'set'}-{seed}")


def share(curve: list[dict[str, Any]], loss: float) -> float | None:
    """Return after which share of the steps a loss is reached."""
    for before, after in zip(curve, curve[1:]):
        if after["loss"] <= loss:
            part = (before["loss"] - loss) / (before["loss"] - after["loss"]) if before["loss"] > loss else 0
            return (before["step"] + part * (after["step"] - before["step"])) / curve[-1]["step"]
    return None


def main(options: Settings) -> None:
    seeds, steps, longest = range(options.seeds), options.steps, options.warmup_steps
    arms = ARMS[: options.arms]
    place = KEPT
    if options.quick:
        seeds, steps, longest, place = range(1), 20, 10, KEPT / "quick"
    text = corpus(place, 20 if options.quick else None)
    tasks = [SET, f"shuffled({SET})"]
    given = [
        WARMUP | {"task": t, "seed": s, "steps": longest, "out": model_of(place, t, s)}
        for s in seeds
        for t in tasks
    ]
    sweep(tiny, given, place / "warmups", workers=options.workers)
    runs = [
        (name, OWN | {"text": [text], "seed": s, "steps": steps}, task, parts)
        for s in seeds
        for name, task, parts in arms
        if s < options.alone or parts not in ("attention", "mlp")
    ]
    for _, one, task, parts in runs:
        if task is not None:
            one["take"] = [f"{parts}={model_of(place, task, one['seed'])}"]
    found = sweep(tiny, [pinned(one) for _, one, _, _ in runs], place / "trainings", workers=options.workers)

    curves = {
        name: [run["result"]["curve"] for (n, *_), run in zip(runs, found) if n == name]
        for name, _, _ in arms
    }
    goal = mean(curve[-1]["loss"] for curve in curves["none"])
    rows, data = [], []
    for name, several in curves.items():
        final = [curve[-1]["loss"] for curve in several]
        shares = [share(curve, goal) for curve in several]
        reached = [s for s in shares if s is not None]
        shown = " / ".join("never" if s is None else f"{s:.0%}" for s in shares)
        told = f"{mean(reached):.0%}" if len(reached) == len(shares) else None
        rows.append([name, " / ".join(f"{x:.3f}" for x in final), f"{mean(final):.3f}", shown, told])
        if told is not None and len(reached) > 1:
            rows[-1][-1] = f"{told} ± {100 * half_width(reached):.0f}"
        data.append({"arm": name, "final": final, "share": shares})
    total = sum(run["result"]["cpu_seconds"] for run in found)
    says = (
        f"Held-out loss in nats a character after {steps:,} steps of 16 x 128 characters; the loss to reach is {goal:.3f}; "
        f"{total:,.0f} CPU seconds, warm-ups apart:"
    )
    headings = [
        "begins with",
        "final loss, each seed",
        "mean",
        "share of tokens to an equal loss",
        "mean share",
    ]
    publish(
        "text",
        "Code at equal loss",
        [Table(says, headings, rows)],
        {"arms": data, "goal": goal, "cpu_seconds": total},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
