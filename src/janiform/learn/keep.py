"""Drafts, examples and generators as arrays and plain data, and back, bit for bit: what a state in a file is made of.

Nothing is believed on the way back: what is no legal draft, and codes that are out of range, are a FileError.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from janiform.errors import FileError
from janiform.learn.draft import MASKS, Copy, Draft, Frame, Number, Recode, Steps, Table, Tally, Unit
from janiform.tasks.examples import Examples

ARRAYS = {
    Copy: "relation",
    Tally: "relation",
    Table: "cells",
    Recode: "cells",
    Number: "numbers",
    Steps: "cells",
}
KINDS = {kind.__name__.lower(): kind for kind in ARRAYS}

Tensors = dict[str, Tensor]


def pack(array: np.ndarray) -> Tensor:
    """Copy an array to a tensor."""
    return torch.from_numpy(np.array(array, order="C"))


def unpack(tensor: Tensor) -> np.ndarray:
    """Copy a tensor to an array."""
    return tensor.numpy().copy()


def pack_draft(draft: Draft, at: str, tensors: Tensors) -> dict[str, Any]:
    """Put a draft's arrays under the names ``at/...`` and return the rest of it.

    >>> from janiform.learn.climb import empty
    >>> tensors = {}
    >>> about = pack_draft(empty(Frame(2, 3, 2)), "draft", tensors)
    >>> sorted(tensors), unpack_draft(about, "draft", tensors).frame
    (['draft/bias', 'draft/weights0', 'draft/weights1'], Frame(tokens=2, length=3, labels=2, causal=False, pooled=False))
    """
    rows = []
    for i, u in enumerate(draft.units):
        field = ARRAYS[type(u)]
        tensors[f"{at}/unit{i}"] = pack(getattr(u, field))
        row = {name: getattr(u, name) for name in u.__dataclass_fields__ if name != field}
        rows.append({"kind": type(u).__name__.lower(), **row})
    tensors |= {f"{at}/weights{v}": pack(w) for v, w in enumerate(draft.weights)}
    tensors[f"{at}/bias"] = pack(draft.bias)
    return {"frame": asdict(draft.frame), "units": rows}


def unpack_draft(about: dict[str, Any], at: str, tensors: Tensors) -> Draft:
    """Return the draft that ``pack_draft`` took apart."""
    try:
        frame = Frame(**about["frame"])
        units = tuple(_unit(row, unpack(tensors[f"{at}/unit{i}"])) for i, row in enumerate(about["units"]))
        weights = tuple(unpack(tensors[f"{at}/weights{v}"]) for v in range(len(units) + 2))
        draft = Draft(frame, units, weights, unpack(tensors[f"{at}/bias"]))
        fault = _fault(draft)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as e:
        raise FileError(f"the state holds no draft of a program at {at!r}: {e!r}") from None
    if fault:
        raise FileError(f"the state holds no legal draft at {at!r}: {fault}")
    return draft


def pack_examples(examples: Examples | None, at: str, tensors: Tensors) -> None:
    """Put examples, if there are any, under the names ``at/x`` and ``at/y``."""
    if examples is not None:
        tensors |= {f"{at}/x": pack(examples.x), f"{at}/y": pack(examples.y)}


def unpack_examples(at: str, tensors: Tensors, frame: Frame) -> Examples | None:
    """Return the examples that ``pack_examples`` put there, None if it put none."""
    if f"{at}/x" not in tensors:
        return None
    x, y = unpack(tensors[f"{at}/x"]), unpack(tensors[f"{at}/y"])
    fits = x.shape[1:] == (frame.length,) and y.shape in (x.shape, x.shape[:1])
    if not (fits and _within(x + 1, frame.tokens + 1) and _within(y + 1, frame.labels + 1)):
        raise FileError(f"the state holds no examples for its drafts at {at!r}")
    return Examples(x, y)


def unpack_generator(state: dict[str, Any]) -> np.random.Generator:
    """Return the generator whose ``bit_generator.state`` this was."""
    rng = np.random.default_rng()
    try:
        rng.bit_generator.state = state
    except (ValueError, KeyError, TypeError, OverflowError) as e:
        raise FileError(f"the state holds no generator of random numbers: {e!r}") from None
    return rng


def _unit(row: dict[str, Any], array: np.ndarray) -> Unit:
    kind = KINDS[row["kind"]]
    plain = {n: tuple(v) if isinstance(v, list) else v for n, v in row.items() if n != "kind"}
    return kind(**plain, **{ARRAYS[kind]: array})  # type: ignore[no-any-return, arg-type]


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
            case Steps():
                fits = u.cells.shape == (len(u.edges) + 1,) and _within(u.cells, u.size)
                numbers = np.array((*u.slopes, *u.edges), float)
                fits = fits and len(u.slopes) == 2 and bool(np.isfinite(numbers).all())
                fits = fits and sorted(u.edges) == list(u.edges)
                fits = fits and all(draft.numeric()[v] for v in u.reads)
        if not fits:
            return f"the {type(u).__name__.lower()} of unit {i} does not fit the variables it reads"
    for v, (w, size) in enumerate(zip(draft.weights, sizes, strict=True)):
        if w.shape != (max(size, 1), draft.frame.labels):
            return f"the weights of variable {v} have the shape {w.shape}"
    if draft.bias.shape != (draft.frame.labels,):
        return f"the bias has the shape {draft.bias.shape}"
    return None


def _within(cells: np.ndarray, size: int) -> bool:
    return cells.dtype.kind == "i" and bool((cells >= 0).all() and (cells < size).all())
