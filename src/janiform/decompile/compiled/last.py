"""The output variable, where the unembedding is missing or reads something else.

A compiled model ends where its output is written: whatever its last component writes, nothing reads after it. So an
unembedding that reads nothing of that, or whose classes are level on some input, is not the model's own; the last
component's dimensions are the classes then, in their order, where it has dimensions for itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.fields import added, alike
from janiform.decompile.compiled.network import Network
from janiform.decompile.compiled.outputs import Outlet, is_number
from janiform.decompile.compiled.stream import Stream
from janiform.ir.nodes import Value

LEVEL = 1e-2
"""Logits closer than this, beside the largest, are level."""

NOTHING = 1e-2
"""Where no more than this is written, beside the largest, nothing is."""


def reads_last(stream: Stream, net: Network) -> bool:
    """Return whether the unembedding reads what the last component wrote, and decides for one class everywhere."""
    assert net.W_U is not None and net.b_U is not None
    written = last_vectors(stream)
    if np.abs(written @ net.W_U).max(initial=0.0) <= stream.tolerance * np.abs(written).max(initial=0.0):
        return not len(written) and bool(net.W_U.any())
    if net.W_U.shape[1] == 1:
        return True
    parts, constant = stream.read(net.W_U, net.b_U)
    logits = added(parts).plus(constant)
    if net.W_U.shape[1] == 2 and is_number(logits):
        return True
    ordered = np.sort(logits.rows(), axis=1)
    return bool((ordered[:, -1] - ordered[:, -2] > LEVEL * np.abs(ordered).max()).all())


def last_variable(stream: Stream, classes: tuple[Value, ...] | None) -> Outlet:
    """Return the columns that read what the last component wrote: its dimensions, or one for each of its values.

    Where ``classes`` are known and are more, dimensions beside those that nobody ever writes are values that do not occur.
    Where nothing may be written at all, that is a class too, the first one, which is undefined: how softmax rounds decides nothing.
    Raises CannotDecompile where nothing is written after the embeddings.
    """
    written = last_vectors(stream)
    if not len(written):
        raise CannotDecompile(
            "no component writes anything, so none of its variables is known for the output"
        )
    size = float(np.abs(written).max())
    dims = np.flatnonzero(np.abs(written).max(0) > 1e-3 * size)
    others = other_vectors(stream)
    d = written.shape[1]
    if len(dims) < d and np.abs(others[:, dims]).max(initial=0.0) <= 1e-3 * np.abs(others).max(initial=1.0):
        W_U = np.eye(d)[:, dims if classes is None else _filled(dims, others, len({*classes} - {None}))]
    else:
        W_U = _apart(written, others, size)
    b_U = np.zeros(W_U.shape[1])
    if W_U.shape[1] == 1:
        return Outlet("output", W_U, b_U, "number")
    parts, constant = stream.read(W_U, b_U)
    rows = added(parts).plus(constant).rows()
    sizes, heights = np.abs(rows).max(1), rows.max(1)
    empty = sizes <= NOTHING * sizes.max(initial=0.0)
    low = float(heights[empty].max(initial=-np.inf))
    least = float(heights[~empty].min(initial=np.inf))
    high = least / stream.grid.max_len if stream.lenient else least  # who is trusted to copy may average
    if not -np.inf < low < high < np.inf:
        return Outlet("output", W_U, b_U, "category")
    bar = np.array([(low + high) / 2, *b_U])
    return Outlet("output", np.pad(W_U, ((0, 0), (1, 0))), bar, "category", (None,))


def _filled(dims: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    """The block of as many dimensions as there are classes that nobody else writes, where there is just one such."""
    if len(dims) >= classes:
        return dims
    taken = np.abs(others).max(0, initial=0.0) > 0
    starts = range(max(0, int(dims[-1]) - classes + 1), min(int(dims[0]), len(taken) - classes) + 1)
    free = [i for i in starts if not taken[i : i + classes].any()]
    return np.arange(free[0], free[0] + classes) if len(free) == 1 else dims


def _apart(written: np.ndarray, others: np.ndarray, size: float) -> Float[np.ndarray, "d_model value"]:
    """Columns that are 1 on one value each, 0 on the others and on what other components write, as far as that can be."""
    which = alike(written, 1e-3 * size)
    values = np.array([written[np.flatnonzero(which == i)[0]] for i in range(int(which.max()) + 1)])
    values = values[np.abs(values).max(1) > 1e-3 * size]
    basis = np.concatenate([values, others])
    wanted = np.concatenate([np.eye(len(values)), np.zeros((len(others), len(values)))])
    found, *_ = np.linalg.lstsq(basis, wanted, rcond=1e-6)
    off = float(np.abs(values @ found - np.eye(len(values))).max())
    if off > 0.1:
        raise CannotDecompile("the output's values cannot be told apart from other variables", off)
    return found


def last_vectors(stream: Stream) -> Float[np.ndarray, "cell d_model"]:
    """Return every vector that the last component can write."""
    fields, averages = stream.last
    rows = [f.rows() for f in stream.fields[fields:]] + [a.vectors for a in stream.averages[averages:]]
    return np.concatenate([np.zeros((0, len(stream.constant))), *rows])


def other_vectors(stream: Stream) -> Float[np.ndarray, "cell d_model"]:
    """Return every vector that any other component can write."""
    fields, averages = stream.last
    rows = [f.rows() for f in stream.fields[:fields]] + [a.vectors for a in stream.averages[:averages]]
    return np.concatenate([np.zeros((0, len(stream.constant))), *rows])
