"""Put every task beside what is known of it: C-RASP, the depth of its program as compiled, its loss floor, its effect as a warm-up.

    python benchmarks/procedural_tasks.py --workers 2 --write

A tiny model is warmed up on rows of about 25 tokens of each task, for as many steps of as many rows, and its attention alone is
taken to the haystack. C-RASP counts positions with given properties and compares the counts; what it defines, transformers learn so that it holds at
longer lengths (Huang et al. 2025, arXiv 2410.02140, with local and periodic relations; Hu et al. 2025, arXiv 2502.19249). What longer
warm-ups do is what procedural_transfer.py and procedural_dyck.py have kept, nothing where they have not run, with the part of the
weights that teaches most, beside what was published. Layers are those of the program compiled at a small size. Runs are kept in
out/benchmarks/procedural_tasks, so a script that was stopped goes on.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_dyck import KEPT as DYCK
from procedural_transfer import GOOD, HAYSTACK, KEPT, flat

from janiform import programs
from janiform.errors import InputError
from janiform.procedural import pinned, tiny
from janiform.tasks.procedural import PROCEDURES, floor, known, program_floor, reached, read
from janiform.train.shards import Shards
from janiform.train.sweep import sweep

OWN = Path("out/benchmarks/procedural_tasks")
HU, HUANG, ARGUED = "Hu et al.", "Huang et al.", "argued"
C_RASP: dict[str, tuple[str, str, str]] = {
    "identity": ("no", HUANG, "copies repeated tokens; of distinct ones yes"),
    "reverse": ("no", HUANG, "as identity"),
    "sort": ("yes", ARGUED, "the next token follows from how often each smaller one was given and told"),
    "set": ("yes", ARGUED, "which of two tokens came first is a count, and tokens are finitely many"),
    "union": ("yes", ARGUED, "as set"),
    "delete": ("no", ARGUED, "copies repeated tokens"),
    "stack": ("", "", "not known: what is popped is matched as in Dyck"),
    "ww": ("no", HU, "copies repeated tokens"),
    "dyck": ("no", HU, "of one kind yes"),
    "shuffle_dyck": ("yes", HU, "a count for each kind"),
    "eca": ("yes", ARGUED, "three cells at fixed distances"),
    "haystack": ("yes", ARGUED, "keys are distinct; the value stands next to its key"),
    "addition": ("yes", ARGUED, "numbers are of a fixed length"),
    "reversed_addition": ("yes", ARGUED, "numbers are of a fixed length"),
    "multiplication": ("", "", "no program: sums over pairs of digits"),
}
PUBLISHED = {"identity": "99.0, attention", "set": "88.9, attention", "dyck": "97 to 98", "eca": "10.5, full"}
"""Haystack at full size, in percent, and what was taken of the warm-up; without one 11.3 (Jiang et al. 2026)."""
SMALL = {"ww": "(symbols=2)", "dyck": "(kinds=2)", "shuffle_dyck": "(kinds=2)"}
"""Sizes that the library's programs have names for."""
SIZES = {
    "ww": "ww(symbols=2, length=8)",
    "dyck": "dyck(kinds=3, length=48)",
    "shuffle_dyck": "shuffle_dyck(kinds=3, length=256)",
}
"""Sizes that programs are asked at for their floors, where those of the published settings are too large."""
ROWS = {
    **dict.fromkeys(
        ("identity", "reverse", "sort", "set", "union", "delete", "stack"),
        "symbols=33, longest=12, shortest=2",
    ),
    "ww": "symbols=32, length=24",
    "dyck": "kinds=32, length=24, p_open=0.7",
    "shuffle_dyck": "kinds=32, length=24",
    "eca": "cells=8, states=3",
    "haystack": "pairs=10, symbols=64",
    "addition": "digits=7",
    "reversed_addition": "digits=7",
    "multiplication": "digits=5",
}
"""Settings of rows of about 25 tokens."""
CONTROLS = ("shuffled(set)", "ngram(set)", "set + union", "apart(set + dyck)")


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 3
    """Of each warm-up, and of the training after it."""
    workers: int = 2
    """Processes at a time."""
    warmup_steps: int = 3000
    """Of each warm-up, at most."""
    steps: int = 1000
    """Of each training on the haystack, at most."""


def depth(task: str) -> tuple[str | None, int | None, int | None]:
    """Return the name, layers and most heads of a layer of the program behind a task."""
    found = known(read(task + SMALL.get(task, "")))
    if found is None:
        return None, None, None
    entry = programs.entry(found.program)
    pair = programs.load(found.program).compile(vocab=entry.vocab, max_len=entry.max_len, causal=entry.causal)
    return found.program, pair.model.config.n_layers, pair.model.config.n_heads


