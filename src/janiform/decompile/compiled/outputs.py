"""What logits say, as a function of sources: a class, or a number that may be undefined.

One column is a number. Two columns are a number and whether it is defined where several numbers stand beside a second column of
1; else columns are classes, of which the largest is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.fields import Field, added, alike, tidy
from janiform.decompile.compiled.mlp import with_holes
from janiform.decompile.compiled.stream import Stream
from janiform.ir.canonical.mechanism import View
from janiform.ir.functions import canonical
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, reduced

FINEST = 10_000
"""Numbers that are read out are taken for fractions with denominators up to this."""

NEAR = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Outlet:
    """Columns that an output is read by; ``kind`` and ``values`` as in a compiled pair's read-outs, None where unknown."""

    name: str
    W_U: Float[np.ndarray, "d_model width"]
    b_U: Float[np.ndarray, " width"]
    kind: Literal["category", "number"] | None = None
    values: tuple[Value, ...] | None = None


def read_output(stream: Stream, outlet: Outlet) -> View:
    """Return an output as a function of sources, with the names of its classes where they are given."""
    W_U, b_U, classes = outlet.W_U, outlet.b_U, outlet.values
    kind = outlet.kind
    whole = _whole(stream, W_U, b_U)
    if kind is None:
        kind = "number" if W_U.shape[1] == 1 or (W_U.shape[1] == 2 and is_number(whole)) else "category"
    if kind == "number" and W_U.shape[1] == 1:
        return _numbers(whole, classes)
    if kind == "number":
        return _numbers_or_undefined(stream, W_U, b_U, classes)
    names = classes if classes is not None else tuple(range(W_U.shape[1]))
    return View(reduced(whole.keys, whole.maps, np.asarray(whole.table.argmax(-1))), names)


def _whole(stream: Stream, matrix: np.ndarray, bias: np.ndarray) -> Field:
    parts, constant = stream.read(matrix, bias)
    return added(parts).plus(constant) if parts else Field.constant(constant)


def is_number(logits: Field) -> bool:
    """Return whether the second column says that the first is defined."""
    rows = logits.rows()
    sure = rows[np.abs(rows[:, 1] - 1.0) <= NEAR, 0]
    return len(sure) > 1 and float(np.ptp(sure)) > NEAR and float(rows[:, 1].max()) <= 1.0 + NEAR


def _numbers(column: Field, classes: tuple[Value, ...] | None) -> View:
    table = column.table[..., 0]
    codes, names = _named(table.ravel(), classes)
    return View(reduced(column.keys, column.maps, codes.reshape(table.shape)), names)


def _named(numbers: np.ndarray, classes: tuple[Value, ...] | None) -> tuple[np.ndarray, tuple[Value, ...]]:
    """Number what numbers there are, and name them: the nearest class, or a plain fraction."""
    if classes is not None:
        known = np.array([float(v) for v in classes])  # type: ignore[arg-type]
        return np.abs(numbers[:, None] - known).argmin(1), classes
    size = float(np.abs(numbers).max(initial=0.0))
    which = alike(numbers[:, None], 1e-6 * max(size, 1.0))
    first = [int(np.flatnonzero(which == i)[0]) for i in range(int(which.max(initial=-1)) + 1)]
    plain = [Fraction(float(numbers[i])).limit_denominator(FINEST) for i in first]
    return which, tuple(canonical(float(x)) for x in plain)


def _numbers_or_undefined(
    stream: Stream, W_U: np.ndarray, b_U: np.ndarray, classes: tuple[Value, ...] | None
) -> View:
    """Read both columns as one, in which defined numbers lie above everything that is not."""
    parts, constant = stream.read(W_U[:, :1], b_U[:1])
    first = added(parts).plus(constant).table if parts else constant
    low, high = float(first.min()), float(first.max())
    lift = 8.0 * (high - low + 1.0)
    both = _whole(stream, W_U[:, :1] + lift * W_U[:, 1:], b_U[:1] + lift * b_U[1:])
    numbers = both.table[..., 0] - lift
    defined = numbers > low - 1.0
    given = None if classes is None else tuple(v for v in classes if v is not None)
    codes, names = _named(numbers[defined], given)
    table = np.full(numbers.shape, -1)
    table[defined] = codes
    found = with_holes(stream, tidy(Field(both.keys, both.maps, table[..., None].astype(float)), 0.5))
    function = reduced(found.keys, found.maps, np.round(found.table[..., 0]).astype(np.int64) + 1)
    return View(Quotient(function.keys, function.maps, function.table), (None, *names))
