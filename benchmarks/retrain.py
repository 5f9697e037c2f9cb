"""Train wider gelu models to the mechanisms of library programs, the smallest first, until all three scores are 99.5 %.

Each program with its first tokens and a short length. What is done is kept in a folder, so a run that was stopped goes on.
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
class Retrained(Options):
    """How much is spent."""

    count: int = 40
    """How many programs."""
    minutes: float = 120.0
    """Begin no further program after so many minutes."""
    tokens: int = 3
    """The vocabulary is the first of a program's own."""
    length: int = 4
    """The longest input."""
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
        e = programs.entry(name)
        try:
            pair = programs.load(name).compile(e.vocab[: options.tokens], options.length, e.causal)
        except JaniformError:
            continue
        if pair.model.config.n_layers and any(p.heads or p.units for p in pair.places):
            found.append((name, pair))
    found.sort(key=lambda x: (x[1].model.config.n_layers, x[1].facts()["parameters"]))
    return found[: 3 if options.quick else options.count]


def trained(name: str, pair: Pair, options: Retrained) -> dict[str, Any]:
    """Train one program, or look up how it was trained, and judge it."""
    folder = options.runs / f"{name}-{options.tokens}-{options.length}-{options.steps}"
    settings = Retraining(d_model=32, d_mlp=64, steps=options.steps, rate=5e-3, batch=48)
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


def main(options: Retrained) -> None:
    torch.set_num_threads(1)
    start, rows = time.monotonic(), []
    chosen = smallest(options)
    for name, pair in chosen:
        if time.monotonic() - start > 60 * options.minutes:
            break
        rows.append(trained(name, pair, options))
    head = [
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
    keys = ["program", "layers", "variables", "step", "behavior", "interchange", "strict"]
    cells = [
        [*(r[k] for k in keys), "yes" if r["reached"] else "no", r["verdict"], r["seconds"]] for r in rows
    ]
    reached = sum(r["reached"] for r in rows)
    right = sum(r["verdict"] == "right for the right reason" for r in rows)
    seconds = sum(r["seconds"] for r in rows)
    says = (
        f"{len(rows)} of {len(chosen)} programs trained, {reached} to 99.5 % on all three scores, in {seconds:,.0f} CPU s; "
        f"{right} are right for the right reason on {options.inputs} fresh inputs. {options.tokens} tokens, length "
        f"{options.length}; width 32, 4 heads or more, 64 gelu units a layer; at most {options.steps:,} steps."
    )
    table = Table(says, [*head, "CPU s"], cells)
    publish("retrain", "Trained to the mechanism", [table], {"rows": rows}, options, page="realistic")


if __name__ == "__main__":
    main(tyro.cli(Retrained, description=__doc__))
