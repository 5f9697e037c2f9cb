"""Several sources that are read as one: counts whose sum is a count, and a mean times its count, which is a sum.

A selection that fits into no single head is counted by inclusion and exclusion, and a sum is a mean times a count; what reads them
reads the result alone. Both are seen in what is read: parts that are straight lines of counts with equal slopes, and a
product that is straight in either factor.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.fields import Field
from janiform.decompile.compiled.fields import alike as numbered
from janiform.decompile.compiled.numbers import wholes
from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.counts import as_relation, countable
from janiform.ir.canonical.mechanism import PAIR, PLACE, Grid, Selection, Source, View
from janiform.ir.canonical.reach import local
from janiform.ir.functions import canonical
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, combine

NEAR = 1e-3
"""How far from a straight line, beside its rise, a part may be; under noise as far as ``LOOSE`` tolerances."""

LOOSE, FAR = 5.0, 0.1
"""So many tolerances, but never more than so far."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A part that is a straight line of a count: its relation, where it starts, and its slope."""

    relation: Quotient
    start: np.ndarray
    slope: np.ndarray
    less: bool = False
    """Whether another count was subtracted."""


def _near(tolerance: float) -> float:
    """How far from a line is near, for what is taken for noise."""
    return min(LOOSE * tolerance, FAR) if tolerance >= NEAR else NEAR


def join_counts(parts: list[Field], placed: list[Quotient], g: Grid, tolerance: float = NEAR) -> list[Field]:
    """Write lines of several counts as a line of one, where their signed sum counts a selection of its own.

    ``placed`` are the relations of places that heads count: what they write is a number that the place decides.
    """
    near = _near(tolerance)
    kept = list(parts)
    lines = {i: line for i, f in enumerate(parts) if (line := as_line(f, near)) is not None}
    places = [i for i, f in enumerate(parts) if f.keys == (PLACE,)]
    others = [i for i, f in enumerate(parts) if f.keys and i not in lines]
    while True:
        found = None
        for i, j in itertools.combinations(sorted(lines), 2):
            found = found or _with(_joined(lines[i], lines[j], g, near), i, j)
        for i, j in itertools.product(sorted(lines), places):
            found = found or _with(_with_places(lines[i], kept[j], placed, g, near), i, j)
        for i, j in itertools.product(sorted(lines), others):
            found = found or _with(_without_own(lines[i], kept[j], g, near), i, j)
        if found is None:
            return kept
        (line, rest), i, j = found
        view = attend(Selection(line.relation), None, (), None, "count", g)
        numbers = np.array(view.values, float)
        kept[i], lines[i] = Field.of(view.function, line.start + numbers[:, None] * line.slope), line
        kept[j] = rest
        lines.pop(j, None)
        places, others = [p for p in places if p != j], [p for p in others if p != j]


def _with(
    found: Line | tuple[Line, Field] | None, i: int, j: int
) -> tuple[tuple[Line, Field], int, int] | None:
    if found is None:
        return None
    line, rest = found if isinstance(found, tuple) else (found, Field.constant(np.zeros_like(found.start)))
    return (line, rest), i, j


def as_line(f: Field, near: float = NEAR) -> Line | None:
    """Return a part as a line of the one count that it depends on."""
    if len(f.keys) != 1 or f.keys[0].kind != "count":
        return None
    (s,), (m,) = f.keys, f.maps
    numbers, rows = np.array(s.values, float), f.table[m]
    low, high = int(numbers.argmin()), int(numbers.argmax())
    slope = (rows[high] - rows[low]) / (numbers[high] - numbers[low])
    start = rows[low] - numbers[low] * slope
    off = np.abs(rows - start - numbers[:, None] * slope).max()
    if off > near * np.abs(slope).max():
        return None
    return Line(s.selection.relation, start, slope)


def _with_places(
    a: Line, f: Field, placed: list[Quotient], g: Grid, near: float
) -> tuple[Line, Field] | None:
    """One line for a count and for keys that are selected by place, or of which those it counts are left out.

    What remains of the part is no more than it was: nothing at all, or what is told apart of fewer places.
    """
    rows = f.table[f.maps[0]]
    size = float(np.abs(a.slope).max())
    for relation in placed:
        chosen = relation.over([PAIR], [np.arange(len(g.keys))])
        widths = np.add.reduceat(chosen.astype(np.int64), g.starts)
        for sign in (1, -1):
            rest = rows - sign * widths[:, None] * a.slope
            pure = float(np.ptp(rest, axis=0).max()) <= near * 10 * size
            fewer = int(numbered(rest, near * size).max()) < int(numbered(rows, near * size).max())
            if not (pure or (fewer and (a.less or sign < 0))):
                continue
            total = combine(lambda r, s, sign=sign: r + sign * s, [relation, a.relation])  # type: ignore[misc]
            found = as_relation(total, g)
            if found is None or found[1] != 1:
                continue
            line = Line(found[0], a.start + sign * found[2] * a.slope, sign * a.slope, a.less)
            return line, Field((PLACE,), (np.arange(len(g)),), rest) if not pure else Field.constant(rest[0])
    return None


