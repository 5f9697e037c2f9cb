"""Decompile gelu models that were trained to the mechanisms of programs (T5): of the library, and random ones.

The library's are those that ``retrain.py`` trains. Random programs are drawn as for the other tiers, over three tokens up to length
4, and those that compile to one or two layers are trained the same way: 2,000 steps at most. Models are decompiled by
what ``jf.decompile`` chooses, without their program. *Exact*, *functional* and *agree* are of all inputs; *interchange* is the share
of exchanges after which model and program still say the same: the training's with its own program, and that of the program found.

    python benchmarks/retrain.py
    python benchmarks/decompile_retrained.py --minutes 15 --write
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish
from decompile_compiled import draw, share
from retrain import SMALL

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.evidence import compare
from janiform.decompile.given import subject
from janiform.ir.canonical import canonical_hash
from janiform.ir.sample import size_of
from janiform.pair import Pair
from janiform.realistic.retrain import Retraining
from janiform.train.log import read_log

SIGNATURE = jf.Signature(range(SMALL.tokens), SMALL.length)
LAYERS = 2
"""Random programs of more layers are not trained: they take a minute each, and most do not come to their mechanism."""


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    library: Path = Path("out/retrain")
    """The folder of trainings that ``retrain.py`` keeps."""
    random: Path = Path("out/retrain-random")
    """The folder of trainings of random programs."""
    programs: int = 60
    """How many random programs."""
    minutes: float = 0.0
    """Begin no training of a random program after so many minutes of CPU time; those that are kept are read."""
    steps: int = 2_000
    """At most so many a program."""


def training(options: Settings) -> Retraining:
    """How models are trained."""
    return Retraining(
        d_model=SMALL.d_model, d_mlp=SMALL.d_mlp, steps=options.steps, rate=5e-3, batch=SMALL.batch
    )


def of_library(options: Settings) -> Iterator[tuple[str, Pair, Path]]:
    """Yield the library's trained models by name, with the folder of the training."""
    for folder in sorted(options.library.glob(f"*-{SMALL.tokens}-{SMALL.length}-{options.steps}")):
        name = folder.name.split("-")[0]
        yield name, SMALL.pair(name).retrain(training(options), out=folder), folder


def at_random(options: Settings) -> Iterator[tuple[str, Pair, Path]]:
    """Yield trained models of random programs, trained now where there is time left."""
    start, count = time.process_time(), 0
    for d in draw(3 * options.programs, SIGNATURE):
        pair, folder = d.program.compile(signature=SIGNATURE), options.random / str(d.seed)
        if not 1 <= pair.model.config.n_layers <= LAYERS or count == options.programs:
            continue
        count += 1
        last = read_log(folder / "log.jsonl")[-1:] if (folder / "log.jsonl").exists() else []
        done = bool(last) and (
            last[0]["step"] >= options.steps or min_score(last[0]) >= training(options).enough
        )
        if done or time.process_time() - start < 60 * options.minutes:
            yield str(d.seed), pair.retrain(training(options), out=folder), folder


def min_score(row: dict[str, Any]) -> float:
    """The worst of the three scores of a training."""
    return min(row["behavior"], row["interchange"], row["strict"])


def measured(name: str, pair: Pair, folder: Path) -> dict[str, Any]:
    """Decompile one model."""
    s = pair.signature
    assert pair.origin is not None
    last = read_log(folder / "log.jsonl")[-1]
    own = compare(subject(pair), pair.program, limit=20_000, draws=0, seed=0)
    row: dict[str, Any] = {
        "name": name,
        "layers": pair.model.config.n_layers,
        "size": size_of(pair.origin.pair.program),
        "own": own.agreed / own.checked,
        "interchange": last["interchange"],
        "exact": False,
        "functional": False,
        "agree": False,
        "method": "refused",
        "held": None,
        "residual": None,
    }
    start = time.process_time()
    try:
        found = jf.decompile(pair)
    except CannotDecompile as e:
        return row | {"seconds": time.process_time() - start, "found": str(e), "residual": e.residual}
    e = found.evidence
    row |= {"seconds": time.process_time() - start, "method": found.method, "held": e.interchange}
    row |= {"agree": e.agreed >= 0.99 * e.checked, "found": " ".join(str(found.program).split())}
    exact = canonical_hash(found.program, s) == canonical_hash(pair.program, s)
    return row | {"exact": exact, "functional": exact or bool(jf.equivalent(found.program, pair.program, s))}


def summary(says: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Shares of some models."""
    if not rows:
        return [says, 0, *[None] * 6]
    held = [r for r in rows if r["held"] is not None]
    return [
        says,
        len(rows),
        share(rows, "exact"),
        share(rows, "functional"),
        share(rows, "agree"),
        f"{sum(r['interchange'] for r in rows) / len(rows):.3f}",
        f"{sum(r['held'] for r in held) / len(held):.3f} of {len(held)}" if held else None,
        f"{sum(r['seconds'] for r in rows) / len(rows):.1f}",
    ]


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    library = [measured(*x) for x in of_library(options)]
    drawn = [measured(*x) for x in at_random(options)]
    sound = [r for r in drawn if r["interchange"] >= 0.99 and r["own"] >= 0.99]
    head = ["models", "n", "exact", "functional", "agree on 99 % of inputs", "interchange of the training"]
    head += ["interchange of the program found", "mean s"]
    lines = [
        summary("library", library),
        summary("random", drawn),
        summary("both", [*library, *drawn]),
        summary("random, training came to 99 % interchange", sound),
    ]
    lines += [
        summary(f"random, {n} layer{'s' * (n > 1)}", [r for r in drawn if r["layers"] == n]) for n in (1, 2)
    ]
    says = (
        f"T5: shares with 95 % Wilson intervals; {SMALL}, at most {options.steps:,} steps of training. All 120 inputs (30 of two "
        "tokens) are compared. Interchange: of programs with statements, that of the statement for which it is least."
    )
    columns = ["program", "training", "interchange", "method", "agree", "exact", "interchange found", "found"]
    tables = [Table(says, head, lines)]
    for title, rows in (("Library:", library), ("Random programs by seed:", drawn)):
        cells = [
            [
                r["name"],
                f"{r['own']:.3f}",
                f"{r['interchange']:.3f}",
                r["method"],
                "yes" if r["agree"] else "no",
                "yes" if r["exact"] else "no",
                None if r["held"] is None else f"{r['held']:.3f}",
                (r["found"] if r["residual"] is None else f"residual {r['residual']:.2f}: {r['found']}")[
                    :110
                ],
            ]
            for r in rows
        ]
        tables.append(Table(title, columns, cells))
    data = {"rows": library, "random": drawn}
    publish("retrained", "Retrained models", tables, data, options, page="decompile-compiled")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
