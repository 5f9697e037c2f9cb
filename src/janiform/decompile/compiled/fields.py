"""Vector-valued functions of sources: what a component writes to the residual stream, and what a reader gets of it.

A field is a table over classes of sources with a vector in each cell. Reading is a matrix product, after which cells that became
equal, up to a tolerance, are merged, and sources that no longer matter are gone. All that is ever compared are such products
of what writes and what reads, so no basis of the stream, no gauge of a head and no scale of a unit makes a difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.ir.quotient import Quotient, first_seen

MAX_CELLS = 1 << 17
"""The largest table of a component that is written out."""

CLEAR = 3.0
"""Steps are told from noise where the least of them is so many times as large."""

_DIRECTIONS: dict[int, np.ndarray] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """``table[maps[0][x0], maps[1][x1], ..]`` is the vector where source ``keys[i]`` has the code ``xi``."""

    keys: tuple[Any, ...]
    maps: tuple[np.ndarray, ...]
    table: Float[np.ndarray, "*classes width"]

    @classmethod
    def constant(cls, vector: np.ndarray) -> Field:
        """Return the field that is one vector."""
        return cls((), (), vector)

    @classmethod
    def of(cls, function: Quotient, vectors: np.ndarray) -> Field:
        """Return the field that has the vector of each result of a function."""
        return cls(function.keys, function.maps, vectors[function.table])

    def read(self, matrix: np.ndarray) -> Field:
        """Return what a linear reader gets."""
        return Field(self.keys, self.maps, self.table @ matrix)

    def plus(self, vector: np.ndarray) -> Field:
        """Return the field moved by a vector."""
        return Field(self.keys, self.maps, self.table + vector)

    def columns(self, chosen: np.ndarray) -> Field:
        """Return some coordinates."""
        return Field(self.keys, self.maps, self.table[..., chosen])

    def rows(self) -> np.ndarray:
        """Return the vectors of all cells, one a row."""
        return self.table.reshape(-1, self.table.shape[-1])


def tidy(field: Field, tolerance: float) -> Field:
    """Merge classes whose vectors are equal up to ``tolerance``, and drop sources that make no difference.

    >>> f = Field(("x",), (np.arange(3),), np.array([[0.0], [1.0], [1.0 + 1e-9]]))
    >>> tidy(f, 1e-6).maps[0].tolist()
    [0, 1, 1]
    """
    table, keys, maps, axis = field.table, [], [], 0
    for k, m in zip(field.keys, field.maps, strict=True):
        first, place = first_seen(m)
        table = table.take(m[first], axis)
        turned = np.moveaxis(table, axis, 0).reshape(len(first), -1)
        which = alike(turned, tolerance)
        count = int(which.max()) + 1
        if count < len(first):
            sums = np.zeros((count, turned.shape[1]))
            np.add.at(sums, which, turned)
            means = sums / np.bincount(which)[:, None]
            shape = (count, *table.shape[:axis], *table.shape[axis + 1 :])
            table = np.moveaxis(means.reshape(shape), 0, axis)
            place = which[place]
        if count == 1:
            table = table.take(0, axis)
            continue
        keys.append(k)
        maps.append(place)
        axis += 1
    return Field(tuple(keys), tuple(maps), table)


def without(field: Field, tolerance: float) -> Field:
    """Drop sources that make no difference, and leave all classes of the others."""
    table, keys, maps, axis = field.table, [], [], 0
    for k, m in zip(field.keys, field.maps, strict=True):
        if float(np.ptp(table, axis=axis).max(initial=0.0)) <= tolerance:
            table = table.mean(axis)
            continue
        keys.append(k)
        maps.append(m)
        axis += 1
    return Field(tuple(keys), tuple(maps), table)


def alike(rows: np.ndarray, tolerance: float) -> np.ndarray:
    """Number rows so that those equal up to ``tolerance`` share a number, in order of appearance.

    Rows are told apart along random directions: sorted there, equal ones are neighbors and others leave gaps.
    """
    which = np.zeros(len(rows), np.int64)
    if not rows.shape[1] or len(rows) == 1:
        return which
    spread = np.ptp(rows, axis=0)
    moving = spread > tolerance
    if not moving.any():
        return which
    rows = rows[:, moving]
    if rows.shape[1] > 1:
        for direction in _directions(rows.shape[1]):
            which = _refined(which, rows @ direction, tolerance)
    else:
        which = _refined(which, rows[:, 0], tolerance)
    return first_seen(which)[1]


def _refined(which: np.ndarray, numbers: np.ndarray, tolerance: float) -> np.ndarray:
    """Split classes where sorted numbers leave a gap."""
    order = np.lexsort((numbers, which))
    apart, other = np.diff(numbers[order]), np.diff(which[order]) != 0
    step = (apart > clear(np.where(other, 0.0, apart), tolerance)) | other
    found = np.empty(len(which), np.int64)
    found[order] = np.concatenate([[0], np.cumsum(step)])
    return found


def clear(steps: np.ndarray, most: float) -> float:
    """Return the largest step that is noise: at most ``most``, and with no step of nearly its size above it.

    All can be noise only if together they come to no more than twice ``most``.

    >>> clear(np.array([1e-3, 0.5, 2e-3, 0.03, 0.05]), 0.04), clear(np.array([0.01, 0.01]), 0.04)
    (0.002, 0.01)
    """
    ordered = np.sort(steps)
    for i in range(int(np.searchsorted(ordered, most, side="right")), 0, -1):
        if i == len(ordered):
            if float(ordered.sum()) <= 2 * most:
                return float(ordered[-1])
        elif ordered[i] >= CLEAR * ordered[i - 1]:
            return float(ordered[i - 1])
    return 0.0


def _directions(width: int) -> np.ndarray:
    """Two fixed random directions, scaled so that a difference in one coordinate is seen at about its size."""
    if width not in _DIRECTIONS:
        rng = np.random.default_rng(width)
        _DIRECTIONS[width] = rng.choice([-1.0, 1.0], (2, width)) * rng.uniform(0.7, 1.3, (2, width))
    return _DIRECTIONS[width]


def added(fields: Iterable[Field]) -> Field:
    """Return the sum of fields over everything that any of them depends on.

    Raises CannotDecompile where that is too large a table.
    """
    parts = list(fields)
    keys = tuple(dict.fromkeys(k for f in parts for k in f.keys))
    maps: list[np.ndarray] = []
    picks: list[dict[Any, np.ndarray]] = [{} for _ in parts]
    for k in keys:
        own = [(i, f.maps[f.keys.index(k)]) for i, f in enumerate(parts) if k in f.keys]
        joint = own[0][1]
        for _, m in own[1:]:
            joint = joint * (int(m.max()) + 1) + m
        first, classes = first_seen(joint)
        maps.append(classes)
        for i, m in own:
            picks[i][k] = m[first]
    sizes = [int(m.max()) + 1 for m in maps]
    if math.prod(sizes) > MAX_CELLS:
        raise CannotDecompile(
            f"a component reads {len(keys)} variables with {' x '.join(map(str, sizes))} combinations of values, "
            f"more than {MAX_CELLS:,}"
        )
    width = parts[0].table.shape[-1]
    total = np.zeros((*sizes, width))
    for f, pick in zip(parts, picks, strict=True):
        t = f.table
        for axis, k in enumerate(f.keys):
            t = t.take(pick[k], axis)
        order = sorted(range(len(f.keys)), key=lambda a: keys.index(f.keys[a]))
        t = t.transpose(*order, len(f.keys))
        shape = [1] * len(keys) + [width]
        for axis in order:
            shape[keys.index(f.keys[axis])] = t.shape[order.index(axis)]
        total = total + t.reshape(shape)
    return Field(keys, tuple(maps), total)


def together(fields: Iterable[Field]) -> list[Field]:
    """Add fields of the same sources, so that what is written and erased again is gone."""
    groups: dict[frozenset[Any], list[Field]] = {}
    for f in fields:
        groups.setdefault(frozenset(f.keys), []).append(f)
    return [g[0] if len(g) == 1 else added(g) for g in groups.values()]


def nested(fields: list[Field]) -> list[Field]:
    """Add what depends on part of the sources of another field to that field, so that what cancels is gone."""
    groups: list[list[Field]] = []
    for f in sorted(fields, key=lambda f: -len(f.keys)):
        for g in groups:
            if set(f.keys) <= set(g[0].keys):
                g.append(f)
                break
        else:
            groups.append([f])
    return [g[0] if len(g) == 1 else added(g) for g in groups]


def varies(field: Field, axis: int, tolerance: np.ndarray) -> np.ndarray:
    """Return which coordinates depend on a source."""
    return (np.ptp(field.table, axis=axis).reshape(-1, field.table.shape[-1]).max(0)) > tolerance