def _without_own(a: Line, f: Field, g: Grid, near: float) -> Line | None:
    """One line for a count less one where a query selects its own key."""
    own = local(a.relation, g)
    size = float(a.slope @ a.slope)
    start = f.table.reshape(-1, len(a.slope))[0]
    less = -(f.table - start) @ a.slope / size
    if (
        not own.keys
        or np.abs(f.table - start + less[..., None] * a.slope).max() > near * np.abs(a.slope).max()
    ):
        return None
    low = round(float(less.min()))
    held = Quotient(f.keys, f.maps, np.round(less - low).astype(np.int64))
    if np.abs(less - low - held.table).max() > near or not _equal(held, own):
        return None
    elsewhere = Quotient.of([PAIR], (g.keys != g.queries).astype(np.int64))
    total = combine(np.minimum, [a.relation, elsewhere])
    return Line(total, a.start + start - low * a.slope, a.slope)


def _equal(a: Quotient, b: Quotient) -> bool:
    """Whether two functions are one."""
    both = combine(lambda x, y: (x != y).astype(np.int64), [a, b])
    return not both.keys and not int(both.table)


def _ever(relation: Quotient, g: Grid) -> np.ndarray:
    """At which pairs of places a relation can select at all."""
    if PAIR not in relation.keys:
        return np.full(len(g.keys), bool(relation.table.any()))
    axis = relation.keys.index(PAIR)
    table = np.moveaxis(relation.table, axis, 0).reshape(relation.table.shape[axis], -1)
    return np.asarray(table.any(1))[relation.maps[axis]]


def _joined(a: Line, b: Line, g: Grid, near: float) -> Line | None:
    """One line of a count for two, if there is one."""
    size = float(a.slope @ a.slope)
    ratio = float(a.slope @ b.slope) / size
    sign = round(ratio)
    if abs(sign) != 1 or np.abs(b.slope - sign * a.slope).max() > near * np.abs(a.slope).max() * 10:
        return None
    total = combine(lambda x, y: x.astype(np.int64) + sign * y.astype(np.int64), [a.relation, b.relation])
    found = as_relation(total, g)
    if found is None:
        return None
    relation, way, more = found
    less = a.less or b.less or sign < 0
    return Line(relation, a.start + b.start + more * a.slope, way * a.slope, less)


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """What a mean or sum source is made of."""

    selection: Selection
    value: Quotient
    numbers: tuple[Value, ...]


def join_products(f: Field, averaged: dict[Source, Averaged], g: Grid, tolerance: float = NEAR) -> Field:
    """Write a mean times a count under one selection as a sum, and ask of a sum's count only whether it is 0."""
    near = _near(tolerance)
    for m, c in itertools.permutations(f.keys, 2):
        if m.kind not in ("mean", "sum", "copy") or (m.kind != "copy" and m not in averaged):
            continue
        assert m.selection is not None
        widths = None if m.selection.rule else _widths(c, m.selection.relation, g)
        if widths is None:
            continue
        if m.kind == "sum":
            found = _defaulted(f, m, c, widths, averaged, g)
        else:
            found = _summed(f, m, c, widths, averaged, g, near)
        if found is not None:
            return join_products(found, averaged, g, tolerance)
    return f


def _widths(c: Source, relation: Quotient, g: Grid) -> np.ndarray | None:
    """How many keys a relation selects for each code of a source, if that says so."""
    fewer, more = countable(relation, g)
    if c.kind == "count" and same_relation(fewer, c.selection.relation):  # type: ignore[union-attr]
        return np.array(c.values, float) + more
    if c is PLACE and all(k is PAIR for k in relation.keys):
        chosen = relation.over([PAIR], [np.arange(len(g.keys))])
        return np.add.reduceat(chosen.astype(np.int64), g.starts).astype(float)
    return None


def same_relation(a: Quotient, b: Quotient) -> bool:
    """Whether two relations select the same pairs."""
    return set(a.keys) == set(b.keys) and _equal(a, b)


def _last(f: Field, *sources: Source) -> tuple[np.ndarray, list[Source], list[np.ndarray]]:
    """The table with the axes of given sources moved to the front, and the keys and maps of the others."""
    axes = [f.keys.index(s) for s in sources]
    table = np.moveaxis(f.table, axes, range(len(axes)))
    rest = [i for i in range(len(f.keys)) if i not in axes]
    return table, [f.keys[i] for i in rest], [f.maps[i] for i in rest]


