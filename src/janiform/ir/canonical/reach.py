"""How far a relation reaches: how many keys it selects, which of them can win, and whether they hold one value.

All of it is read off the relation's own table, over every value that sources can have, but for what is certain: a query's own
key holds what the query holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.ir.canonical.mechanism import PAIR, PLACE, Grid, Source, lifted, source_of
from janiform.ir.quotient import Quotient, aligned, first_seen, reduced

LOWEST = np.iinfo(np.int64).min
HIGHEST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How many keys a relation selects: surely at least ``low``, at most ``high``.

    ``itself`` says whether a query always selects its own position, ``before`` and ``after`` whether it can select keys on
    that side.
    """

    low: int
    high: int
    itself: bool
    before: bool
    after: bool

    @property
    def elsewhere(self) -> bool:
        """Whether another position than the query's own can be selected."""
        return self.before or self.after


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """A function of pairs with classes of pairs on the first axis of its table, and the axes of keys after it.

    ``together`` says which classes at the key a query's own key can be of, for the classes of the query.
    """

    table: np.ndarray
    pair: np.ndarray
    at_key: tuple[int, ...]
    together: np.ndarray

    @classmethod
    def of(cls, function: Quotient, g: Grid) -> Spread:
        """Lay out a function of pairs."""
        table, keys, maps = function.table, list(function.keys), list(function.maps)
        pair = np.zeros(len(g.keys), np.int64)
        if PAIR in keys:
            i = keys.index(PAIR)
            table, pair = np.moveaxis(table, i, 0), maps[i]
            keys.pop(i)
            maps.pop(i)
        else:
            table = table[None]
        at_key = tuple(1 + i for i, k in enumerate(keys) if k[0] == "key")
        return cls(table, pair, at_key, _together(keys, maps, table.ndim))

    def own(self, g: Grid) -> np.ndarray:
        """The classes of each place's pair with itself."""
        return self.pair[g.own]

    def selected(self, g: Grid) -> np.ndarray:
        """Which keys are selected at each pair, a query's own only where it holds what the query does."""
        found = self.table.astype(bool)[self.pair]
        if not self.together.all():
            found[g.own] &= self.together
        return found


def _together(keys: list[Any], maps: list[np.ndarray], ndim: int) -> np.ndarray:
    allowed = np.ones((1,) * ndim, bool)
    for i, k in enumerate(keys):
        for j, q in enumerate(keys):
            if k[0] == "key" and q[0] == "query" and source_of(k) is source_of(q):
                both = np.zeros((int(maps[i].max()) + 1, int(maps[j].max()) + 1), bool)
                both[maps[i], maps[j]] = True
                shape = [1] * ndim
                shape[1 + i], shape[1 + j] = both.shape
                allowed = allowed & (both if i < j else both.T).reshape(shape)
    return allowed


def reach(relation: Quotient, g: Grid) -> Reach:
    """Count the keys that a relation selects.

    >>> from janiform.ir.canonical.mechanism import TOKENS, grid
    >>> same = Quotient.of([("key", TOKENS), ("query", TOKENS)], np.eye(3, dtype=int))
    >>> reach(same, grid(4, False)).low, reach(same, grid(4, False)).high
    (1, 4)
    """
    s = Spread.of(relation, g)
    table = s.table.astype(bool)
    some = table.any(s.at_key).reshape(len(table), -1)[s.pair]
    some[g.own] = (table & s.together).any(s.at_key).reshape(len(table), -1)[s.own(g)]
    sure = table.all(s.at_key).reshape(len(table), -1)[s.pair]
    own = (table | ~s.together).all(s.at_key).reshape(len(table), -1)[s.own(g)]
    sure[g.own] = own
    low = np.add.reduceat(sure.astype(np.int64), g.starts, axis=0)
    high = np.add.reduceat(some.astype(np.int64), g.starts, axis=0)
    at, side = some.any(1), g.indices[g.keys] - g.indices[g.queries]
    return Reach(
        int(low.min()),
        int(high.max()),
        bool(own.all()),
        bool(at[side < 0].any()),
        bool(at[side > 0].any()),
    )


