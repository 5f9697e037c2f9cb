"""Drafts in files: arrays in an .npz without pickle, and what they are in JSON beside them.

Files are written whole or not at all; a file that holds anything but a legal draft is a FileError.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from janiform.errors import FileError
from janiform.learn.draft import MASKS, Copy, Draft, Frame, Number, Recode, Table, Tally, Unit
from janiform.train.files import write_whole

ARRAYS = {Copy: "relation", Tally: "relation", Table: "cells", Recode: "cells", Number: "numbers"}
KINDS = {kind.__name__.lower(): kind for kind in ARRAYS}


def save_draft(draft: Draft, path: Path) -> None:
    """Write a draft to ``path``, all of it or nothing."""
    arrays: dict[str, np.ndarray] = {"bias": draft.bias}
    rows = []
    for i, u in enumerate(draft.units):
        field = ARRAYS[type(u)]
        arrays[f"unit{i}"] = getattr(u, field)
        plain = {name: getattr(u, name) for name in u.__dataclass_fields__ if name != field}
        rows.append({"kind": type(u).__name__.lower(), **plain})
    arrays |= {f"weights{v}": w for v, w in enumerate(draft.weights)}
    about = json.dumps({"frame": asdict(draft.frame), "units": rows}, default=int)
    arrays["about"] = np.frombuffer(about.encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def load_draft(path: Path) -> Draft:
    """Read a draft that ``save_draft`` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays["about"].tobytes())
        frame = Frame(**about["frame"])
        units = tuple(_unit(row, arrays[f"unit{i}"]) for i, row in enumerate(about["units"]))
        weights = tuple(arrays[f"weights{v}"] for v in range(len(units) + 2))
        draft = Draft(frame, units, weights, arrays["bias"])
        fault = _fault(draft)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as e:
        raise FileError(f"{path} holds no draft of a program: {e}") from None
    if fault:
        raise FileError(f"{path} holds no legal draft: {fault}")
    return draft


def _unit(row: dict[str, Any], array: np.ndarray) -> Unit:
    kind = KINDS[row.pop("kind")]
    return kind(**row, **{ARRAYS[kind]: array})  # type: ignore[no-any-return, arg-type]


def _fault(draft: Draft) -> str | None:
    """What is wrong with a draft that was read, if anything."""
    sizes = draft.sizes()
    for i, u in enumerate(draft.units):
        if not all(isinstance(v, int) and 0 <= v < i + draft.inputs for v in u.reads):
            return f"unit {i} reads what does not come before it"
        match u:
            case Copy() | Tally():
                wanted: tuple[int, ...] = (sizes[u.query], sizes[u.key])
                fits = u.relation.shape == wanted and u.relation.dtype == bool and u.mask in MASKS
                if isinstance(u, Copy):
                    fits = fits and 0 <= u.default < sizes[u.value]
            case Table():
                fits = u.cells.shape == (sizes[u.left], sizes[u.right]) and _within(u.cells, u.size)
            case Recode():
                fits = u.cells.shape == (sizes[u.of],) and _within(u.cells, u.size)
            case Number():
                fits = u.numbers.shape == (sizes[u.of],)
        if not fits:
            return f"the {type(u).__name__.lower()} of unit {i} does not fit the variables it reads"
    for v, (w, size) in enumerate(zip(draft.weights, sizes, strict=True)):
        if w.shape != (max(size, 1), draft.frame.labels):
            return f"the weights of variable {v} have the shape {w.shape}"
    return None


def _within(cells: np.ndarray, size: int) -> bool:
    return cells.dtype.kind == "i" and bool((cells >= 0).all() and (cells < size).all())
