"""What a selection brings: the source that it is, or the position-wise function that it comes down to.

The kind of a source follows from the selection's own table and not from how a program is written: at most one key, or one
value at all of them, makes a copy; a query that only ever finds itself reads what it holds already; what depends on places
alone is a function of the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from janiform.errors import CompileError
from janiform.ir.functions import canonical, identity
from janiform.ir.mechanism import PAIR, PLACE, Grid, Kind, Selection, Source, View, lifted, source_of
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, aligned, combine, first_seen, reduced
from janiform.ir.values import means, sums


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How many keys a relation selects: surely at least ``low``, at most ``high``.

    ``elsewhere`` says whether it can select another position than the query's own, ``itself`` whether it always does
    select that one; ``before`` and ``after`` whether it can select keys on that side.
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


def reach(relation: Quotient, g: Grid) -> Reach:
    """Count the keys that a relation selects, over every value that sources can have."""
    table, pair, at_key, at_query = _spread(relation, g)
    some, every = np.asarray(table.any(at_key)), np.asarray(table.all(at_key))
    high = np.add.reduceat(some.reshape(len(some), -1)[pair].astype(np.int64), g.starts, axis=0)
    own = _own(table, relation, at_key, at_query)
    sure = every.reshape(len(every), -1)[pair].astype(np.int64)
    sure[g.own] = own.reshape(len(own), -1)[pair[g.own]]
    low = np.add.reduceat(sure, g.starts, axis=0)
    any_at = np.asarray(some.reshape(len(some), -1).any(1))[pair]
    side = g.indices[g.keys] - g.indices[g.queries]
    return Reach(
        int(low.min()),
        int(high.max()),
        bool(sure[g.own].all()),
        bool(any_at[side < 0].any()),
        bool(any_at[side > 0].any()),
    )


def _spread(
    relation: Quotient, g: Grid
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...], list[tuple[int, Any]]]:
    """The table with pairs on its first axis, the class of each pair, the axes of keys, and those of queries."""
    table, keys = relation.table.astype(bool), list(relation.keys)
    pair = np.zeros(len(g.keys), np.int64)
    if PAIR in keys:
        i = keys.index(PAIR)
        table, pair = np.moveaxis(table, i, 0), relation.maps[i]
        keys.pop(i)
    else:
        table = table[None]
    at_key = tuple(1 + i for i, k in enumerate(keys) if k[0] == "key")
    at_query = [(1 + i, k) for i, k in enumerate(keys) if k[0] == "query"]
    return table, pair, at_key, at_query


def _own(
    table: np.ndarray, relation: Quotient, at_key: tuple[int, ...], at_query: list[tuple[int, Any]]
) -> np.ndarray:
    """Whether every key that holds what the query holds is selected, over classes of pairs and of queries."""
    shared = [
        (axis, relation.map(("key", source_of(k))), relation.map(k))
        for axis, k in at_query
        if ("key", source_of(k)) in relation.keys
    ]
    if not shared:
        return np.asarray(table.all(at_key))
    rest = [k for k in relation.keys if k is not PAIR]
    allowed = np.ones((1,) * table.ndim, bool)
    for axis, mk, mq in shared:
        source = source_of(rest[axis - 1])
        key_axis = 1 + rest.index(("key", source))
        together = np.zeros((table.shape[key_axis], table.shape[axis]), bool)
        together[mk, mq] = True
        shape = [1] * table.ndim
        shape[key_axis], shape[axis] = together.shape
        grown = together if key_axis < axis else together.T
        allowed = allowed & grown.reshape(shape)
    return np.asarray((table | ~allowed).all(at_key))


def local(relation: Quotient, g: Grid) -> Quotient:
    """Return a relation as a function of what a position holds, where key and query are that one position.

    >>> from janiform.ir.mechanism import TOKENS, grid
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
    return reduced(tuple(by_source), tuple(maps), table)


def alike(selection: Selection, value: Quotient, g: Grid) -> bool:
    """Whether all keys that a query can select hold one value, whatever sources hold."""
    if value.table.ndim == 0:
        return True
    keys, maps, (chosen, held) = aligned([selection.relation, lifted(value, "key", g)])
    axes = tuple(i for i, k in enumerate(keys) if isinstance(k, tuple) and k[0] == "key")
    top = int(held.max()) + 1
    low = np.where(chosen, held, top).min(axes)
    high = np.where(chosen, held, -1).max(axes)
    if PAIR in keys:
        before = sum(1 for i in axes if i < keys.index(PAIR))
        axis = keys.index(PAIR) - before
        low, high = (np.moveaxis(x, axis, 0)[maps[keys.index(PAIR)]] for x in (low, high))
    else:
        low, high = (np.broadcast_to(x, (len(g.keys), *x.shape)) for x in (low, high))
    low = np.minimum.reduceat(low, g.starts, axis=0)
    high = np.maximum.reduceat(high, g.starts, axis=0)
    return bool((low >= high).all())


