"""Write a data set for others: a parquet file, or a folder of Hugging Face's datasets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from janiform.decompile.dataset.reading import Dataset, Entry
from janiform.errors import InputError
from janiform.files import place_whole

COLUMNS = ("program", "json", "canonical", "behavior", "size", "split")


def table(entries: Iterable[Entry]) -> dict[str, list[Any]]:
    """Return programs as columns: as text and as JSON, both hashes, the size and the part."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for e in entries:
        row = (str(e.program), e.json, e.canonical, e.behavior, e.size, e.split)
        for name, value in zip(COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns


def to_parquet(dataset: Dataset, path: str | Path) -> Path:
    """Write every program as a row of a parquet file."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("parquet needs pyarrow: install the extra janiform[datasets]") from None
    path = Path(path)
    with place_whole(path) as part:
        pyarrow.parquet.write_table(pyarrow.table(table(dataset)), part)
    return path


def to_datasets(dataset: Dataset, folder: str | Path) -> Path:
    """Write the two parts as a ``DatasetDict`` that ``datasets.load_from_disk`` reads."""
    try:
        from datasets import Dataset as Rows
        from datasets import DatasetDict
    except ImportError:
        raise InputError(
            "a folder of datasets needs datasets: install the extra janiform[datasets]"
        ) from None
    parts = DatasetDict({s: Rows.from_dict(table(dataset.part(s))) for s in ("train", "test")})  # type: ignore[arg-type]
    parts.save_to_disk(str(folder))
    return Path(folder)
