"""The commands for data sets of pairs: make one, say what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitSubcommandPrefixes, Positional, arg, subcommand

from janiform.cli.answers import Answer, columns
from janiform.errors import InputError

if TYPE_CHECKING:
    from janiform.decompile.dataset import Dataset


@dataclass(frozen=True)
class Make:
    """Draw programs by size, of which no two behave alike, compile each and compare it with its weights."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The folder to fill; what is there already is kept, so the same command goes on where it was stopped."""
    count: int = 1000
    """How many programs."""
    sizes: str = "1-10"
    """The least and the greatest number of operations of a canonical form."""
    vocab: int = 5
    """How many tokens there are: the numbers from 0 on."""
    max_len: int = 5
    """The longest input."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    inputs: int = 100
    """On how many inputs each model is compared with its program."""
    shard: int = 250
    """How many programs a shard has."""
    seed: int = 0
    """Seed of all draws; the same seed gives the same programs."""
    executor: str = "processes"
    """Where shards are made: serial, processes, processes:4, dask, dask:tcp://host:8786, slurm, slurm-local."""
    workers: int | None = None
    """How many shards are made at once."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.decompile.dataset import Plan, make

        low, dash, high = self.sizes.partition("-")
        if not dash or not (low.isdecimal() and high.isdecimal()):
            raise InputError(f"sizes are the least and the greatest, such as 1-10; got {self.sizes!r}")
        plan = Plan(
            vocab=self.vocab,
            max_len=self.max_len,
            causal=self.causal,
            smallest=int(low),
            largest=int(high),
            shard=self.shard,
            inputs=self.inputs,
            seed=self.seed,
        )
        return answer(make(self.out, self.count, plan, executor=self.executor, workers=self.workers))


@dataclass(frozen=True)
class Info:
    """Say what is in a data set, and write it as parquet or for Hugging Face's datasets."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The folder of the data set."""
    parquet: Path | None = None
    """Write it to this parquet file."""
    datasets: Path | None = None
    """Write it to this folder, which datasets.load_from_disk reads."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.decompile.dataset import Dataset
        from janiform.decompile.dataset.export import to_datasets, to_parquet

        found = Dataset.open(self.out)
        written = [
            str(write(found, place))
            for write, place in ((to_parquet, self.parquet), (to_datasets, self.datasets))
            if place is not None
        ]
        return answer(found, {"written": written} if written else {})


Group = Annotated[Make, subcommand("make")] | Annotated[Info, subcommand("info")]


@dataclass(frozen=True)
class DatasetCommand:
    """Data sets of pairs: programs and the weights they compile to, drawn by size, split, without repetitions."""

    what: OmitSubcommandPrefixes[Group]

    def __call__(self) -> Answer:
        return self.what()


def answer(found: Dataset, more: dict[str, Any] | None = None) -> Answer:
    """Say what a data set holds."""
    facts = found.facts() | (more or {})
    rows = [
        ("programs", f"{facts['programs']:,}: {facts['train']:,} to train, {facts['test']:,} to test"),
        ("in common", f"{facts['common_forms']} canonical forms, {facts['common_behaviors']} behaviors"),
        ("operations", ", ".join(f"{size}: {n:,}" for size, n in facts["sizes"].items())),
        ("rejected", ", ".join(f"{why}: {n:,}" for why, n in facts["rejected"].items())),
        ("compared", f"each on {facts['compared_inputs']:,} inputs with its weights"),
        ("CPU seconds", f"{facts['cpu_seconds']:,} ({facts['verified_a_cpu_second']} verified a second)"),
        *(("written to", path) for path in facts.get("written", ())),
    ]
    return Answer(facts, columns(rows))
