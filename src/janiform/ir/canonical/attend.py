"""What a selection brings: the source that it is, or the position-wise function that it comes down to.

The kind of a source follows from the selection's own table and not from how a program is written: at most one key, or one
value at all of them, makes a copy; a query that only ever finds itself reads what it holds already; what depends on places
alone is a function of the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from janiform.errors import CompileError
from janiform.ir.canonical.counts import countable
from janiform.ir.canonical.mechanism import PAIR, PLACE, Grid, Kind, Selection, Source, View, source_of
from janiform.ir.canonical.prefer import preferred
from janiform.ir.canonical.reach import (
    Reach,
    alike,
    feasible,
    local,
    over_what_is_met,
    reach,
    refined,
    selectable,
)
from janiform.ir.functions import canonical, identity, order
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, combine
from janiform.ir.values import means, sums


def attend(
    selection: Selection,
    value: Quotient | None,
    values: tuple[Value, ...],
    default: Value,
    reduce: str,
    g: Grid,
    *,
    single: bool = False,
    final: bool = False,
) -> View:
    """Return what a selection brings of a value, or how many it selects where ``reduce`` is "count".

    ``value`` is a function at the key whose results are codes into ``values``; ``single`` says that it is known to come
    from one key, or to be the same at all. Rules are brought to their plainest form only where this is ``final``: which
    keys can win depends on what is told apart of their values.
    """
    selection = replace(selection, relation=feasible(selection.relation, g))
    r = reach(selection.relation, g)
    if reduce == "count":
        return _count(selection, r, g)
    assert value is not None
    if not r.high:
        return View(Quotient.constant(0), (default,))
    values, default = tuple(map(canonical, values)), canonical(default)
    if r.high <= 1:
        single, selection = True, Selection(selection.relation)
    elif selection.rule is not None:
        single = True
    elif not single and reduce in ("min", "max"):
        heights = value.then(_heights(values, reduce))
        single, selection = True, Selection(selection.relation, "largest", heights)
    if reduce != "sum" and alike(selection.relation, value, g):
        single, selection = True, Selection(selection.relation)
        if r.itself:
            return View(value, values)
    if reduce == "sum" and r.itself and alike(selection.relation, value, g):
        return _product(value, values, _count(selection, r, g))
    if final and selection.rule is not None:
        selection = preferred(selection, value, g)
        selection = replace(selection, relation=feasible(selection.relation, g))
        r = reach(selection.relation, g)
        if alike(selection.relation, value, g):
            selection = Selection(selection.relation)
            if r.itself:
                return View(value, values)
    if not r.elsewhere:
        chosen = local(selection.relation, g)
        named = (*values, default)
        return View(combine(lambda s, v: np.where(s, v, len(values)), [chosen, value]), named)
    value = refined(value, selection.relation, g)
    value = over_what_is_met(value, selectable(selection.relation, value, g), len(values))
    numeric = all(v is None or isinstance(v, int | float) for v in values)
    if reduce == "sum" and not single and not value.keys:
        return _multiple(_count(selection, r, g), values[int(value.table)], default)
    if not single and reduce == "mean" and numeric:
        whole = _all_defined(selection, value, values, default, g, final)
        if whole is not None:
            return whole
    copied = single or (reduce == "mean" and not numeric)
    placed = not r.low and reduce != "sum" and not set(selection.relation.keys) - {PAIR}
    if placed:
        found = _source(selection, value, values, default, replace(r, low=1), reduce, g, copied)
        if any(s is not PLACE for s in found.reads()):
            return _where_any(found, default, g)
    found = _source(selection, value, values, default, r, reduce, g, copied)
    if all(s is PLACE for s in found.reads()):
        return _placed(found, g)
    size = len(found.values)
    return View(Quotient.of([found], np.arange(size)), found.values)


def _count(selection: Selection, r: Reach, g: Grid) -> View:
    if r.low == r.high:
        return View(Quotient.constant(0), (r.low,))
    relation, more = countable(selection.relation, g)
    selection, r = Selection(relation), reach(relation, g)
    numbers = tuple(range(r.low, r.high + 1))
    if not r.elsewhere:
        named = tuple(w + more for w in numbers)
        return View(local(selection.relation, g).then(np.arange(2) - r.low), named)
    found = Source("count", numbers, Selection(selection.relation), depth=_depth(selection, None))
    if all(s is PLACE for s in found.reads()):
        placed = _placed(found, g)
        return View(placed.function, tuple(w + more for w in numbers))
    return View(Quotient.of([found], np.arange(len(numbers))), tuple(w + more for w in numbers))


def _source(
    selection: Selection,
    value: Quotient,
    values: tuple[Value, ...],
    default: Value,
    r: Reach,
    reduce: str,
    g: Grid,
    copied: bool,
) -> Source:
    if copied:
        return _copy(selection, value, values, default, r)
    return _average(selection, value, values, default, r, reduce, g)


def _all_defined(
    selection: Selection, value: Quotient, values: tuple[Value, ...], default: Value, g: Grid, final: bool
) -> View | None:
    """The mean of one number, undefined where any of several is: it only says whether all are defined."""
    met = {values[c] for c in value.codes.tolist() if c < len(values)}
    if None not in met or len(met) != 2:
        return None
    number = next(v for v in met if v is not None)
    flags = tuple(int(v is not None) for v in values)
    view = attend(selection, value, flags, -1, "mean", g, final=final)
    named = [number if v == 1 else default if v == -1 else None for v in view.values]
    return View(view.function, tuple(named))


def _where_any(found: Source, default: Value, g: Grid) -> View:
    """What a selection by place brings, and the default where it is known from the place that nothing is selected."""
    assert found.selection is not None
    chosen = found.selection.relation.over([PAIR], [np.arange(len(g.keys))])
    some = Quotient.of([PLACE], (np.add.reduceat(chosen, g.starts) > 0).astype(np.int64))
    n = len(found.values)
    brought = Quotient.of([found], np.arange(n))
    return View(combine(lambda e, c: np.where(e, c, n), [some, brought]), (*found.values, default))


def _product(value: Quotient, values: tuple[Value, ...], count: View) -> View:
    """The sum of what the query itself holds, as often as it is found."""
    n = len(count.values)
    names = tuple(
        None if v is None else canonical(v * w)  # type: ignore[operator]
        for v in values
        for w in count.values
    )
    return View(combine(lambda v, w: v * n + w, [value, count.function]), names)


def _multiple(count: View, number: Value, default: Value) -> View:
    """The sum of one number is so many times that number."""
    assert isinstance(number, int | float)
    names = [canonical(number * w) if w else default for w in count.values]  # type: ignore[operator]
    return View(count.function, tuple(names))


def _depth(selection: Selection, value: Quotient | None) -> int:
    parts = [selection.relation, selection.score, value]
    return 1 + max((source_of(k).depth for p in parts if p is not None for k in p.keys), default=0)


def _copy(
    selection: Selection, value: Quotient, values: tuple[Value, ...], default: Value, r: Reach
) -> Source:
    """Copies keep only values that occur; a default that is one of them has its code, what never occurs the next."""
    codes = [c for c in value.codes.tolist() if c < len(values)]
    kept = tuple(values[c] for c in codes)
    code, kept = (None, kept) if r.low else _offered(kept, default)
    to = np.full(len(values) + 1, len(kept))
    to[codes] = np.arange(len(codes))
    return Source("copy", kept, selection, value.then(to), (), code, _depth(selection, value))


def _offered(values: tuple[Value, ...], default: Value) -> tuple[int, tuple[Value, ...]]:
    known = [identity(v) for v in values]
    if identity(default) in known:
        return known.index(identity(default)), values
    return len(values), (*values, default)


def _heights(values: tuple[Value, ...], reduce: str) -> np.ndarray:
    """Rank values so that the highest is taken: undefined above all, for a minimum the smallest next."""
    ordered = sorted(range(len(values)), key=lambda i: order(values[i]), reverse=reduce == "min")
    ordered.sort(key=lambda i: values[i] is None)
    found = np.empty(len(values), np.int64)
    found[ordered] = np.arange(len(ordered))
    return found


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
    codes = [c for c in value.codes.tolist() if c < len(values)]
    numbers: tuple[Value, ...] = tuple(values[c] for c in codes)
    to = np.full(len(values) + 1, len(codes))
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
        taken = [source.numbers[i] for i in held[places].tolist()]
        if None in taken:
            return source.values.index(None)
        total = sum(float(x) for x in taken)  # type: ignore[arg-type]
        wanted = total / len(taken) if source.kind == "mean" else total
        return number[min(number, key=lambda x: abs(x - wanted))]

    return pick
