"""What of a relation counts: relations that select as many keys, and signed sums of relations that are a relation."""

from __future__ import annotations

import numpy as np

from janiform.ir.canonical.mechanism import PAIR, Grid
from janiform.ir.canonical.reach import Spread, feasible, local
from janiform.ir.quotient import Quotient, combine


def countable(relation: Quotient, g: Grid) -> tuple[Quotient, int]:
    """Return the plainest relation that selects as many keys but for a number, and that number.

    Pairs that are selected whatever stands there do not count if there are as many for every query; a query's own key
    counts where that is plainer.
    """
    more, itself = 0, Quotient.of([PAIR], (g.keys == g.queries).astype(np.int64))
    if _is_constant(local(relation, g), 1):
        other = itself.then(np.array([1, 0]))
        relation, more = feasible(combine(np.minimum, [other, relation]), g), 1
    s = Spread.of(relation, g)
    table = s.table.astype(bool)
    always = np.asarray(table.reshape(len(table), -1).all(1))[s.pair]
    own = table | ~s.together
    always[g.own] = np.asarray(own.reshape(len(own), -1).all(1))[s.own(g)]
    widths = np.add.reduceat(always.astype(np.int64), g.starts)
    if widths[0] and not (widths != widths[0]).any():
        at_pair = Quotient.of([PAIR], (~always).astype(np.int64))
        relation, more = feasible(combine(np.minimum, [at_pair, relation]), g), more + int(widths[0])
    if relation.keys and _is_constant(local(relation, g), 0):
        other = feasible(combine(np.maximum, [itself, relation]), g)
        if len(other.keys) < len(relation.keys):
            return other, more - 1
    return relation, more


def _is_constant(function: Quotient, code: int) -> bool:
    return not function.keys and int(function.table) == code


def as_relation(total: Quotient, g: Grid) -> tuple[Quotient, int, int] | None:
    """Return a signed sum of relations as a relation, 1 or -1 times it, and what a query's own key adds; None if it is none."""
    s = Spread.of(total, g)
    own, elsewhere = s.own(g), s.pair[g.keys != g.queries]
    others = set(s.table[elsewhere].ravel().tolist())
    at_own = s.table[own]
    mine = set(at_own[np.broadcast_to(s.together, (1, *s.table.shape[1:])).repeat(len(own), 0)].tolist())
    way = 1 if others <= {0, 1} else -1 if others <= {-1, 0} else 0
    if not way:
        return None
    if mine <= {0, way}:
        return feasible(Quotient(total.keys, total.maps, np.clip(way * total.table, 0, 1)), g), way, 0
    if len(mine) > 1:
        return None
    at_pair = Quotient.of([PAIR], (g.keys != g.queries).astype(np.int64))
    rest = combine(lambda t, p: np.clip(way * t, 0, 1) * p, [total, at_pair])
    return feasible(rest, g), way, mine.pop()
