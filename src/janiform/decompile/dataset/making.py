"""Fill a folder with programs, shard by shard, wherever an executor puts the work.

    config.json                   the plan: signature, sizes, programs a shard, inputs of each comparison, seed
    runs/<key>.json               a finished shard: how many programs, why others were rejected, and the name of its file
    programs/<hash>.jsonl         its programs, one a line; the file is named by what is in it

A shard is a function of the plan and its number, and one that is there is skipped: making can be stopped, called again
and extended, and machines with a common folder may share it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from janiform.decompile.dataset.reading import Dataset, Entry
from janiform.decompile.dataset.sampling import Sampler
from janiform.decompile.dataset.verify import disagreeing, inputs
from janiform.errors import CompileError, FileError, InputError
from janiform.files import write_whole
from janiform.ir.semantics import Signature
from janiform.text.json import dumps
from janiform.train.sweep import sweep

VERSION = 2
ROUNDS = 12
"""So often more shards are asked for, where programs of different shards turned out to behave alike."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a data set is of; with its number, this decides what a shard holds.

    ``inputs`` of each program are run through its weights and compared; the interpreter runs all there are in any case.
    """

    vocab: int = 5
    max_len: int = 5
    causal: bool = False
    smallest: int = 1
    largest: int = 10
    shard: int = 250
    inputs: int = 100
    seed: int = 0
    version: int = VERSION

    def __post_init__(self) -> None:
        if min(self.vocab, self.max_len, self.shard, self.inputs) < 1:
            raise InputError("vocabulary, length, programs a shard and inputs are all at least 1")

    @property
    def signature(self) -> Signature:
        """Tokens are numbers from 0 on."""
        return Signature(range(self.vocab), self.max_len, self.causal)


def make(
    folder: str | Path,
    count: int,
    plan: Plan = Plan(),
    *,
    executor: str = "processes",
    workers: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Fill ``folder`` until it holds ``count`` programs of which no two behave alike, and open it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = make(folder, 6, Plan(vocab=3, max_len=3, largest=3, shard=4), executor="serial", progress=False)
    >>> len(found) >= 6
    True
    """
    if count < 1:
        raise InputError(f"a data set has at least one program, not {count}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settle(folder, plan)
    shards, dataset = 0, Dataset.open(folder)
    for _ in range(ROUNDS):
        missing = count - len(dataset)
        if missing <= 0 and shards:
            return dataset
        shards = max(-(-count // plan.shard), shards + -(-max(0, missing) // plan.shard))
        wanted = [{**asdict(plan), "number": i} for i in range(shards)]
        sweep(
            partial(shard, str(folder)), wanted, folder, executor=executor, workers=workers, progress=progress
        )
        dataset = Dataset.open(folder)
    if len(dataset) < count:
        raise InputError(
            f"{len(dataset):,} programs of {plan.smallest}-{plan.largest} operations were found and {count:,} asked for: "
            "almost every further one behaves like one of these; ask for larger sizes or for fewer programs"
        )
    return dataset


def settle(folder: Path, plan: Plan) -> None:
    """Keep the plan of a folder, and refuse another one than it has."""
    path = folder / "config.json"
    if path.exists():
        known = Dataset.config(folder)
        differ = [k for k, v in asdict(plan).items() if known.get(k) != v]
        if differ:
            says = ", ".join(f"{k}={known.get(k)}" for k in differ)
            raise InputError(f"{folder} was begun with {says}; go on with that, or use another folder")
    else:
        write_whole(path, json.dumps(asdict(plan), indent=1))


def shard(folder: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Draw, compile and compare the programs of one shard, and keep them in a file named by its content."""
    torch.set_num_threads(1)
    plan = Plan(**{k: v for k, v in settings.items() if k != "number"})
    signature, start = plan.signature, time.process_time()
    sampler = Sampler(
        signature, (plan.smallest, plan.largest), seed=plan.seed * 1_000_003 + int(settings["number"])
    )
    given = inputs(signature, plan.inputs)
    lines: list[str] = []
    for drawn in sampler.programs():
        try:
            pair = drawn.program.compile(signature=signature)
        except CompileError:
            sampler.rejected["large"] += 1
            continue
        wrong = disagreeing(pair, drawn.outcomes, given)
        if wrong:
            raise AssertionError(f"weights and program differ on {wrong} inputs: {drawn.program}")
        entry = Entry(drawn.canonical, drawn.behavior, drawn.size, dumps(drawn.program))
        lines.append(entry.line())
        if len(lines) == plan.shard or sum(sampler.rejected.values()) > 50 * plan.shard:
            break
    content = "".join(lines)
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    home = Path(folder) / "programs"
    if not Path(folder).is_dir():
        raise FileError(f"{folder} is not to be seen from this machine; a data set needs a common folder")
    home.mkdir(exist_ok=True)
    write_whole(home / f"{name}.jsonl", content)
    return {
        "file": name,
        "programs": len(lines),
        "compared": len(given),
        "cpu_seconds": time.process_time() - start,
        **{f"rejected_{reason}": n for reason, n in sorted(sampler.rejected.items())},
    }
