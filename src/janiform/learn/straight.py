"""Tables that are sums of something for each code, as ``8 * count - position`` is, or a depth that brackets raise and lower.

Such a table is one expression however large it is, so it is neither thinned out nor listed. The first code of either variable
may be left out, as one that says *none*; values end where codes do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, table
from janiform.ir.nodes import Value
from janiform.learn.steps import Sum, plus

ALIKE = 0.75
"""The share of the cells that occur in which a sum must agree to be tried in place of a table."""

LEAST = 12
"""A table of fewer cells is as short as a list."""


@dataclass(frozen=True, slots=True, eq=False)
class Straight:
    """``rows[left] + columns[right]``, at least 0 and at most ``top``; ``other`` at the first code of what is left out."""

    rows: np.ndarray
    columns: np.ndarray
    top: int
    left_out: bool
    right_out: bool
    other: int

    def cells(self) -> np.ndarray:
        """The table, listed."""
        cells = np.clip(np.add.outer(self.rows, self.columns), 0, self.top)
        cells[: int(self.left_out)] = self.other
        cells[:, : int(self.right_out)] = self.other
        return cells

    def written(self, left: Sequence[Value], right: Sequence[Value]) -> Fn:
        """The table as an expression in the values that codes stand for.

        >>> from janiform.text.printer import ATOM, formula
        >>> s = Straight(np.arange(5), -np.arange(5), 4, True, False, 0)
        >>> formula(s.written(range(5), range(5)), [("x", ATOM), ("y", ATOM)])[0]
        '0 if x == 0 else max(x - y, 0)'
        """
        slopes, constant, listed = [0.0, 0.0], 0, []
        parts = ((self.rows, self.left_out, left), (self.columns, self.right_out, right))
        for side, (terms, out, values) in enumerate(parts):
            kept = terms[int(out) :]
            rises = set(np.diff(kept).tolist())
            if list(values) == list(range(len(values))) and len(rises) == 1:
                slopes[side] = rises.pop()
                constant += int(kept[-1] - slopes[side] * (len(values) - 1))
            else:
                common = max(set(kept.tolist()), key=kept.tolist().count)
                rows = [
                    ((v,), int(t - common))
                    for v, t in zip(values[int(out) :], kept, strict=True)
                    if t != common
                ]
                constant += common
                found = table(rows, 1, Lit(0))
                listed += [Lookup((Arg(side),), found.rows, found.default)] if rows else []
        total = Sum(slopes).total() if any(slopes) else None
        for f in listed:
            total = f if total is None else Apply("+", (total, f))
        total = Lit(constant) if total is None else plus(total, constant)
        sums = np.add.outer(self.rows[int(self.left_out) :], self.columns[int(self.right_out) :])
        total = Apply("max", (total, Lit(0))) if sums.min() < 0 else total
        total = Apply("min", (total, Lit(self.top))) if sums.max() > self.top else total
        outs = ((self.left_out, 0, left), (self.right_out, 1, right))
        for left_out in [Apply("==", (Arg(side), Lit(values[0]))) for out, side, values in outs if out]:
            total = Apply("if", (left_out, Lit(self.other), total))
        return total


def straight(cells: np.ndarray, met: np.ndarray, top: int) -> Iterator[Straight]:
    """Sums that agree with most of the cells that are met, those without exceptions first.

    >>> cells = np.maximum(np.subtract.outer(np.arange(5), np.arange(5)), 0)
    >>> s = next(straight(cells, cells >= 0, 4))
    >>> s.rows.tolist(), s.columns.tolist(), bool((s.cells() == cells).all())
    ([0, 1, 2, 3, 4], [0, -1, -2, -3, -4], True)
    """
    if cells.size < LEAST or min(cells.shape) < 2:
        return
    for left_out, right_out in product((False, True), repeat=2):
        r, c = int(left_out), int(right_out)
        inner, known = cells[r:, c:], met[r:, c:] & ((cells > 0) & (cells < top))[r:, c:]
        if min(inner.shape) < 2 or not known.any():
            continue
        rows = _terms(inner, known)
        columns = _columns(inner - rows[:, None], known)
        outside = np.concatenate([cells[:r].ravel(), cells[r:, :c].ravel()])
        other = int(np.bincount(outside).argmax()) if len(outside) else 0
        pad = ((r, 0), (c, 0))
        found = Straight(np.pad(rows, pad[0]), np.pad(columns, pad[1]), top, left_out, right_out, other)
        agrees = (found.cells() == cells)[met]
        if len(agrees) and agrees.mean() >= ALIKE and len(np.unique(found.cells())) > 2:
            yield found


def _terms(cells: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What each row has more than the first, by most of the columns in which it and the row before are known."""
    rises = [_most((b - a)[k]) for a, b, k in zip(cells, cells[1:], known[1:] & known[:-1])]
    usual = _most(np.array([r for r in rises if r is not None]))
    return np.cumsum([0, *(usual or 0 if r is None else r for r in rises)])


def _columns(left: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What is left over in each column, by most of its known cells; the usual rise where none is known."""
    columns = [_most(column[k]) for column, k in zip(left.T, known.T)]
    usual = _most(np.array([b - a for a, b in zip(columns, columns[1:]) if a is not None and b is not None]))
    first = next(i for i, c in enumerate(columns) if c is not None)
    for i in [*range(first - 1, -1, -1), *range(first + 1, len(columns))]:
        if columns[i] is None:
            near = columns[i + 1] if i < first else columns[i - 1]
            assert near is not None, "columns are filled in from the first that is known"
            columns[i] = near + (usual or 0) * (-1 if i < first else 1)
    return np.array(columns)


def _most(values: np.ndarray) -> int | None:
    """The most frequent value, None of nothing."""
    if not len(values):
        return None
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])
