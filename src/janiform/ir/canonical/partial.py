"""Tables of which some cells are free: no input meets them, so they may say anything. They hold -1.

Rows that say nothing different can be one, and a variable whose rows can all be one makes no difference. Which free cell is
joined to which met one is decided in a fixed order, so equal tables come out equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, first_seen, reduced

FREE = -1


def settled(
    function: Quotient, names: Sequence[tuple[Value, ...]]
) -> tuple[Quotient, list[tuple[Value, ...]]]:
    """Return a function over the values that are met, without variables that need make no difference to them.

    >>> table = np.array([[0, 0, FREE], [FREE, 1, 1], [FREE, FREE, FREE]])
    >>> found, names = settled(Quotient(("x", "y"), (np.arange(3), np.arange(3)), table), [(5, 6, 7), (1, 2, 3)])
    >>> found.keys, found.table.tolist(), names
    (('x',), [0, 1], [(5, 6)])
    """
    if not is_partial(function):
        tidy = reduced(function.keys, function.maps, function.table)
        if len(tidy.keys) == len(function.keys):
            return function, list(names)
        return tidy, [n for k, n in zip(function.keys, names, strict=True) if k in tidy.keys]
    table, keys, maps, kept = function.table, list(function.keys), list(function.maps), list(names)
    for axis in range(table.ndim):
        known = (np.moveaxis(table, axis, 0) != FREE).reshape(table.shape[axis], -1).any(1)
        there = np.flatnonzero(known[maps[axis]])
        first, classes = first_seen(maps[axis][there])
        table = table.take(maps[axis][there][first], axis)
        maps[axis], kept[axis] = classes, tuple(kept[axis][i] for i in there.tolist())
    for axis in reversed(range(table.ndim)):
        if (((row := table.max(axis, keepdims=True)) == table) | (table == FREE)).all():
            table = row.take(0, axis)
            del keys[axis], maps[axis], kept[axis]
    return Quotient(tuple(keys), tuple(maps), table), kept


def is_partial(function: Quotient) -> bool:
    """Return whether a function has free cells."""
    return bool((np.asarray(function.table) == FREE).any())


def merged(function: Quotient) -> Quotient:
    """Return a function in which classes that say nothing different are one.

    >>> merged(Quotient(("x",), (np.arange(3),), np.array([0, 1, 0]))).maps[0].tolist()
    [0, 1, 0]
    """
    table, maps = function.table, list(function.maps)
    for axis in reversed(range(table.ndim)):
        rows = np.moveaxis(table, axis, 0)
        joined, which = compatible(rows.reshape(len(rows), -1))
        table = np.moveaxis(joined.reshape(len(joined), *rows.shape[1:]), 0, axis)
        maps[axis] = which[maps[axis]]
    return Quotient(function.keys, tuple(maps), table)


def where(function: Quotient, key: object, values: np.ndarray) -> Quotient:
    """Return a function where a variable has some of its values, which say nothing different.

    >>> where(Quotient(("x", "y"), (np.arange(2), np.arange(2)), np.array([[0, FREE], [FREE, 1]])), "x", np.arange(2)).table.tolist()
    [0, 1]
    """
    axis = function.keys.index(key)
    table = function.table.take(np.unique(function.maps[axis][values]), axis).max(axis)
    keys = tuple(k for k in function.keys if k is not key)
    return reduced(keys, tuple(m for i, m in enumerate(function.maps) if i != axis), table)


def whole(function: Quotient) -> Quotient:
    """Return a function in which free cells say what met ones near them say."""
    table, classes = filled(function.table)
    maps = tuple(c[m] for c, m in zip(classes, function.maps, strict=True))
    return Quotient(function.keys, maps, table)


def filled(table: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a table without cells of -1, and the class of each row along each axis.

    Rows become one where they say nothing different; what then is still unsaid is said like the nearest cell on an axis.

    >>> table, classes = filled(np.array([[0, 1, -1], [-1, 1, 2], [3, -1, 2]]))
    >>> table.tolist(), [c.tolist() for c in classes]
    ([[0, 1, 2], [3, 3, 2]], [[0, 0, 1], [0, 1, 2]])
    """
    classes = [np.arange(n) for n in table.shape]
    before = 0
    while table.size != before and (table < 0).any():
        before = table.size
        for axis in reversed(range(table.ndim)):
            rows = np.moveaxis(table, axis, 0)
            kept, which = compatible(rows.reshape(len(rows), -1))
            table = np.moveaxis(kept.reshape(len(kept), *rows.shape[1:]), 0, axis)
            classes[axis] = which[classes[axis]]
    while (table < 0).any():
        for axis in reversed(range(table.ndim)):
            table = _along(table, axis)
    return table, classes


def compatible(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join each row to the first one before it that says nothing different, and return what is left and which each row became."""
    kept = rows[:0]
    which = np.zeros(len(rows), np.int64)
    for i, row in enumerate(rows):
        fits = ((kept == row) | (kept < 0) | (row < 0)).all(1)
        if fits.any():
            which[i] = k = int(fits.argmax())
            kept[k] = np.where(kept[k] < 0, row, kept[k])
        else:
            which[i] = len(kept)
            kept = np.concatenate([kept, row[None]])
    return kept, which


def _along(table: np.ndarray, axis: int) -> np.ndarray:
    """Fill each cell like the nearest that is known along one axis."""
    lines = np.moveaxis(table, axis, -1)
    n = lines.shape[-1]
    far = np.where(lines[..., None, :] >= 0, np.abs(np.subtract.outer(np.arange(n), np.arange(n))), n)
    near = np.take_along_axis(lines, far.argmin(-1), -1)
    return np.moveaxis(np.where(lines >= 0, lines, near), -1, axis)
