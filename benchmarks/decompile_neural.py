"""The neural decompiler alone, without the exact way, on programs that it has not learned from, beside searches that do less.

The programs are drawn with a seed of their own, and those that behave like one of the data set that was learned from are left
out, so no canonical form and no behavior is shared. *Exact* means that what inputs show of the program is the program's own;
*functional* that it means the same on every input. Rows are kept in --rows, so a run that was cut goes on.

    janiform dataset make out/dataset --count 2250 --shard 500
    janiform dataset make out/dataset-2026 --count 640 --shard 330 --seed 2026
    python benchmarks/decompile_neural.py --data out/dataset-2026 --learned out/dataset --write
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.results import Options, Table, publish
from decompile_compiled import SUMMARY, TIERS, share, summary
from flattened import Flattened, read, write

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.dataset import Dataset, Entry
from janiform.decompile.evidence import compare
from janiform.decompile.given import subject
from janiform.decompile.known import answers, variables
from janiform.decompile.neural.finish import outputs
from janiform.decompile.neural.network import Network, load_network
from janiform.decompile.neural.way import NUMBERED, named, neural, shipped
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
    "flattened": (
        "flattened weights, encoder-decoder (the published approach)",
        lambda given, network: from_flattened(given),
    ),
}


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    data: Path = Path("out/dataset")
    """The data set whose programs are decompiled."""
    learned: Path = Path("out/dataset")
    """The data set whose training part the network has learned from."""
    network: Path | None = None
    """Another network than the one that comes with Janiform."""
    programs: int = 300
    """How many programs."""
    tiers: tuple[str, ...] = ("T0", "T2")
    """Which tiers are measured."""
    ways: tuple[str, ...] = ("whole",)
    """Which ways are measured: whole, "no repair", "no search", untrained, behavior, flattened."""
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
    for node in outputs(variables([], NUMBERED), *answers(given, NUMBERED)[:2]):
        found = named(node, given)
        if found is not None:
            return [found]
    raise CannotDecompile("no function of place and token says what the model says")


def from_flattened(given: Subject) -> Iterable[jf.Program]:
    """What the baseline of ``flattened.py`` writes."""
    found = write(baseline(), given.model.weights())
    if found is None or len(found.outputs) != 1:
        raise CannotDecompile("what is written is no program")
    return [found]


@lru_cache(maxsize=1)
def baseline() -> Flattened:
    """The baseline as it was trained."""
    return read()


def measured(entry: Entry, way: str, given: Subject, network: Network) -> dict[str, Any]:
    """Decompile one program, and see what the first program that is proposed is worth."""
    start = time.process_time()
    row: dict[str, Any] = {"exact": False, "functional": False}
    try:
        found = next(iter(WAYS[way][1](given, network)))
        row["seconds"] = time.process_time() - start
        row["exact"] = canonical_hash(found, given.signature) == entry.canonical
        same = row["exact"] or jf.equivalent(found, entry.program, given.signature, limit=5_000)
        row["functional"] = bool(same)
    except jf.JaniformError as e:
        row["why"] = str(e)[:80]
    return {"seconds": time.process_time() - start} | row


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    network = shipped() if options.network is None else load_network(options.network)
    start, path = time.time(), options.rows
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(r["canonical"], r["tier"], r["way"]) for r in rows}
    data = Dataset.open(options.data)
    learned = {e.behavior for e in Dataset.open(options.learned).part("train")}
    entries = [e for e in data if e.behavior not in learned][: 30 if options.quick else options.programs]
    with path.open("a") as out:
        for seed, entry in enumerate(entries):
            todo = [
                (t, w) for t in options.tiers for w in options.ways if (entry.canonical, t, w) not in known
            ]
            if time.time() - start > options.seconds or not todo:
                continue
            pair = entry.program.compile(signature=data.signature)
            for tier in dict.fromkeys(t for t, _ in todo):
                ways = [w for t, w in todo if t == tier]
                facts: dict[str, Any] = {}
                try:
                    given = subject(TIERS[tier][1](pair, seed))
                    if tier.startswith("T3"):
                        facts["sound"] = compare(given, entry.program, limit=5_000, draws=0, seed=0).exact
                except jf.InputError:
                    ways, facts["lossy"] = ["whole"], True
                for way in ways:
                    row = {"canonical": entry.canonical, "tier": tier, "way": way, "size": entry.size}
                    row |= {} if "lossy" in facts else measured(entry, way, given, network)
                    rows.append(row | facts)
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
            own = [r for r in rows if r["tier"] == tier and r["way"] == way and "lossy" not in r]
            lossy = sum(r["tier"] == tier and r["way"] == way and r.get("lossy", False) for r in rows)
            if not own:
                continue
            whole.append([says, f"{tier}: {name}", *summary(tier, own, lossy)])
            for low, high in SIZES:
                some = [r for r in own if low <= r["size"] <= high]
                by_size.append(
                    [says, tier, f"{low}-{high}", len(some), share(some, "exact"), share(some, "functional")]
                )
    return [
        Table(
            "Programs of 1 to 10 operations that share neither form nor behavior with any that was learned from; shares with "
            "95 % Wilson intervals, CPU seconds a program:",
            ["way", "tier", *SUMMARY],
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
