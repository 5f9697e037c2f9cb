"""Files that are there whole or not at all, and values as JSON holds them.

A file is written beside its place and moved there at one stroke, so whatever stands under its name is complete, also
after ``kill -9``, and two processes that write it do each other no harm. What a killed process leaves ends in ``.part``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: str | bytes) -> None:
    """Put ``content`` at ``path``: a reader finds all of it or what was there before.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> write_whole(path, "here")
    >>> path.read_text()
    'here'
    """
    with place_whole(path) as part, open(part, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def place_whole(path: Path) -> Iterator[Path]:
    """Give a place to write to, beside ``path``; what is there at the end is moved to ``path``, after an error it is removed.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> with place_whole(path) as part:
    ...     _ = part.write_text("here")
    >>> [p.name for p in path.parent.iterdir()]
    ['note']
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """Turn a number of NumPy or torch into one of Python, and an array of them into lists.

    >>> import json, numpy
    >>> json.dumps({"loss": numpy.float32(0.5)}, default=plain)
    '{"loss": 0.5}'
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON cannot hold {value!r}, a {type(value).__name__}")
