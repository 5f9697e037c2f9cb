"""Coordinates: a sum of one function of each argument through which a whole table can be read.

An MLP reads several variables at once through one number, ``s = u1(x1) + .. + uk(xk)``, and steps wherever the result
changes along ``s``. Addition, comparison and counting need few steps; a table without structure falls back on mixed
radix, with equal rows merged, where every pair of values has a place of its own.

Source: the observation that a product table f(x, y) = g(u(x) + v(y)) needs |X| + |Y| units where it has that form.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from janiform.ir.domains import IMPOSSIBLE
from janiform.ir.functions import Apply, Fn, affine
from janiform.ir.quotient import first_rows

NEAR = 1e-9
"""Coordinates closer than this are one point."""


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """``parts[i]`` over the codes of argument i; ``points`` ascending with the result's code at each."""

    parts: tuple[np.ndarray, ...]
    points: np.ndarray
    codes: np.ndarray

    @property
    def changes(self) -> int:
        """How many steps the table needs."""
        return int((self.codes[1:] != self.codes[:-1]).sum())

    @property
    def strain(self) -> float:
        """How many times the least gap between results that must be told apart fits into the whole range."""
        gaps = np.diff(self.points)[self.codes[1:] != self.codes[:-1]]
        return float(np.ptp(self.points) / gaps.min()) if gaps.size else 0.0


def find(
    codes: np.ndarray, fixed: list[np.ndarray | None], numbers: list[np.ndarray | None], fn: Fn | None
) -> Coordinate | None:
    """Return the coordinate with the fewest steps through which ``codes`` can be read.

    ``fixed[i]`` is the only coordinate on which argument i can be read, up to scale (None: any function of it can be
    had); ``numbers[i]`` its numeric value, not-a-number where undefined. None when two or more arguments are fixed and no
    sum of them works.
    """
    best: Coordinate | None = None
    fewest = np.unique(codes[codes != IMPOSSIBLE]).size - 1
    for slopes in _slopes(fn, len(fixed)):
        parts = []
        for k, f, n in zip(slopes, fixed, numbers, strict=True):
            x = n if f is None else f
            if x is None:
                break
            parts.append(k * x)
        else:
            best = _better(best, _through(codes, _apart(parts)))
            if best is not None and best.changes <= fewest:
                return best
    if fn is not None and _multiplies(fn) and all(f is None for f in fixed):
        for signs in itertools.product((1.0, -1.0), repeat=len(fixed) - 1):
            logs = _logarithms(numbers, (1.0, *signs))
            best = best if logs is None else _better(best, _through(codes, logs))
    if sum(f is not None for f in fixed) <= 1:
        for order in _orders(fixed):
            best = _better(best, _through(codes, _radix(codes, fixed, order)))
    return best


def _slopes(fn: Fn | None, k: int) -> list[tuple[float, ...]]:
    """Combinations worth trying: those that the expression itself contains, then plain sums and differences."""
    found: list[tuple[float, ...]] = []
    stack = [fn] if fn is not None else []
    while stack:
        f = stack.pop()
        linear = affine(f, k)
        if linear is None and isinstance(f, Apply):
            if f.op in ("==", "!=", "<", "<=", ">", ">="):
                linear = affine(Apply("-", f.args), k)
            stack.extend(f.args)
        if linear is not None and all(linear[:-1]):
            found.append(tuple(linear[:-1]))
    if k <= 3:
        found += [(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=k - 1)]
    return list(dict.fromkeys(found))


def _multiplies(fn: Fn) -> bool:
    """Whether an expression multiplies or divides, and not by constants alone."""
    if isinstance(fn, Apply) and fn.op in ("*", "/") and all(a.arity for a in fn.args):
        return True
    return any(map(_multiplies, fn.parts))


def _logarithms(numbers: list[np.ndarray | None], signs: tuple[float, ...]) -> tuple[np.ndarray, ...] | None:
    """Products as sums of signed logarithms, 0 being further out than all others can make good."""
    known = [n for n in numbers if n is not None]
    if len(known) < len(numbers) or any(not (n > 0).any() or (n < 0).any() for n in known):
        return None
    return _apart([k * np.log(np.where(n > 0, n, np.nan)) for k, n in zip(signs, known, strict=True)])


def _apart(parts: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Put what is not a number below every sum of numbers."""
    holes = [np.isnan(p) for p in parts]
    lows = [float(p[~h].min()) if not h.all() else 0.0 for p, h in zip(parts, holes, strict=True)]
    reach = 1.0 + sum(float(np.ptp(p[~h])) if not h.all() else 0.0 for p, h in zip(parts, holes, strict=True))
    return tuple(np.where(h, low - reach, p) for p, h, low in zip(parts, holes, lows, strict=True))


def _orders(fixed: list[np.ndarray | None]) -> list[tuple[int, ...]]:
    """Which argument is the least significant digit: a fixed one must be."""
    last = [i for i, f in enumerate(fixed) if f is not None]
    everything = range(len(fixed))
    orders = (
        itertools.permutations(everything)
        if len(fixed) <= 3
        else [tuple(everything), tuple(reversed(everything))]
    )
    return [o for o in orders if not last or o[-1] == last[0]]


def _radix(
    codes: np.ndarray, fixed: list[np.ndarray | None], order: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """Give each combination its own place; values that no other argument can tell apart share a digit."""
    parts: list[np.ndarray] = [np.zeros(0)] * len(fixed)
    scale = 1.0
    for i in reversed(order):
        only = fixed[i]
        if only is not None:
            parts[i] = only
            scale = 2.0 * max(1.0, float(np.ptp(only)))
            continue
        rows, digit = row_classes(np.moveaxis(codes, i, 0).reshape(codes.shape[i], -1))
        parts[i] = scale * digit.astype(float)
        scale *= len(rows)
    return tuple(parts)


def row_classes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different rows of a table, in order of appearance, and which of them each row is.

    >>> row_classes(np.array([[1, 2], [3, 4], [1, 2]]))[1].tolist()
    [0, 1, 0]
    """
    first, which = first_rows(rows)
    return rows[first], which


def _through(codes: np.ndarray, parts: tuple[np.ndarray, ...]) -> Coordinate | None:
    """The table read through a sum, or None where one point would need two results."""
    total = np.zeros(codes.shape)
    for i, p in enumerate(parts):
        total = total + p.reshape([-1 if j == i else 1 for j in range(codes.ndim)])
    possible = (codes != IMPOSSIBLE).ravel()
    s, c = total.ravel()[possible], codes.ravel()[possible]
    rank = np.argsort(s, kind="stable")
    s, c = s[rank], c[rank]
    if s.size == 0:
        return Coordinate(parts, s, c)
    close = np.diff(s) <= NEAR * max(1.0, float(np.abs(s).max()))
    if (close & (c[1:] != c[:-1])).any():
        return None
    keep = np.concatenate([[True], ~close])
    return Coordinate(parts, s[keep], c[keep])


def _better(a: Coordinate | None, b: Coordinate | None) -> Coordinate | None:
    if a is None or b is None:
        return a or b
    return b if b.changes < a.changes else a
