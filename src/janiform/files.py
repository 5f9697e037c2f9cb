"""Files that are there whole or not at all.

A file is written beside its place and moved there at one stroke, so whatever stands under its name is complete, also
after ``kill -9``, and two processes that write it do each other no harm. What a killed process leaves ends in ``.part``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from janiform.errors import FileError


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Put ``content`` at ``path``: a reader finds all of it or what was there before; ``FileError`` where that cannot be.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> write_whole(path, "here")
    >>> path.read_text()
    'here'
    """
    try:
        with place_whole(path) as part, open(part, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as e:
        raise FileError(f"{path} cannot be written: {e.strerror or e}") from None


@contextmanager
def place_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a place to write to, beside ``path``; what is there at the end is moved to ``path``, after an error it is removed.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note"
    >>> with place_whole(path) as part:
    ...     _ = part.write_text("here")
    >>> [p.name for p in path.parent.iterdir()]
    ['note']
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