def attend(
    selection: Selection,
    value: Quotient | None,
    values: tuple[Value, ...],
    default: Value,
    reduce: str,
    g: Grid,
    *,
    single: bool = False,
) -> View:
    """Return what a selection brings of a value, or how many it selects where ``reduce`` is "count".

    ``value`` is a function at the key whose results are codes into ``values``; ``single`` says that it is known to come
    from one key, or to be the same at all.
    """
    r = reach(selection.relation, g)
    if reduce == "count":
        return _count(selection, r, g)
    assert value is not None
    if not r.high:
        return View(Quotient.constant(0), (default,))
    selection = settled(selection, r, g)
    r = reach(selection.relation, g) if selection.rule is None else r
    single = single or r.high <= 1 or selection.rule is not None
    if (not single or selection.rule) and reduce != "sum" and alike(selection, value, g):
        single, selection = True, replace(selection, rule=None, score=None)
    values, default = tuple(map(canonical, values)), canonical(default)
    if not r.elsewhere:
        chosen = local(selection.relation, g)
        named = (*values, default)
        return View(combine(lambda s, v: np.where(s, v, len(values)), [chosen, value]), named)
    numeric = all(v is None or isinstance(v, int | float) for v in values)
    if single or (reduce == "mean" and not numeric):
        found = _copy(selection, value, values, default, r)
    elif reduce in ("min", "max"):
        found = _extreme(selection, value, values, default, r, reduce)
    else:
        found = _average(selection, value, values, default, r, reduce, g)
    if all(s is PLACE for s in found.reads()):
        return _placed(found, g)
    size = len(found.values)
    return View(Quotient.of([found], np.arange(size)), found.values)


def settled(selection: Selection, r: Reach, g: Grid) -> Selection:
    """Say by which of the plain rules a key is chosen, if one must be."""
    rule, score = selection.rule, selection.score
    if r.high <= 1 or rule is None:
        return Selection(selection.relation)
    if rule == "closest":
        if r.itself:
            own = Quotient.of([PAIR], (g.keys == g.queries).astype(np.int64))
            return Selection(combine(np.logical_and, [selection.relation, own]))
        rule = "rightmost" if not r.after else "leftmost" if not r.before else rule
    if rule == "largest":
        assert score is not None
        if not score.keys:
            rule = "leftmost"
        elif score.keys == (PLACE,):
            at = score.over([PLACE], [np.arange(len(g))])
            step = np.diff(at)[np.diff(g.indices) > 0]
            rule = "rightmost" if (step > 0).all() else "leftmost" if (step <= 0).all() else rule
    return Selection(selection.relation, rule, score if rule == "largest" else None)


def _count(selection: Selection, r: Reach, g: Grid) -> View:
    if r.low == r.high:
        return View(Quotient.constant(0), (r.low,))
    numbers = tuple(range(r.low, r.high + 1))
    if not r.elsewhere:
        return View(local(selection.relation, g).then(np.arange(2) - r.low), numbers)
    found = Source("count", numbers, Selection(selection.relation), depth=_depth(selection, None))
    if all(s is PLACE for s in found.reads()):
        return _placed(found, g)
    return View(Quotient.of([found], np.arange(len(numbers))), numbers)


def _depth(selection: Selection, value: Quotient | None) -> int:
    parts = [selection.relation, selection.score, value]
    return 1 + max((source_of(k).depth for p in parts if p is not None for k in p.keys), default=0)


def _copy(
    selection: Selection, value: Quotient, values: tuple[Value, ...], default: Value, r: Reach
) -> Source:
    """Copies keep only values that occur; a default that is one of them has its code."""
    codes = value.codes
    to = np.zeros(len(values), np.int64)
    to[codes] = np.arange(len(codes))
    kept = tuple(values[c] for c in codes)
    code, kept = (None, kept) if r.low else _offered(kept, default)
    return Source("copy", kept, selection, value.then(to), (), code, _depth(selection, value))


def _offered(values: tuple[Value, ...], default: Value) -> tuple[int, tuple[Value, ...]]:
    known = [identity(v) for v in values]
    if identity(default) in known:
        return known.index(identity(default)), values
    return len(values), (*values, default)


