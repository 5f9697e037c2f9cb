"""Decompile a compiled transformer: weights go in, the program comes out with what was compared; and train the network for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.cli.words import read_tokens
from janiform.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from janiform.decompile.choose import Method

KEYS = ("program", "method", "exact", "checked", "exhaustive", "seconds")
"""What is printed as JSON; the rest goes into result.json."""


def decompile_compiled(
    file: str,
    *,
    vocab: str | None,
    classes: str | None,
    causal: bool,
    ways: Iterable[Method],
    seed: int,
    out: Path | None,
) -> Answer:
    """Decompile what a file holds, and write program.rasp and result.json to a folder where one is given."""
    import torch

    from janiform.decompile.choose import decompile
    from janiform.files import write_whole
    from janiform.model import checkpoints

    if file in checkpoints.names():
        raise InputError(
            f"{file} is a trained transformer; --task NAME says how its inputs are drawn, such as --task D2"
        )
    torch.set_num_threads(1)
    names = [None if words is None else list(read_tokens(words)) for words in (vocab, classes)]
    found = decompile(file, vocab=names[0], classes=names[1], causal=causal or None, ways=ways, seed=seed)
    facts = found.facts()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "program.rasp", facts["program"].encode())
        write_whole(out / "result.json", json.dumps(facts, indent=1).encode())
    roles, e = facts["roles"], found.evidence
    which = "all inputs" if e.exhaustive else f"all inputs of up to {e.whole} tokens, longer ones drawn"
    rows = [
        ("method", found.method),
        ("agree", f"{e.agreed:,} of {e.checked:,}: {which}"),
        ("weight distance", "none" if e.weight_distance is None else f"{e.weight_distance:.1e}"),
        *([] if e.interchange is None else [("interchange", f"{e.interchange:.3f}")]),
        ("BOS, PAD", f"{roles['bos']}, {roles['pad']}, told by {roles['told']}"),
        ("output", f"told by {facts['output']}"),
        ("seconds", facts["seconds"]),
        *([("written to", out)] if out is not None else []),
    ]
    return Answer({k: facts[k] for k in KEYS}, f"{facts['program']}\n{columns(rows)}", good=e.exact)


@dataclass(frozen=True)
class TrainDecompiler:
    """Train the network of the neural decompiler on a data set that janiform dataset make has made."""

    data: Annotated[Positional[Path], arg(metavar="DATASET")]
    """The folder of the data set; its training part is learned from."""
    out: Path
    """The folder to write to: network.safetensors, log.jsonl, and what going on needs; the same command goes on where it
    was stopped. Under torchrun all processes share each batch."""
    steps: int = 1200
    """How many batches are learned from."""
    batch: int = 64
    """How many statements a batch has."""
    rate: float = 1e-3
    """The learning rate at its highest."""
    seed: int = 0
    """Seed of the first weights and of all draws."""
    width: int = 96
    """How wide the network is."""
    layers: int = 2
    """How many layers it has."""
    programs: int | None = None
    """Learn from so many programs at most."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        import torch

        from janiform.decompile.dataset import Dataset
        from janiform.decompile.neural.training import Recipe, train

        torch.set_num_threads(1)
        recipe = Recipe(
            steps=self.steps,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            width=self.width,
            layers=self.layers,
        )
        with progress("training") as tick:
            facts = train(Dataset.open(self.data), self.out, recipe, limit=self.programs, tell=tick).facts()
        rows = [*facts.items(), ("written to", self.out / "network.safetensors")]
        return Answer(facts, columns(rows))
