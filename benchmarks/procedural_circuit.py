"""Look at the circuits that warm-ups leave, seed by seed: which heads follow what, and what is right without all of them.

    python benchmarks/procedural_circuit.py --write

The warm-ups are those that procedural_transfer.py keeps; run that before. This is what janiform decompile says of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.results import Options, Table, publish
from procedural_transfer import REPEATING, SET, folder

from janiform.model import read_model
from janiform.procedural import circuit
from janiform.procedural.circuit import RASP
from janiform.tasks.procedural import read

TASKS = {"identity": REPEATING, "Set": SET, "shuffled Set": f"shuffled({SET})"}


@dataclass(frozen=True)
class Settings(Options):
    """How much is looked at."""

    seeds: int = 5
    """Of each warm-up."""
    inputs: int = 500
    """Held-out rows."""


def main(options: Settings) -> None:
    rows: list[list[Any]] = []
    data = []
    for name, task in TASKS.items():
        for seed in range(2 if options.quick else options.seeds):
            place = Path(folder(task, seed)) / "model"
            # Heads that copy are read on rows that a shuffled task does not have.
            found = circuit(read_model(place), read(REPEATING if name == "identity" else SET), options.inputs)
            told = {
                role.selector: f"{' '.join(f'{layer}.{head}' for layer, head in role.heads)} ({role.without:.2f})"
                for role in found.roles
            }
            rows.append([name, seed, f"{found.accuracy:.2f}", *(told.get(s, "") for s in RASP)])
            data.append({"warm-up": name, "seed": seed, **found.facts()})
    says = "Heads, as layer.head, by what they follow, and in parentheses the share of targets that is right without all of them:"
    publish(
        "circuit",
        "What a warm-up leaves",
        [Table(says, ["warm-up", "seed", "right", *RASP], rows)],
        {"circuits": data},
        options,
        page="procedural",
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
