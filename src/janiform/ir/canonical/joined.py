"""Counts that are one count: what reads two of them through their sum or difference reads one, where that is a count.

How many keys are in a relation, more or less those in another, is how many are in a third wherever the sum at each pair is 0 or 1.
"""

from __future__ import annotations

import itertools

import numpy as np

from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.counts import as_relation
from janiform.ir.canonical.mechanism import PLACE, Grid, Selection, Source
from janiform.ir.quotient import Quotient, combine, compose


def joined(function: Quotient, g: Grid) -> Quotient:
    """Return a function of counts that reads two of them through their sum or difference as one of the count that this is.

    The input's length is a count, too.
    """
    counts = [k for k in function.keys if isinstance(k, Source) and k.kind == "count"]
    lengths = [PLACE] if _by_length(function, g) else []
    for a, b in [*itertools.combinations(counts, 2), *itertools.product(lengths, counts)]:
        for ways in ((1, 1), (1, -1), (-1, 1)):
            total = combine(lambda x, y, w=ways: w[0] * x + w[1] * y, [_relation(a), _relation(b)])  # type: ignore[misc]
            found = as_relation(total, g)
            if found is None:
                continue
            relation, way, more = found
            view = attend(Selection(relation), None, (), None, "count", g)
            numbers = np.array([way * v + more for v in view.values])  # type: ignore[operator]
            through = _through(function, a, b, ways, numbers, g)
            if through is not None:
                table, others = through
                rest = [Quotient((k,), (m,), np.arange(int(m.max()) + 1)) for k, m in others]
                return joined(compose(table, [view.function, *rest]), g)
    return function


def _relation(s: Source) -> Quotient:
    return Quotient.constant(1) if s.selection is None else s.selection.relation


def _by_length(function: Quotient, g: Grid) -> bool:
    """Whether places matter by the input's length alone."""
    if g.causal or PLACE not in function.keys:
        return False
    classes = function.classes(PLACE)
    at = np.zeros(g.max_len + 1, np.int64)
    at[g.lengths] = classes
    return bool((at[g.lengths] == classes).all())


def _through(
    function: Quotient, a: Source, b: Source, ways: tuple[int, int], numbers: np.ndarray, g: Grid
) -> tuple[np.ndarray, list[tuple[object, np.ndarray]]] | None:
    """The function's table over ``numbers`` and its other variables, if it depends on two counts through their sum alone."""
    axes = [function.keys.index(k) for k in (a, b)]
    rest = [i for i in range(len(function.keys)) if i not in axes]
    sizes, columns = [], []
    for k, axis in zip((a, b), axes, strict=True):
        m = function.maps[axis]
        if k is PLACE:
            sizes.append(np.arange(1, g.max_len + 1))
            columns.append(np.array([m[np.flatnonzero(g.lengths == n)[0]] for n in sizes[-1].tolist()]))
        else:
            sizes.append(np.array(k.values))
            columns.append(m)
    wide = function.table.transpose(*axes, *rest)[np.ix_(*columns)].reshape(len(sizes[0]) * len(sizes[1]), -1)
    sums = (ways[0] * sizes[0][:, None] + ways[1] * sizes[1][None, :]).ravel()
    rows = np.zeros((len(numbers), wide.shape[1]), np.int64)
    for i, n in enumerate(numbers.tolist()):
        met = wide[sums == n]
        if not len(met) or (met != met[0]).any():
            return None
        rows[i] = met[0]
    others = [(function.keys[i], function.maps[i]) for i in rest]
    return rows.reshape(len(numbers), *(function.table.shape[i] for i in rest)), others