def feasible(relation: Quotient, g: Grid) -> Quotient:
    """Return a relation as far as it matters: a query's own key holds what the query does.

    Where that makes places matter no more, they are left out; else what is said of the own key is said of the query.
    """
    s = Spread.of(relation, g)
    if s.together.all():
        return relation
    met = np.ones((len(s.pair), *s.table.shape[1:]), bool)
    met[g.own] = s.together
    wide = np.where(met, s.table[s.pair], HIGHEST)
    low = wide.min(0)
    rest = [(k, m) for k, m in zip(relation.keys, relation.maps, strict=True) if k is not PAIR]
    keys, maps = tuple(k for k, _ in rest), [m for _, m in rest]
    if (low >= np.where(met, s.table[s.pair], LOWEST).max(0)).all():
        return reduced(keys, tuple(maps), low)
    table = s.table[s.pair]
    for j, k in enumerate(keys):
        other = ("key", source_of(k))
        if k[0] == "query" and other in keys:
            i = keys.index(other)
            first, classes = first_seen(maps[j] * (int(maps[i].max()) + 1) + maps[i])
            table, held = table.take(maps[j][first], 1 + j), maps[i][first]
            own = np.moveaxis(table[g.own], (1 + i, 1 + j), (0, 1))[held, np.arange(len(held))]
            table = table.copy()
            table[g.own] = np.expand_dims(np.moveaxis(own, 0, j if i < j else 1 + j), 1 + i)
            maps[j] = classes
    return reduced((PAIR, *keys), (np.arange(len(s.pair)), *maps), table)


def surviving(relation: Quotient, rank: Quotient | np.ndarray, g: Grid) -> Quotient:
    """Leave out keys that lose to another one in any case.

    ``rank`` says how much a key is preferred: a function of what it holds, or a number for each pair of places.
    """
    at_key = [lifted(rank, "key", g)] if isinstance(rank, Quotient) else []
    keys, maps, columns = aligned([relation, *at_key])
    s, *others = (Spread.of(Quotient(keys, maps, np.asarray(c)), g) for c in columns)
    chosen = s.selected(g)
    height = others[0].table[s.pair] if others else np.asarray(rank).reshape(-1, *[1] * (chosen.ndim - 1))
    lowest = np.where(chosen, height, LOWEST)
    sure = lowest.min(s.at_key, keepdims=True)
    sure[g.own] = np.where(s.together, lowest[g.own], HIGHEST).min(s.at_key, keepdims=True)
    bar = np.maximum.reduceat(sure, g.starts, axis=0)[g.queries]
    kept = chosen & (height >= bar)
    if kept.sum() == chosen.sum():
        return relation
    rest = [(k, m) for k, m in zip(keys, maps, strict=True) if k is not PAIR]
    return reduced(
        (PAIR, *(k for k, _ in rest)),
        (np.arange(len(s.pair)), *(m for _, m in rest)),
        kept.astype(np.int64),
    )


def refined(function: Quotient, relation: Quotient, g: Grid) -> Quotient:
    """Return a function at the key with classes apart where the relation tells them apart."""
    maps, table = [], function.table
    for axis, (k, m) in enumerate(zip(function.keys, function.maps, strict=True)):
        other = relation.map(("key", k))
        if k is PLACE:
            joint = np.arange(len(g)) if PAIR in relation.keys else m
        else:
            joint = m if other is None else m * (int(other.max()) + 1) + other
        first, classes = first_seen(joint)
        table = table.take(m[first], axis)
        maps.append(classes)
    return Quotient(function.keys, tuple(maps), table)


