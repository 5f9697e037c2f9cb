"""What logits say, as a function of sources: a class, or a number that may be undefined.

One column is a number. Two columns are a number and whether it is defined where several numbers stand beside a second column of
1; else columns are classes, of which the largest is meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from janiform.decompile.compiled.fields import Field, added, alike, tidy
from janiform.decompile.compiled.mlp import with_holes
from janiform.decompile.compiled.stream import Stream
from janiform.ir.canonical.mechanism import View
from janiform.ir.functions import canonical
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, reduced

FINEST = 10_000
"""Numbers that are read out are taken for fractions with denominators up to this."""

FLAT = 5.0
"""So many tolerances beside the largest number may lie off a line or a parabola."""

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
    codes = nearest(whole.rows(), names, stream.tolerance) if stream.noisy else None
    if codes is None:
        codes = whole.rows().argmax(-1)
    return View(reduced(whole.keys, whole.maps, codes.reshape(whole.table.shape[:-1])), names)


def nearest(
    logits: Float[np.ndarray, "cell class"], names: tuple[Value, ...], tolerance: float
) -> Int[np.ndarray, " cell"] | None:
    """Return the class whose number is nearest to the number ``x`` that logits ``c x - c^2 / 2`` of all classes c come of.

    Noise in the weights of a large class hides a neighbor; that of all together hardly moves x. An undefined class stands a
    whole number below all others. None where logits are no such parabolas.

    >>> x, c = np.array([[0.0], [3.02], [6.9]]), np.arange(9.0)
    >>> nearest(c * x - c**2 / 2, tuple(range(9)), 1e-2).tolist()
    [0, 3, 7]
    """
    known = [float(v) for v in names if isinstance(v, int | float)]
    if len(known) < len(names) - (None in names) or len(names) < 3:
        return None
    c = np.array([math.floor(min(known)) - 1.0 if v is None else float(v) for v in names])  # type: ignore[arg-type]
    c = c - np.round(c.mean())
    mean = logits.mean(0)
    left, sizes, right = np.linalg.svd(logits - mean, full_matrices=False)
    if len(sizes) < 2 or sizes[1] > FLAT * tolerance * sizes[0]:
        return None
    slope = _fitted(right[0], np.stack([c, np.ones_like(c)], 1), 1 + np.abs(c), tolerance)
    bend = _fitted(mean, np.stack([c, c * c, np.ones_like(c)], 1), 1 + c * c, tolerance)
    if slope is None or bend is None or bend[1] >= 0:
        return None
    x = (left[:, 0] * sizes[0] * slope[0] + bend[0]) / (-2 * bend[1])
    return np.asarray(np.abs(x[:, None] - c).argmin(1))


def _fitted(of: np.ndarray, by: np.ndarray, noise: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Fit columns to numbers of which larger ones are less sure; None where they do not fit."""
    found = np.linalg.lstsq(by / noise[:, None], of / noise, rcond=None)[0]
    fits = np.abs(by @ found - of).max() <= FLAT * tolerance * np.ptp(of)
    return found if fits else None


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
