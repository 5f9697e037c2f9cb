"""Documents of a text that the user points to: plain files, lines of JSON, tables, folders of these, data sets of Hugging Face.

A file that ends in ``.jsonl``, ``.json``, ``.jsonl.gz`` or ``.json.gz`` has an object a line, of which ``text`` or ``content``
is a document, as have the rows of a ``.parquet`` file and of a data set that was saved to disk; any other file in UTF-8 is one
document. In a folder, files that are no text are left out.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError

COLUMNS = ("text", "content")
LINES = (".jsonl", ".json")
SAVED = ("dataset_info.json", "dataset_dict.json")
"""By which files a data set on disk is told."""


def require(paths: Iterable[str | Path]) -> None:
    """Refuse what is not there."""
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"there is no text at {str(path)!r}; give a file, a folder or a saved data set")


def documents(paths: Iterable[str | Path]) -> Iterator[str]:
    """Yield the documents of files and folders, in the order of their names.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> _ = (place / "a.txt").write_text("one"), (place / "b.jsonl").write_text('{"text": "two"}')
    >>> list(documents([place]))
    ['one', 'two']

    ``InputError`` if none of them has any text.
    """
    places, empty = [Path(path) for path in paths], True
    for path in places:
        for text in _of(path):
            empty = empty and not text
            yield text
    if empty:
        said = ", ".join(map(str, places))
        raise InputError(f"there is no text in {said}: what is there is empty, or no text in UTF-8")


def _of(path: Path) -> Iterator[str]:
    if path.is_dir() and any((path / name).exists() for name in SAVED):
        yield from _saved(path)
    elif path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield from _file(file, alone=False)
    else:
        yield from _file(path, alone=True)


def _file(path: Path, alone: bool) -> Iterator[str]:
    kinds = path.suffixes[-2:]
    if path.suffix == ".parquet":
        yield from _table(path)
    elif path.suffix in LINES or (path.suffix == ".gz" and kinds[0] in LINES):
        yield from _lines(path)
    else:
        try:
            content = path.read_bytes()
            text = content.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if alone:
                raise FileError(f"{path} is no text in UTF-8: {str(error)[:100]}") from None
            return
        if text and "\0" not in text:
            yield text


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError:
                    raise FileError(f"{path}, line {number}: {line[:40]!r} is no JSON") from None
                yield _text(row, f"{path}, line {number}")


def _table(path: Path) -> Iterator[str]:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError("a .parquet file takes pyarrow: pip install janiform[datasets]") from None
    table = pq.ParquetFile(path)
    column = next((name for name in COLUMNS if name in table.schema_arrow.names), None)
    if column is None:
        raise FileError(f"{path} has no column {' or '.join(COLUMNS)}; it has {table.schema_arrow.names}")
    for batch in table.iter_batches(columns=[column]):
        yield from (text for text in batch.column(0).to_pylist() if text)


def _saved(path: Path) -> Iterator[str]:
    try:
        import datasets
    except ImportError:
        raise InputError("a saved data set takes datasets: pip install janiform[datasets]") from None
    found = datasets.load_from_disk(str(path))
    parts = list(found.values()) if isinstance(found, datasets.DatasetDict) else [found]
    for part in parts:
        for row in part:
            yield _text(row, str(path))


def _text(row: Any, where: str) -> str:
    for column in COLUMNS:
        if isinstance(row, dict) and isinstance(row.get(column), str):
            return str(row[column])
    raise FileError(f"{where}: {str(row)[:60]!r} has no text under {' or '.join(COLUMNS)}")
