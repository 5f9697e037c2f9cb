"""Prune trained transformers by trial of cuts and by training gates, and compare what is kept.

    python benchmarks/decompile_gates.py                            # the models that come with Janiform
    python benchmarks/decompile_gates.py --models FOLDER/* --write  # others too; a name begins with its task

Both methods start from the same lift and are judged on the same fresh inputs, so many of each length range, at 0 and at random
offsets. Match is the share of inputs on which the pruned graph says what the model says at every asked position. Times are CPU
seconds of one thread. "both" counts edges that both keep; "primitives" says for how many of the matrices that gates left a
primitive stands, and how often the graph with these agrees. ``--write`` puts the tables into docs/results/decompile-gates.md,
between its marks.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
from beside.results import Table, machine
from decompile_trained import models

from janiform.decompile.trained.evidence import batched, bins, draw
from janiform.decompile.trained.gates import Gating, train_gates
from janiform.decompile.trained.prune import Pruned, matching, prune
from janiform.model import Transformer
from janiform.tasks import sampler
from janiform.tasks.sequences import Sampler

PAGE = Path(__file__).parents[1] / "docs" / "results" / "decompile-gates.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADINGS = ["model", "edges", "kept: causal", "gates", "both"]
HEADINGS += ["match 0-50 / 51-100 / 101-150: causal", "gates", "s: causal", "gates", "primitives", "match"]


def main() -> None:
    """Prune one model after the other by both methods."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="*", type=Path, default=[])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument(
        "--quick", action="store_true", help="one model and little training, to see that it runs"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    inputs = 50 if options.quick else options.inputs
    gating = (
        Gating(inputs=64, rounds=1, steps=40, tuning=10, penalties=(0.03, 0.1)) if options.quick else Gating()
    )
    given = argparse.Namespace(**{**vars(options), "controls": False})
    ours = argparse.Namespace(**{**vars(given), "models": []})
    groups = {"The models that come with Janiform.": ours}
    if options.models:
        groups["Models that others trained."] = given
    tables = []
    for says, group in groups.items():
        rows = []
        for name, task, model in models(group):
            rows.append(compared(name, model, sampler(task), inputs, gating))
            print(json.dumps(rows[-1]) if options.json else " | ".join(map(str, row(rows[-1]))), flush=True)
        tables.append(Table(says, HEADINGS, [row(r) for r in rows]))
    if options.write:
        write(tables, inputs, bool(options.models))


def compared(name: str, model: Transformer, task: Sampler, inputs: int, gating: Gating) -> dict[str, Any]:
    """Prune a model by both methods."""
    results = {"causal": prune(model, task), "gates": train_gates(model, task, gating)}
    both = frozenset.intersection(*(r.graph.edges for r in results.values()))
    return {
        "model": name,
        "edges": results["gates"].edges_before,
        "both": len(both),
        **{
            method: result.facts() | judged(result, model, task, inputs) for method, result in results.items()
        },
    }


def judged(pruned: Pruned, model: Transformer, task: Sampler, inputs: int) -> dict[str, Any]:
    """The match on each range of lengths, and what is kept."""
    rng = np.random.default_rng(12345)
    drawn = [draw(model, task, rng, inputs, *lengths) for lengths in bins(model, task).values()]
    matches = [round(matching(pruned.graph, batched(model, task, d)).fraction, 4) for d in drawn]
    return {"matches": matches, "kept": sorted(map(str, pruned.graph.edges))}


def row(facts: dict[str, Any]) -> list[Any]:
    """One line of a table."""
    methods = facts["causal"], facts["gates"]
    matches = [" / ".join(f"{m:.3f}" for m in r["matches"]) for r in methods]
    seconds = [f"{r['seconds']:.1f}" for r in methods]
    named = facts["gates"]["primitives"]
    primitives = [f"{named['replaced']} of {named['of']}", f"{named['match']:.3f}"]
    kept = [r["edges"] for r in methods]
    return [facts["model"], facts["edges"], *kept, facts["both"], *matches, *seconds, *primitives]


def write(tables: Iterable[Table], inputs: int, others: bool) -> None:
    """Put the tables into the page, in place of those that stand there."""
    command = f"python benchmarks/decompile_gates.py{' --models FOLDER/*' if others else ''} --inputs {inputs} --write"
    when = datetime.date.today().isoformat()
    measured = "\n\n".join([f"`{command}`  \n{machine()}; {when}.", *map(str, tables)])
    page = (
        PAGE.read_text() if PAGE.exists() else f"# Results: cutting by trial and by gates\n\n{BEGIN}{END}\n"
    )
    before, rest = page.split(BEGIN, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{measured}\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    main()
