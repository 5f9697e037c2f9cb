"""Look for the programs of warmed-up models, seed by seed, as janiform decompile does: what is found, and why nothing is.

    python benchmarks/procedural_programs.py --write

The warm-ups are those that procedural_transfer.py keeps, and such ones of reverse, made where they are not there yet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import KEPT, REPEATING, SET, folder, warmups
from procedural_transfer import Settings as Transfer

from janiform.decompile.trained.pipeline import Settings as Decompiling
from janiform.decompile.trained.pipeline import decompile, statements
from janiform.decompile.trained.warmed import renamed, sampler_of
from janiform.procedural import pinned, tiny
from janiform.procedural.transfer import Taken
from janiform.tasks.procedural import Transduction, read
from janiform.train import sweep

REVERSE = REPEATING.replace("identity", "reverse")
TASKS = {
    "identity": REPEATING,
    "reverse": REVERSE,
    "Set": SET,
}


@dataclass(frozen=True)
class Settings(Options):
    """How much is looked at."""

    seeds: int = 3
    """Of each warm-up."""
    others: int = 3
    """Of warm-ups but identity."""
    inputs: int = 200
    """Rows on which model and program are compared."""
    workers: int = 1
    """Processes of warm-ups at a time."""


def looked(settings: dict[str, Any]) -> dict[str, Any]:
    """Decompile a warmed-up model, and return a row of the table and all that was found."""
    task, begun = read(settings["task"]), time.process_time()
    assert isinstance(task, Transduction)
    model = renamed(Taken.read(settings["take"][0]).load(), task)
    found = decompile(model, sampler_of(task), Decompiling(inputs=settings["inputs"]))
    several = list(found.agreements.values())
    n, matched, right = (sum(getattr(a, k) for a in several) for k in ("n", "matched", "right"))
    graph = found.pruned
    row = [
        f"{right / n:.2f}",
        found.level,
        statements(found.extraction.found.program),
        f"{matched / n:.2f}",
        f"{found.swapped.refitted:.2f}",
        None if graph is None else found.lines,
        None if graph is None else f"{graph.match.fraction:.2f}",
        found.interchange,
        time.process_time() - begun,
    ]
    return {"row": row, **found.facts()}


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    seeds = range(1 if options.quick else options.seeds)
    tasks = [*TASKS.values()]
    made = warmups(tasks, seeds, Transfer().warmup_steps, False)
    sweep(tiny, made, KEPT / "warmups", workers=options.workers)
    rows: list[list[Any]] = []
    data = []
    for seed in seeds:  # one after another, so that the first are done when the last are not
        for name, text in TASKS.items():
            if name != "identity" and seed >= options.others:
                continue
            take = [f"full={folder(text, seed)}"]
            sources = pinned({"task": text, "take": take})["sources"]
            one = {"task": text, "take": take, "sources": sources, "inputs": options.inputs}
            (run,) = sweep(looked, [one], KEPT / "programs", executor="serial", progress=False)
            rows.append([name, seed, *run["result"].pop("row")])
            print(rows[-1], flush=True)
            data.append({"warm-up": name, "seed": seed, **run["result"]})
    rows.sort(key=lambda row: [*TASKS].index(row[0]))
    headings = [
        "warm-up",
        "seed",
        "rows right",
        "level",
        "lines of rules",
        "rows as the model",
        "heads as selectors",
    ]
    headings += ["lines of the graph", "rows as the model", "interchange", "CPU s"]
    says = (
        "Of rows the model answers a share rightly. A program (L3) has at most 20 lines and says what the model says on 90 % of rows; "
        "beside the best rules there are how often the model says the same with selectors in the place of all its heads, and its "
        "graph with what it does not need cut, which at 90 % is L1:"
    )
    publish(
        "programs",
        "Programs of warmed-up models",
        [Table(says, headings, rows)],
        {"programs": data},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