def widened(function: Quotient, relation: Quotient) -> Quotient:
    """Return a function at the key over all sources at the key that a relation speaks of, too."""
    table, keys, maps = function.table, list(function.keys), list(function.maps)
    for k, m in zip(relation.keys, relation.maps, strict=True):
        if k is not PAIR and k[0] == "key" and k[1] not in keys:
            n = int(m.max()) + 1
            table = np.broadcast_to(table[..., None], (*table.shape, n))
            keys.append(k[1])
            maps.append(m)
    return Quotient(tuple(keys), tuple(maps), np.array(table, order="C"))  # a constant stays one


def selectable(relation: Quotient, function: Quotient, g: Grid) -> np.ndarray:
    """Return which cells of a function at the key can be selected at all."""
    cells = np.arange(function.table.size).reshape(function.table.shape)
    at_key = lifted(Quotient(function.keys, function.maps, cells), "key", g)
    keys, maps, columns = aligned([relation, at_key])
    chosen, cell = (Spread.of(Quotient(keys, maps, np.asarray(c)), g) for c in columns)
    found = np.zeros(function.table.size, bool)
    found[np.unique(np.broadcast_to(cell.table[cell.pair], chosen.selected(g).shape)[chosen.selected(g)])] = (
        True
    )
    return found.reshape(function.table.shape)


def over_what_is_met(function: Quotient, met: np.ndarray, never: int) -> Quotient:
    """Return a function as far as its cells are met: elsewhere its result is ``never``.

    A variable that makes no difference to what is met is left out.

    >>> f = Quotient.of("xy", np.array([[1, 2], [0, 2]]))
    >>> over_what_is_met(f, np.array([[True, True], [False, True]]), 9).keys
    ('y',)
    """
    table, keys, maps = function.table, list(function.keys), list(function.maps)
    axis = 0
    while axis < table.ndim:
        low = np.where(met, table, HIGHEST).min(axis)
        if (low >= np.where(met, table, LOWEST).max(axis)).all():
            met = np.asarray(met.any(axis))
            table = np.where(met, low, never)
            del keys[axis], maps[axis]
        else:
            axis += 1
    return reduced(tuple(keys), tuple(maps), np.where(met, table, never))


def local(relation: Quotient, g: Grid) -> Quotient:
    """Return a relation as a function of what a position holds, where key and query are that one position.

    >>> from janiform.ir.canonical.mechanism import TOKENS, grid
    >>> same = Quotient.of([("key", TOKENS), ("query", TOKENS)], np.eye(3, dtype=int))
    >>> int(local(same, grid(4, False)).table)
    1
    """
    by_source: dict[Source, list[int]] = {}
    for i, k in enumerate(relation.keys):
        by_source.setdefault(source_of(k), []).append(i)
    maps, columns = [], []
    for i, (s, axes) in enumerate(by_source.items()):
        own = [relation.maps[a][g.own] if s is PLACE else relation.maps[a] for a in axes]
        joint = own[0]
        for m in own[1:]:
            joint = joint * (int(m.max()) + 1) + m
        first, classes = first_seen(joint)
        maps.append(classes)
        shape = [1] * len(by_source)
        shape[i] = len(first)
        columns += [(a, m[first].reshape(shape)) for a, m in zip(axes, own, strict=True)]
    table = relation.table[tuple(c for _, c in sorted(columns, key=lambda x: x[0]))]
    return reduced(tuple(by_source), tuple(maps), np.asarray(table))


def alike(relation: Quotient, value: Quotient, g: Grid) -> bool:
    """Return whether all keys that a query can select hold one value."""
    if value.table.ndim == 0:
        return True
    keys, maps, columns = aligned([relation, lifted(value, "key", g)])
    chosen, held = (Spread.of(Quotient(keys, maps, np.asarray(c)), g) for c in columns)
    on, value_at = chosen.selected(g), held.table[held.pair]
    low = np.minimum.reduceat(np.where(on, value_at, HIGHEST).min(chosen.at_key), g.starts, axis=0)
    high = np.maximum.reduceat(np.where(on, value_at, LOWEST).max(chosen.at_key), g.starts, axis=0)
    return bool((low >= high).all())
