"""Folders of exported files, each file there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from janiform.errors import FileError
from janiform.files import write_whole


def write_folder(folder: str | os.PathLike[str], contents: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, which is made where it is missing; ``FileError`` where that cannot be."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FileError(f"{place} cannot be a folder: {e.strerror or e}") from None
    for name, content in contents.items():
        write_whole(place / name, content)
    return [place / name for name in contents]