def _extreme(
    selection: Selection,
    value: Quotient,
    values: tuple[Value, ...],
    default: Value,
    r: Reach,
    reduce: str,
) -> Source:
    """Rank values so that the highest is taken: undefined above all, for a minimum the smallest next."""
    codes = value.codes.tolist()
    sign = 1.0 if reduce == "max" else -1.0
    strings = sorted({v for c in codes if isinstance(v := values[c], str)}, reverse=reduce == "min")

    def height(c: int) -> tuple[int, float]:
        v = values[c]
        if v is None:
            return (1, 0.0)
        return (0, float(strings.index(v))) if isinstance(v, str) else (0, sign * float(v))

    ranked = sorted(codes, key=height)
    to = np.zeros(len(values), np.int64)
    to[ranked] = np.arange(len(ranked))
    kept = tuple(values[c] for c in ranked)
    code, kept = (None, kept) if r.low else _offered(kept, default)
    return Source("extreme", kept, selection, value.then(to), (), code, _depth(selection, value))


def _average(
    selection: Selection,
    value: Quotient,
    values: tuple[Value, ...],
    default: Value,
    r: Reach,
    reduce: str,
    g: Grid,
) -> Source:
    """Means and sums range over all that numbers can make together."""
    codes = value.codes
    numbers: tuple[Value, ...] = tuple(values[c] for c in codes)
    to = np.zeros(len(values), np.int64)
    to[codes] = np.arange(len(codes))
    defined = sorted({float(v) for v in numbers if isinstance(v, int | float)})
    listed = (means if reduce == "mean" else sums)(defined, g.max_len)
    if listed is None:
        raise CompileError(
            f"a {reduce} of {len(defined)} different numbers has too many values to list; round them first"
        )
    own = {float(v): v for v in reversed(numbers) if isinstance(v, int | float)} if reduce == "mean" else {}
    named: tuple[Value, ...] = tuple(own.get(x, canonical(x)) for x in listed)
    if None in numbers:
        named = (None, *named)
    code = None
    if not r.low:
        code, named = _offered(named, default)
    kind: Kind = "mean" if reduce == "mean" else "sum"
    return Source(kind, named, selection, value.then(to), numbers, code, _depth(selection, value))


# --- what places alone decide ---------------------------------------------------------------------------------------


def _placed(source: Source, g: Grid) -> View:
    """A source that reads places alone, as a function of the place."""
    assert source.selection is not None
    chosen = source.selection.relation.over([PAIR], [np.arange(len(g.keys))]).astype(bool)
    stops = [*g.starts[1:].tolist(), len(g.keys)]
    results = []
    pick = _picker(source, g)
    for q, (start, stop) in enumerate(zip(g.starts.tolist(), stops, strict=True)):
        places = g.keys[start:stop][chosen[start:stop]]
        results.append(pick(q, places))
    return View(Quotient.of([PLACE], np.array(results)), source.values)


def _picker(source: Source, g: Grid) -> Callable[[int, np.ndarray], int]:
    """How the code of a source follows from the places that are selected."""
    low = source.values[0] if source.kind == "count" else 0
    assert source.selection is not None
    everywhere = [np.arange(len(g))]
    held = source.value.over([PLACE], everywhere) if source.value is not None else np.zeros(len(g), np.int64)
    rule, score = source.selection.rule, source.selection.score
    rank = score.over([PLACE], everywhere) if score is not None else np.zeros(len(g), np.int64)
    number = {float(v): i for i, v in reversed(list(enumerate(source.values))) if isinstance(v, int | float)}

    def pick(q: int, places: np.ndarray) -> int:
        if source.kind == "count":
            return len(places) - int(low)  # type: ignore[arg-type]
        if not len(places):
            assert source.default is not None
            return source.default
        if source.kind == "copy":
            distance = np.abs(g.indices[places] - g.indices[q])
            best = {
                "rightmost": -1,
                "closest": int(distance.argmin()),
                "largest": int(rank[places].argmax()),
            }.get(rule or "", 0)
            return int(held[places[best]])
        if source.kind == "extreme":
            return int(held[places].max())
        taken = [source.numbers[i] for i in held[places].tolist()]
        if None in taken:
            return source.values.index(None)
        total = sum(float(x) for x in taken)  # type: ignore[arg-type]
        wanted = total / len(taken) if source.kind == "mean" else total
        return number[min(number, key=lambda x: abs(x - wanted))]

    return pick


__all__ = ["Reach", "alike", "attend", "local", "reach", "settled"]