def effect(task: str) -> str | None:
    """Say on how many seeds a warm-up on the task taught the haystack, with the settings and the parts that did it most often."""
    best: dict[tuple[str, str, int], list[bool]] = {}
    for kept in (KEPT, DYCK):
        runs = Shards(kept / "trainings").read_all().values() if (kept / "trainings").is_dir() else ()
        for run in runs:
            parts, _, model = run["settings"].get("take", [""])[0].partition("=")
            name = Path(model).name.rpartition("-")[0]  # without the seed
            if re.match(rf"{task}[-_]", name) and not run["settings"].get("shuffle"):
                good = max(p["accuracy"] for p in run["result"]["curve"]) >= GOOD
                best.setdefault((parts, name, run["settings"]["steps"]), []).append(good)
    if not best:
        return None
    (parts, *_), seeds = max(best.items(), key=lambda item: (sum(item[1]) / len(item[1]), len(item[1])))
    return f"{sum(seeds)} of {len(seeds)} seeds, {parts}"


def effects(tasks: list[str], options: Settings) -> tuple[dict[str, list[float]], dict[str, float], float]:
    """Return the best accuracies on the haystack by task, how much of the task itself was learned, and the CPU seconds of all."""
    place, seeds = OWN, range(options.seeds)
    warm_steps, steps = options.warmup_steps, options.steps
    if options.quick:
        place, seeds, warm_steps, steps = OWN / "quick", range(1), 40, 40
        shutil.rmtree(place, ignore_errors=True)
    found: dict[str, list[float]] = {}
    learned: dict[str, float] = {}
    total = 0.0
    for task in tasks:
        rows = f"{task}({ROWS[task]})"
        models = [str(place / "models" / f"{task}-{seed}") for seed in seeds]
        warm = [
            flat("tiny-warmup")
            | {"task": rows, "seed": s, "steps": warm_steps, "alike": "shortest" in rows, "out": out}
            for s, out in zip(seeds, models)
        ]
        before = sweep(tiny, warm, place / "warmups", workers=options.workers)
        fine = [
            pinned(
                flat("tiny-finetune")
                | {"task": HAYSTACK, "seed": s, "steps": steps, "take": [f"attention={out}"]}
            )
            for s, out in zip(seeds, models)
        ]
        after = sweep(tiny, fine, place / "trainings", workers=options.workers)
        found[task] = [max(p["accuracy"] for p in run["result"]["curve"]) for run in after]
        learned[task] = mean(run["result"]["curve"][-1]["accuracy"] for run in before)
        total += sum(run["result"]["cpu_seconds"] for run in [*before, *after])
        print(task, found[task], f"{total:.0f} s", flush=True)
    return found, learned, total


def asked(task: str) -> float | None:
    """Return the floor that the program of a task has, where it is small enough to be asked."""
    try:
        return program_floor(read(task))
    except InputError:
        return None


def main(options: Settings) -> None:
    tasks = list(PROCEDURES)[:2] if options.quick else list(PROCEDURES)
    ours, learned, seconds = effects(tasks, options)
    rows: list[list[Any]] = []
    floors: list[list[Any]] = []
    for task in tasks:
        name, layers, heads = depth(task)
        shown = " / ".join(f"{100 * a:.1f}" for a in ours[task])
        kept = effect(task)
        rows.append(
            [
                task,
                *C_RASP[task],
                name,
                layers,
                heads,
                f"{learned[task]:.0%}",
                shown,
                kept,
                PUBLISHED.get(task),
            ]
        )
        small = SIZES.get(task, task)
        floors.append([task, floor(read(task)), "yes", small, floor(read(small)), asked(small)])
    floors += [
        [task, floor(read(task)), "yes" if reached(read(task)) else "no", None, None, None]
        for task in CONTROLS
    ]
    headings = [
        "task",
        "C-RASP",
        "by",
        "why",
        "program",
        "layers",
        "heads",
        "itself right",
        "haystack after its attention, %",
    ]
    headings += ["in longer runs", "published, %"]
    steps = f"{options.warmup_steps:,} steps of 64 rows, then {options.steps:,} of 256 on `{HAYSTACK}`"
    says = (
        f"Depth is of the program compiled; haystack accuracy at best, each seed, after a warm-up of rows of about 25 tokens of the "
        f"task, attention only, at the same small budget ({steps}; all of it {seconds:,.0f} CPU seconds):"
    )
    data = {"tasks": [dict(zip(headings, row)) for row in rows], "cpu_seconds": seconds}
    told = "The least mean loss on targets in nats, at the published size; whether the model that knows the rule has it; and as the program itself says, at a size that it can be asked at:"
    columns = ["task", "floor", "reached", "size", "floor", "the program's"]
    publish(
        "tasks",
        "Tasks, and what is known of them",
        [Table(says, headings, rows), Table(told, columns, floors)],
        data
        | {
            "floors": [
                dict(zip(["task", "floor", "reached", "size", "of the generator", "of the program"], row))
                for row in floors
            ]
        },
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
