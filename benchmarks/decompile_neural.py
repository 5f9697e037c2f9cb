"""The neural decompiler alone, without the exact way, on programs that it has not learned from, beside searches that do less.

The programs are the test part of a data set, which shares no canonical form and no behavior with the training part. *Exact*
means that the canonical form is the program's own; *functional* that the program found means the same on every input. Rows
are kept in --rows, so a run that was cut goes on.

    janiform dataset make out/dataset --count 2400 --shard 500
    python benchmarks/decompile_neural.py --data out/dataset --write
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish
from decompile_compiled import TIERS, share

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.dataset import Dataset, Entry
from janiform.decompile.given import subject
from janiform.decompile.neural.finish import outputs
from janiform.decompile.neural.network import Network, load_network
from janiform.decompile.neural.way import answers, named, neural, shipped, variables
from janiform.decompile.subject import Subject
from janiform.ir.canonical import canonical_hash

SIZES = ((1, 2), (3, 4), (5, 6), (7, 10))
WAYS: dict[str, tuple[str, Callable[[Subject, Network], Iterable[jf.Program]]]] = {
    "whole": ("the neural way", lambda given, network: neural(given, network)),
    "no repair": ("beam search, no repair", lambda given, network: neural(given, network, repair=False)),
    "no search": (
        "no search: the likeliest statement of each head, untested",
        lambda given, network: neural(given, network, beam=1, repair=False, test=False),
    ),
    "untrained": (
        "the same search with an untrained network",
        lambda given, network: neural(given, untrained(network)),
    ),
    "behavior": ("inputs and outputs alone", lambda given, network: behavior_only(given)),
}


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    data: Path = Path("out/dataset")
    """The data set whose test part is decompiled."""
    network: Path | None = None
    """Another network than the one that comes with Janiform."""
    programs: int = 300
    """How many programs."""
    tiers: tuple[str, ...] = ("T0", "T2")
    """Which tiers are measured."""
    ways: tuple[str, ...] = ("whole",)
    """Which ways are measured: whole, "no repair", "no search", untrained, behavior."""
    rows: Path = Path("out/decompile-neural.jsonl")
    """Where the rows are kept."""
    seconds: float = 1e9
    """Stop after so long; what is missing is measured by the next run."""


@lru_cache(maxsize=1)
def untrained(network: Network) -> Network:
    """A network of the same shape that has learned nothing."""
    torch.manual_seed(0)
    return Network(network.grammar, network.size).eval().requires_grad_(False)


def behavior_only(given: Subject) -> Iterable[jf.Program]:
    """The output as a function of place and token, found from what the model says; no weights are looked at."""
    for node in outputs(variables([]), *answers(given)):
        found = named(node, given)
        if found is not None:
            return [found]
    raise CannotDecompile("no function of place and token says what the model says")


def measured(
    entry: Entry, seed: int, tier: str, way: str, given: Subject, network: Network
) -> dict[str, Any]:
    """Decompile one program, and see what the first program that is proposed is worth."""
    row: dict[str, Any] = {"canonical": entry.canonical, "tier": tier, "way": way, "size": entry.size}
    start = time.process_time()
    try:
        found = next(iter(WAYS[way][1](given, network)))
    except CannotDecompile as e:
        return row | {
            "seconds": time.process_time() - start,
            "exact": False,
            "functional": False,
            "why": str(e)[:80],
        }
    row["seconds"] = time.process_time() - start
    exact = canonical_hash(found, given.signature) == entry.canonical
    functional = exact or bool(jf.equivalent(found, entry.program, given.signature, limit=5_000))
    return row | {"exact": exact, "functional": functional}


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    network = shipped() if options.network is None else load_network(options.network)
    start, path = time.time(), options.rows
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(r["canonical"], r["tier"], r["way"]) for r in rows}
    data = Dataset.open(options.data)
    entries = data.part("test")[: 30 if options.quick else options.programs]
    with path.open("a") as out:
        for seed, entry in enumerate(entries):
            todo = [
                (t, w) for t in options.tiers for w in options.ways if (entry.canonical, t, w) not in known
            ]
            if time.time() - start > options.seconds or not todo:
                continue
            pair = entry.program.compile(signature=data.signature)
            for tier in dict.fromkeys(t for t, _ in todo):
                given = subject(TIERS[tier][1](pair, seed))
                for way in (w for t, w in todo if t == tier):
                    rows.append(measured(entry, seed, tier, way, given, network))
                    out.write(json.dumps(rows[-1]) + "\n")
                    out.flush()
    publish(
        "neural",
        "The neural way alone",
        tables(rows),
        {"rows": len(rows)},
        options,
        page="decompile-compiled",
    )


def tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Shares by way and tier, and by size."""
    whole, by_size = [], []
    for way, (says, _) in WAYS.items():
        for tier, (name, _) in TIERS.items():
            own = [r for r in rows if r["tier"] == tier and r["way"] == way]
            if not own:
                continue
            seconds = [r["seconds"] for r in own]
            whole.append(
                [
                    says,
                    f"{tier}: {name}",
                    len(own),
                    share(own, "exact"),
                    share(own, "functional"),
                    f"{sum(seconds) / len(own):.2f}",
                    f"{median(seconds):.2f}",
                ]
            )
            for low, high in SIZES:
                some = [r for r in own if low <= r["size"] <= high]
                by_size.append(
                    [says, tier, f"{low}-{high}", len(some), share(some, "exact"), share(some, "functional")]
                )
    return [
        Table(
            "Programs of 1 to 10 operations that share neither form nor behavior with any that was learned from; shares with "
            "95 % Wilson intervals, CPU seconds a program:",
            ["way", "tier", "programs", "exact", "functional", "mean s", "median s"],
            whole,
        ),
        Table(
            "By the number of operations of the canonical form:",
            ["way", "tier", "operations", "programs", "exact", "functional"],
            by_size,
        ),
    ]


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
