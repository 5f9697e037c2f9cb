"""The command that makes procedural data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress


@dataclass(frozen=True)
class Generate:
    """Make rows of a procedural task, the same for any machine, and say how fast."""

    task: Annotated[Positional[str], arg(metavar="TASK")]
    """set, "dyck(kinds=16, length=128)", "shuffled(set)", "3*set + union", ...; a wrong name lists all."""
    rows: int = 10_000
    """How many rows to make."""
    out: Path | None = None
    """The file to write, .npy or .parquet; without one rows are made and dropped."""
    seed: int = 0
    """Seed of the stream."""
    split: Literal["train", "validation"] = "train"
    """Rows for training, or rows that are never among those."""
    start: int = 0
    """The number of the first row; a stream goes on at any number."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.procedural.files import write_rows
        from janiform.tasks.procedural import read

        with progress("rows") as tick:
            made = write_rows(
                read(self.task),
                self.rows,
                self.out,
                start=self.start,
                seed=self.seed,
                split=self.split,
                tell=tick,
            )
        table = {
            "task": made.task,
            "rows": f"{made.rows:,}, {made.split}, from number {made.start} of seed {made.seed}",
            "tokens": f"{made.tokens:,}, {made.width} a row; ids below {made.d_vocab}, padding {made.pad}",
            "speed": f"{made.tokens_per_second / 1e6:.1f} M tokens/s of CPU ({made.cpu_seconds} s)",
        }
        if made.file is not None:
            table["written to"] = made.file
        return Answer(made.facts(), columns(table.items()))