def _put(view: View, rows: np.ndarray, keys: list[Source], maps: list[np.ndarray]) -> Field | None:
    """A field of a view's source and others, from rows for the view's values."""
    if len(view.function.keys) != 1 or view.function.keys[0] is PLACE:
        return None
    source, codes = view.function.keys[0], view.function.table[view.function.maps[0]]
    return Field((source, *keys), (codes, *maps), rows)


def _summed(
    f: Field, m: Source, c: Source, w: np.ndarray, averaged: dict[Source, Averaged], g: Grid, near: float
) -> Field | None:
    """The sum whose mean, or whose one value, times its count a field is a straight line of."""
    table, keys, maps = _last(f, m, c)
    rows = table[f.maps[f.keys.index(m)]][:, f.maps[f.keys.index(c)]]
    some = np.argsort(w, kind="stable")
    some = some[w[some] > 0]
    if not len(some) or w[some[0]] == w[some[-1]]:
        return None
    wide = (1, -1, *[1] * (rows.ndim - 2))
    beside = w[some] - w[some].mean()
    lift = np.tensordot(rows[:, some], beside / (beside @ beside), ([1], [0]))
    base = (rows[:, some].mean(1) - w[some].mean() * lift).mean(0)
    made = base + w[some].reshape(wide) * lift[:, None]
    scale = np.abs(rows - base).max()
    if np.abs(made - rows[:, some]).max() > near * scale:
        return None
    found = _numbers(m, lift, averaged, near)
    if found is None:
        return None
    known, slope = found
    view = attend(known.selection, known.value, known.numbers, 0, "sum", g)
    sums = np.array(view.values, float)
    field = _put(view, base + sums.reshape(-1, *[1] * (rows.ndim - 2)) * slope, keys, maps)
    if field is not None:
        averaged[field.keys[0]] = known
    return field


def _numbers(
    m: Source, lift: np.ndarray, averaged: dict[Source, Averaged], near: float
) -> tuple[Averaged, np.ndarray] | None:
    """The numbers that are added, from what each value of a mean or copy adds per key, and what 1 adds."""
    flat = lift.reshape(len(lift), -1)
    if m.kind == "mean":
        x = np.array(m.values, float)
        low, high = int(x.argmin()), int(x.argmax())
        slope = (flat[high] - flat[low]) / (x[high] - x[low])
        start = flat[low] - x[low] * slope
        size = float(slope @ slope)
        beta = float(start @ slope) / size if size else 0.0
        plain = round(beta * 60) / 60
        line = (x[:, None] + plain) * slope
        if not size or abs(beta - plain) > 0.01 or np.abs(line - flat).max() > near * np.abs(flat).max():
            return None
        known = averaged[m]
        numbers = tuple(canonical(float(v) + plain) for v in known.numbers)  # type: ignore[arg-type]
        return Averaged(known.selection, known.value, numbers), slope.reshape(lift.shape[1:])
    assert m.selection is not None and m.value is not None
    kept = sorted(c for c in set(m.value.table.ravel().tolist()) if c < len(m.values))
    strongest = kept[int(np.abs(flat[kept]).max(1).argmax())]
    size = float(flat[strongest] @ flat[strongest])
    shares = flat @ flat[strongest] / size if size else np.zeros(len(flat))
    if not size or np.abs(shares[kept, None] * flat[strongest] - flat[kept]).max() > near * math.sqrt(size):
        return None
    try:
        whole = wholes(np.append(shares[kept], 0.0), near / 10)[:-1]
    except CannotDecompile:
        return None
    counts = [0] * len(m.values)
    for c, share in zip(kept, map(int, whole), strict=True):
        counts[c] = share
    unit = flat[strongest] / counts[strongest]
    return Averaged(m.selection, m.value, tuple(counts)), unit.reshape(lift.shape[1:])


def _defaulted(
    f: Field, s: Source, c: Source, w: np.ndarray, averaged: dict[Source, Averaged], g: Grid
) -> Field | None:
    """A sum that is undefined where its count is 0."""
    known = averaged[s]
    table, keys, maps = _last(f, s, c)
    classes = f.maps[f.keys.index(c)]
    if len(set(classes[w > 0].tolist())) > 1 or not (w == 0).any() or s.default is None:
        return None
    some, none = int(classes[w > 0][0]), int(classes[w == 0][0])
    at = f.maps[f.keys.index(s)]
    view = attend(known.selection, known.value, known.numbers, None, "sum", g)
    numbers = np.array(s.values, float)
    rows = []
    for v in view.values:
        if v is None:
            rows.append(table[at[s.default], none])
        else:
            rows.append(table[at[int(np.abs(numbers - float(v)).argmin())], some])
    found = _put(view, np.array(rows), keys, maps)
    if found is not None:
        averaged[found.keys[0]] = Averaged(known.selection, known.value, known.numbers)
    return found
