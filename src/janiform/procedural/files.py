"""Rows in a file: ``.npy``, a table that NumPy maps into memory, or ``.parquet``; whole or not there at all.

Either has a record for each row: ``tokens``, and ``begin`` and ``end`` of its targets. Rows are made and written piece by piece.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from janiform.errors import FileError, InputError
from janiform.files import place_whole
from janiform.tasks.procedural import Procedure, Rows, Split, rows, write

Tell = Callable[[int, int], None]
PIECE = 1 << 22
"""How many tokens are made at a time."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was made: rows of ``width`` tokens below ``d_vocab``, ``pad`` at their ends, and in how many CPU seconds."""

    task: str
    rows: int
    width: int
    tokens: int
    d_vocab: int
    pad: int
    seed: int
    split: str
    start: int
    file: str | None
    cpu_seconds: float
    tokens_per_second: float

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def write_rows(
    task: Procedure,
    number: int,
    out: str | Path | None = None,
    *,
    start: int = 0,
    seed: int = 0,
    split: Split = "train",
    tell: Tell | None = None,
) -> Written:
    """Make ``number`` rows from row ``start`` on and write them to ``out``, or nowhere to see how fast that is.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "set.npy"
    >>> from janiform.tasks.procedural import read
    >>> write_rows(read("set(symbols=9, longest=4)"), 3, path).tokens
    27
    >>> np.load(path, mmap_mode="r")["tokens"][0].tolist()
    [1, 4, 6, 2, 9, 1, 4, 6, 2]
    """
    if number < 1:
        raise InputError(f"there is 1 row to make or more, not {number}")
    path = None if out is None else Path(out)
    if path is not None and path.suffix not in (".npy", ".parquet"):
        raise InputError(f"rows are written to a .npy or a .parquet file, not to {str(path)!r}")
    spent = 0.0

    def pieces() -> Iterator[Rows]:
        nonlocal spent
        size = max(PIECE // task.width, 1)
        for at in range(0, number, size):
            began = time.process_time()
            stop = min(at + size, number)
            made = rows(task, start + at, start + stop, seed=seed, split=split)
            spent += time.process_time() - began
            yield made
            if tell is not None:
                tell(stop, number)

    about: dict[str, Any] = {"task": write(task), "seed": seed, "split": split, "start": start}
    about |= {"d_vocab": task.d_vocab, "pad": task.pad}
    try:
        if path is None:
            for _ in pieces():
                pass
        elif path.suffix == ".npy":
            _write_npy(path, pieces(), number, task.width)
        else:
            _write_parquet(path, pieces(), about)
    except OSError as e:
        raise FileError(f"{path} cannot be written: {e.strerror or e}") from None
    tokens = number * task.width
    return Written(
        rows=number,
        width=task.width,
        tokens=tokens,
        file=None if path is None else str(path),
        cpu_seconds=round(spent, 3),
        tokens_per_second=round(tokens / max(spent, 1e-9)),
        **about,
    )


def _write_npy(path: Path, pieces: Iterator[Rows], number: int, width: int) -> None:
    kind = np.dtype([("tokens", "<u2", (width,)), ("begin", "<i4"), ("end", "<i4")])
    with place_whole(path) as part:
        table = np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=(number,))
        at = 0
        for made in pieces:
            here = table[at : at + len(made)]
            here["tokens"], here["begin"], here["end"] = made.tokens, made.begin, made.end
            at += len(made)
        table.flush()


def _write_parquet(path: Path, pieces: Iterator[Rows], about: dict[str, Any]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError(
            "a .parquet file takes pyarrow: pip install janiform[datasets]; .npy needs nothing"
        ) from None
    writer = None
    with place_whole(path) as part:
        try:
            for made in pieces:
                tokens = pa.FixedSizeListArray.from_arrays(
                    pa.array(made.tokens.ravel()), made.tokens.shape[1]
                )
                table = pa.table({"tokens": tokens, "begin": made.begin, "end": made.end})
                table = table.replace_schema_metadata({"janiform": json.dumps(about)})
                writer = writer or pq.ParquetWriter(part, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
