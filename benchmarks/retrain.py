"""Train wider gelu models to the mechanisms of library programs, the smallest first, until all three scores are 99.5 %.

Each program with its first tokens and a short length; some also with more tokens, longer and wider. What is done is kept in
a folder, so a run that was stopped goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish

from janiform import Pair, programs
from janiform.errors import JaniformError
from janiform.realistic.retrain import Retraining
from janiform.train.log import read_log


@dataclass(frozen=True)
class Size:
    """How many tokens of a program's own, the longest input, and the width, hidden units and batch of the trained model."""

    tokens: int
    length: int
    d_model: int
    d_mlp: int
    batch: int

    def __str__(self) -> str:
        return f"{self.tokens} tokens, length {self.length}; width {self.d_model}, {self.d_mlp} gelu units a layer"

    def pair(self, name: str) -> Pair:
        """Compile a program."""
        e = programs.entry(name)
        return programs.load(name).compile(e.vocab[: self.tokens], self.length, e.causal)


SMALL, LARGER = Size(3, 4, 32, 64, 48), Size(4, 5, 64, 128, 64)


@dataclass(frozen=True)
class Retrained(Options):
    """How much is spent."""

    count: int = 40
    """How many programs."""
    minutes: float = 120.0
    """Begin no further program after so many minutes of CPU time."""
    larger: tuple[str, ...] = ("max_element", "length", "has_seen", "hist")
    """Which programs are trained in the larger size too."""
    steps: int = 2_000
    """At most so many a program."""
    inputs: int = 300
    """On how many inputs each is judged."""
    runs: Path = Path("out/retrain")
    """Where trainings are kept."""


def smallest(options: Retrained) -> list[tuple[str, Pair]]:
    """Compile the library, and return what has a mechanism, the smallest first."""
    found = []
    for name in sorted({e.file: e.name for e in programs.entries()}.values()):
        try:
            pair = SMALL.pair(name)
        except JaniformError:
            continue
        if pair.model.config.n_layers and any(p.heads or p.units for p in pair.places):
            found.append((name, pair))
    found.sort(key=lambda x: (x[1].model.config.n_layers, x[1].facts()["parameters"]))
    return found[: 3 if options.quick else options.count]


def trained(name: str, pair: Pair, size: Size, options: Retrained) -> dict[str, Any]:
    """Train one program, or look up how it was trained, and judge it."""
    folder = options.runs / f"{name}-{size.tokens}-{size.length}-{options.steps}"
    settings = Retraining(
        d_model=size.d_model, d_mlp=size.d_mlp, steps=options.steps, rate=5e-3, batch=size.batch
    )
    clock = folder / "cpu_seconds"
    before, start = float(clock.read_text()) if clock.exists() else 0.0, time.process_time()
    found = pair.retrain(settings, out=folder)
    seconds = before + time.process_time() - start
    clock.write_text(str(seconds))
    last, judged = read_log(folder / "log.jsonl")[-1], found.faithfulness(inputs=options.inputs)
    scores = {key: last[key] for key in ("behavior", "interchange", "strict")}
    reached = min(scores.values()) >= settings.enough
    facts = {"layers": pair.model.config.n_layers, "variables": len(judged.variables), "step": last["step"]}
    row = {"program": name, **facts, **scores, "reached": reached, "seconds": seconds}
    return row | {"outputs": judged.outputs, "verdict": judged.verdict}


HEADINGS = [
    "program",
    "layers",
    "variables",
    "steps",
    "behavior",
    "interchange",
    "strict",
    "99.5 %",
    "judged",
]
FACTS = ["program", "layers", "variables", "step", "behavior", "interchange", "strict"]


def table(rows: list[dict[str, Any]], size: Size, options: Retrained) -> Table:
    """Put what was trained in one size into a table."""
    cells = [
        [*(r[k] for k in FACTS), "yes" if r["reached"] else "no", r["verdict"], r["seconds"]] for r in rows
    ]
    reached = sum(r["reached"] for r in rows)
    right = sum(r["verdict"] == "right for the right reason" for r in rows)
    both = sum(r["reached"] and r["verdict"] == "right for the right reason" for r in rows)
    says = (
        f"{len(rows)} programs trained, {reached} to 99.5 % on all three scores, in "
        f"{sum(r['seconds'] for r in rows):,.0f} CPU s; {right} are right for the right reason on {options.inputs} fresh "
        f"inputs, {both} of them among those {reached}. {size}, 4 heads or more; at most {options.steps:,} steps."
    )
    return Table(says, [*HEADINGS, "CPU s"], cells)


def main(options: Retrained) -> None:
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for name, pair in smallest(options):
        if sum(r["seconds"] for r in rows) > 60 * options.minutes:
            break
        rows.append(trained(name, pair, SMALL, options))
    names = () if options.quick else options.larger
    more = [trained(name, LARGER.pair(name), LARGER, options) for name in names]
    tables = [table(rows, SMALL, options), *([table(more, LARGER, options)] if more else [])]
    data = {"rows": rows, "larger": more}
    publish("retrain", "Trained to the mechanism", tables, data, options, page="realistic")


if __name__ == "__main__":
    main(tyro.cli(Retrained, description=__doc__))
