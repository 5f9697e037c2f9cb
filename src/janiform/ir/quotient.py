"""Functions of finite variables, written so that equal functions are equal arrays.

A *quotient* merges, for each variable, the values that the function does not tell apart, and leaves out variables on which
it does not depend. What remains is a table over classes, numbered in the order in which a variable's values meet them, so
two functions of the same variables are equal exactly where their maps and tables are. Composition never writes out more
than the classes: a comparison of two means of a hundred values each, tested against a flag, is a table of four cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.errors import CompileError

MAX_CELLS = 1 << 19
"""The largest table that a composition writes out."""

MANY = 96
"""From so many rows on they are told apart by sorting."""


@dataclass(frozen=True, slots=True, eq=False)
class Quotient:
    """``table[maps[0][x0], maps[1][x1], ..]`` is the code of the result, where ``xi`` is the code of variable ``keys[i]``.

    >>> parity = Quotient.of(["x"], np.array([0, 1, 0, 1]))
    >>> parity.maps[0].tolist(), parity.table.tolist()
    ([0, 1, 0, 1], [0, 1])
    """

    keys: tuple[Any, ...]
    maps: tuple[np.ndarray, ...]
    table: np.ndarray

    @classmethod
    def of(cls, keys: Iterable[Hashable], table: np.ndarray) -> Quotient:
        """Return the function whose results over the codes of ``keys`` are ``table``."""
        return reduced(tuple(keys), tuple(np.arange(n) for n in table.shape), table)

    @classmethod
    def constant(cls, code: int) -> Quotient:
        """Return the function of nothing."""
        return cls((), (), np.array(code))

    @property
    def codes(self) -> np.ndarray:
        """The different results, ascending."""
        return np.unique(self.table)

    def classes(self, key: Hashable) -> np.ndarray:
        """The classes of a variable that the function depends on."""
        return self.maps[self.keys.index(key)]

    def map(self, key: Hashable) -> np.ndarray | None:
        """The classes of a variable, or None where the function does not depend on it."""
        return self.maps[self.keys.index(key)] if key in self.keys else None

    def then(self, to: np.ndarray) -> Quotient:
        """Return ``to[self]``."""
        return reduced(self.keys, self.maps, to[self.table.astype(np.intp, copy=False)])

    def at(self, key: Hashable, codes: np.ndarray, new: Hashable) -> Quotient:
        """Return the function with ``codes[y]`` of variable ``new`` in place of the code of variable ``key``."""
        if key not in self.keys:
            return self
        i = self.keys.index(key)
        maps = (*self.maps[:i], self.maps[i][codes], *self.maps[i + 1 :])
        return reduced((*self.keys[:i], new, *self.keys[i + 1 :]), maps, self.table)

    def over(self, keys: Sequence[Hashable], codes: Sequence[np.ndarray]) -> np.ndarray:
        """Return the results where variable ``keys[i]`` has the codes ``codes[i]``, arrays that broadcast together."""
        where = dict(zip(keys, codes, strict=True))
        shape = np.broadcast_shapes(*(c.shape for c in codes)) if codes else ()
        return np.broadcast_to(
            self.table[tuple(m[where[k]] for k, m in zip(self.keys, self.maps, strict=True))], shape
        )

    def full(self, keys: Sequence[Hashable], sizes: Sequence[int]) -> np.ndarray:
        """Return the table over all codes of ``keys``, of which there are ``sizes``."""
        return self.over(keys, [np.arange(n).reshape(_axis(i, len(sizes))) for i, n in enumerate(sizes)])


def compose(table: np.ndarray, parts: Sequence[Quotient]) -> Quotient:
    """Return ``table[parts[0], parts[1], ..]`` as a function of all that the parts depend on.

    Raises CompileError where this would take more than ``MAX_CELLS`` cells.

    >>> x, y = Quotient.of("x", np.arange(3)), Quotient.of("y", np.arange(3))
    >>> less = compose(np.arange(3)[:, None] < np.arange(3)[None, :], [x, y])
    >>> compose(np.array([[0, 1], [1, 1]]), [less, less]).table.tolist()
    [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    """
    if len(parts) == 1:
        return parts[0].then(table)
    keys, maps, columns = aligned(parts)
    return reduced(keys, maps, table[tuple(c.astype(np.intp, copy=False) for c in columns)])


def combine(operate: Callable[..., np.ndarray], parts: Sequence[Quotient]) -> Quotient:
    """Return an array function of the parts' results, such as ``numpy.logical_and``."""
    keys, maps, columns = aligned(parts)
    return reduced(keys, maps, np.asarray(operate(*columns)))


def aligned(
    parts: Sequence[Quotient],
) -> tuple[tuple[Any, ...], tuple[np.ndarray, ...], list[np.ndarray]]:
    """Return common variables and classes of several functions, and the table of each over them."""
    keys = tuple(dict.fromkeys(k for p in parts for k in p.keys))
    maps: list[np.ndarray] = []
    of_part: list[dict[Hashable, np.ndarray]] = [{} for _ in parts]
    for k in keys:
        own = [(i, m) for i, p in enumerate(parts) if (m := p.map(k)) is not None]
        if len(own) == 1 or all(m is own[0][1] for _, m in own):
            maps.append(own[0][1])
            continue
        joint = own[0][1]
        for _, m in own[1:]:
            joint = joint * (int(m.max()) + 1) + m
        first, classes = first_seen(joint)
        maps.append(classes)
        for i, m in own:
            of_part[i][k] = m[first]
    sizes = [int(m.max()) + 1 for m in maps]
    cells = math.prod(sizes)
    if cells > MAX_CELLS:
        raise CompileError(
            f"a function of {len(keys)} variables has {' x '.join(map(str, sizes))} = {cells:,} combinations of values "
            f"that it may tell apart, more than {MAX_CELLS:,}; use a smaller vocabulary or maximum length"
        )
    columns = []
    for p, picks in zip(parts, of_part, strict=True):
        t = p.table
        for axis, k in enumerate(p.keys):
            if k in picks:
                t = t.take(picks[k], axis)
        order = sorted(range(len(p.keys)), key=lambda a: keys.index(p.keys[a]))
        t = t.transpose(order)
        shape = [1] * len(keys)
        for axis in order:
            i = keys.index(p.keys[axis])
            shape[i] = sizes[i]
        columns.append(np.broadcast_to(t.reshape(shape), sizes))
    return keys, tuple(maps), columns


def reduced(keys: tuple[Any, ...], maps: tuple[np.ndarray, ...], table: np.ndarray) -> Quotient:
    """Merge the classes that a table does not tell apart, number the rest as they appear, and drop single ones."""
    kept_keys, kept_maps = [], []
    axis = 0
    for key, m in zip(keys, maps, strict=True):
        first, place = first_seen(m)  # classes that occur, in the order in which they do
        table = table.take(m[first], axis)
        rows = table
        if table.ndim > 1:
            turned = table.transpose(axis, *range(axis), *range(axis + 1, table.ndim)) if axis else table
            rows = turned.reshape(len(first), -1)
        chosen, which = first_rows(rows)
        if len(chosen) == 1:
            table = table.take(0, axis)
            continue
        if len(chosen) < len(first):
            table = table.take(chosen, axis)
            place = which[place]
        kept_keys.append(key)
        kept_maps.append(place)
        axis += 1
    return Quotient(tuple(kept_keys), tuple(kept_maps), table)


def first_seen(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each different code first stands, and each code's number in that order.

    >>> [x.tolist() for x in first_seen(np.array([5, 2, 5, 9]))]
    [[0, 1, 3], [0, 1, 0, 2]]
    """
    if len(codes) > MANY:
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return first[order], rank[inverse]
    number: dict[int, int] = {}
    first_at: list[int] = []
    which: list[int] = []
    for i, c in enumerate(codes.tolist()):
        j = number.setdefault(c, len(first_at))
        if j == len(first_at):
            first_at.append(i)
        which.append(j)
    return np.array(first_at, np.int64), np.array(which, np.int64)


def first_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each different row of a table first stands, and which of them, in that order, each row is.

    >>> [x.tolist() for x in first_rows(np.array([[1, 2], [3, 4], [1, 2]]))]
    [[0, 1], [0, 1, 0]]
    """
    if rows.ndim == 1:
        return first_seen(rows)
    if len(rows) > MANY:
        wide = np.ascontiguousarray(rows)
        _, inverse = np.unique(wide.view([("", wide.dtype)] * wide.shape[1]).ravel(), return_inverse=True)
        return first_seen(inverse)
    number: dict[bytes, int] = {}
    first: list[int] = []
    which: list[int] = []
    content = np.ascontiguousarray(rows).tobytes()
    width = len(content) // max(len(rows), 1)
    for i in range(len(rows)):
        j = number.setdefault(content[i * width : (i + 1) * width], len(first))
        if j == len(first):
            first.append(i)
        which.append(j)
    return np.array(first, np.int64), np.array(which, np.int64)


def _axis(i: int, n: int) -> tuple[int, ...]:
    return tuple(-1 if j == i else 1 for j in range(n))
