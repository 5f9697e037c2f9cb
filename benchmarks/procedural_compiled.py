"""Begin with a compiled program in a wider model, zero tokens of warm-up: what it knows at once, and what of it helps training.

    python benchmarks/procedural_compiled.py --workers 2 --write

First, programs of the library are embedded whole in a GPT-2 that is noise elsewhere, and asked before any step. Then the haystack's
program begins the training on a haystack, beside the attention of a trained identity and controls of both; last, it is trained in
ways that might keep it. Each seed draws the noise, the subspace that the program lies in, and the rows. Runs
are kept in out/benchmarks/procedural_compiled. Intervals are of 95 %.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import GOOD, HAYSTACK, REPEATING, flat, interval, wilson

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


IDENTITY_ATTENTION = {"take": ["attention={identity}"]}
OWN = "attention+positions+layernorm+embeddings"
"""Parts that hold a whole program of no MLPs."""
BESIDE = (
    Arm("noise alone", {}),
    Arm("a trained identity's attention", IDENTITY_ATTENTION),
    Arm("a trained identity's attention, each matrix shuffled", {**IDENTITY_ATTENTION, "shuffle": True}),
    Arm("the program, whole", {"from_program": ["haystack"]}),
    Arm("the program, whole, each matrix shuffled", {"from_program": ["haystack"], "shuffle": True}),
)
"""What is compared at the same seeds and steps."""
WAYS = (
    Arm("the program, whole", {"from_program": ["haystack"]}),
    Arm("at a rate of 1e-6", {"from_program": ["haystack"], "rate": 1e-6}),
    Arm(
        "30 times as large, at a rate of 1e-4",
        {"from_program": ["haystack"], "amplitude": 30.0, "rate": 1e-4},
    ),
    Arm(
        "100 times as large, its own parts at a thousandth of the rate",
        {"from_program": ["haystack"], "amplitude": 100.0, "slower": [f"{OWN}=0.001"]},
    ),
    Arm(
        "1,000 times as large, its own parts frozen",
        {"from_program": ["haystack"], "amplitude": 1000.0, "freeze": OWN.split("+"), "out": "{frozen}"},
    ),
    Arm("its attention alone", {"from_program": ["attention=haystack"]}),
    Arm("without its embeddings", {"from_program": [f"{BLOCKS}=haystack"]}),
    Arm(
        "without its embeddings, what is taken frozen",
        {"from_program": [f"{BLOCKS}=haystack"], "freeze": ["attention", "positions", "layernorm"]},
    ),
)
"""What might keep the program."""
FREED = (
    Arm(
        "1,000 times as large, frozen so, then freed for as many steps",
        {"take": ["full={frozen}"], "embeddings": "keep"},
    ),
)
"""What goes on where the frozen one ended."""


@dataclass(frozen=True)
class Settings(Options):
    """How much is run."""

    seeds: int = 5
    """Of each arm."""
    workers: int = 2
    """Processes at a time."""
    steps: int = 1000
    """Of the training on the haystack, beside the trained warm-up."""
    ways_steps: int = 300
    """Of the training in each way that might keep the program."""
    warmup_steps: int = 8000
    """Of a warm-up on identity, at most."""


def at_once(task: str, layers: int, heads: int, width: int, noise: float, seed: int) -> dict[str, Any]:
    """Return the settings of a run that asks a program before its only step."""
    shape = {"layers": layers, "heads": heads, "width": width, "way": "autograd"}
    own = {"task": task, "from_program": [task], "noise": noise, "seed": seed, "steps": 1, "held": 1000}
    return flat("tiny-finetune") | shape | own


def warmup(seed: int, steps: int, place: Path) -> dict[str, Any]:
    """Return the settings of a warm-up on identity, which leaves its model where ``model_of`` says."""
    own = {"task": REPEATING, "width": 24, "alike": True, "steps": steps, "seed": seed}
    return flat("tiny-warmup") | own | {"out": model_of("identity", seed, place)}


def model_of(name: str, seed: int, place: Path) -> str:
    """Return where a model is kept that others begin with."""
    return str(place / "models" / f"{name}-{seed}")


def trained(
    arms: Sequence[Arm], seeds: range, steps: int, place: Path, workers: int
) -> tuple[list[list[Any]], list[dict[str, Any]], float]:
    """Train from each arm, and return rows of a table, what they were made of, and the CPU seconds."""
    runs = []
    for s in seeds:  # one after another, so that the first are done when the last are not
        for arm in arms:
            own: dict[str, Any] = {"task": HAYSTACK, "steps": steps, "width": 24} | arm.begin | {"seed": s}
            places = {name: model_of(name, s, place) for name in ("identity", "frozen")}
            if "take" in own:
                own["take"] = [word.format(**places) for word in own["take"]]
            if "out" in own:
                own["out"] = own["out"].format(**places)
            runs.append((arm.name, flat("tiny-finetune") | own))
    found = sweep(tiny, [one for _, one in runs], place / "trainings", workers=workers)
    rows, data = [], []
    for arm in arms:
        curves = [run["result"]["curve"] for (name, _), run in zip(runs, found) if name == arm.name]
        begin, end = ([curve[i]["accuracy"] for curve in curves] for i in (0, -1))
        best = [max(p["accuracy"] for p in curve[1:]) for curve in curves]
        shown = " / ".join(f"{100 * b:.1f}" for b in best)
        good = wilson(sum(b >= GOOD for b in best), len(best))
        rows.append([arm.name, interval(begin), shown, interval(best), interval(end), good])
        data.append({"arm": arm.name, "begin": begin, "best": best, "end": end})
    return rows, data, sum(run["result"]["cpu_seconds"] for run in found)


def main(options: Settings) -> None:
    seeds, place = range(2 if options.quick else options.seeds), KEPT / "quick" if options.quick else KEPT
    if options.quick:
        shutil.rmtree(place, ignore_errors=True)
    steps, short, longest = (
        (20, 20, 100) if options.quick else (options.steps, options.ways_steps, options.warmup_steps)
    )
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

    given = [warmup(s, longest, place) for s in seeds]
    warm = sweep(tiny, given, place / "warmups", workers=options.workers)
    ways, kept, seconds = trained(WAYS, seeds, short, place, options.workers)
    freed, kept_then, more = trained(FREED, seeds, short, place, options.workers)
    arms, compared, most = trained(BESIDE, seeds, steps, place, options.workers)
    total = sum(run["result"]["cpu_seconds"] for run in [*first, *warm]) + seconds + more + most
    right = " / ".join(f"{100 * run['result']['curve'][-1]['accuracy']:.0f}" for run in warm)
    tokens = sum(run["result"]["tokens"] for run in warm) / 1e6 / len(warm)
    headings = [
        "begins with",
        "at zero tokens",
        "best in training %, each seed",
        "mean",
        "at the end",
        "seeds at 95 %",
    ]
    says = (
        f"Accuracy on held-out rows of `{HAYSTACK}` before any step, and at best behind the first of {steps:,} steps; GPT-2 of 2 "
        f"blocks, 4 heads, width 24. The warm-ups, `{REPEATING}`, {right} % right, took {tokens:.1f} M tokens each. All of it, the other tables "
        f"too, took {total:,.0f} CPU seconds:"
    )
    tables.append(Table(says, headings, arms))
    says = f"Ways to begin with the program in {short:,} steps, at the rate of 5e-3 where none is given:"
    tables.append(Table(says, headings, [*ways, *freed]))
    publish(
        "compiled",
        "Compiled warm-up",
        tables,
        {
            "at once": [{"task": t, "noise": n, "accuracy": a} for (t, n), a in known.items()],
            "arms": compared,
            "ways": [*kept, *kept_then],
            "cpu_seconds": total,
        },
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
