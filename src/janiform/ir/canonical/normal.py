"""The normal form of a mechanism: equal mechanisms become equal arrays, and one digest says so.

Backward from the outputs, a copied value keeps no more than its readers tell apart; forward from the inputs, every
source then gets codes, an order of the variables it depends on and a digest that depend on nothing but what it is. Sources of one
digest are one; copies under one selection are one source that holds them all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.joined import joined
from janiform.ir.canonical.mechanism import (
    PAIR,
    PLACE,
    TOKENS,
    Mechanism,
    Selection,
    Source,
    View,
    lifted,
    source_of,
)
from janiform.ir.functions import canonical, identity, order
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, aligned, compose, first_seen, reduced
from janiform.ir.values import means, sums

APART = -1
"""The place of a default that no number is, among codes that are numbers."""


def normalize(mechanism: Mechanism) -> Mechanism:
    """Return the normal form of a mechanism.

    >>> import janiform as jf
    >>> from janiform.ir.canonical.abstract import abstract
    >>> signature = jf.Signature("abc", 4)
    >>> forms = ["x = selector_width(select(tokens, tokens, ==)); y = x * 2 > 3;", "y = selector_width(select(tokens, tokens, ==)) >= 2;"]
    >>> one, other = (normalize(abstract(jf.parse(f), signature)) for f in forms)
    >>> digest(one) == digest(other)
    True
    """
    mechanism = coarsened(mechanism, final=False)
    mechanism = _Replacing(mechanism, {}, {}, final=True).replaced(mechanism.sources(), ruled=True)
    while True:
        mechanism = coarsened(mechanism, final=True)
        build = _Builder(mechanism)
        sources = sorted(mechanism.sources(), key=lambda s: s.depth)
        for source in sources:
            build.place(source)
        build.settle()
        outputs = {n: _output(build.rebuilt(v.function), v.values) for n, v in mechanism.outputs.items()}
        mechanism = Mechanism(mechanism.grid, mechanism.vocab, outputs)
        known = seen_by_counts(mechanism)
        if known:
            mechanism = _Replacing(mechanism, {}, known, final=True).replaced(mechanism.sources())
        elif len(mechanism.sources()) == len(sources):
            return mechanism
        else:
            mechanism = _Replacing(mechanism, {}, {}, final=True).replaced(
                mechanism.sources(), all_of_them=True
            )


def attended(mechanism: Mechanism) -> Mechanism:
    """Return a mechanism in which what every selection brings is seen again, after tables were said again."""
    found = _Replacing(mechanism, {}, {}, final=True).replaced(mechanism.sources(), all_of_them=True)
    outputs = {n: View(joined(v.function, found.grid), v.values) for n, v in found.outputs.items()}
    return Mechanism(found.grid, found.vocab, outputs)


def seen_by_counts(mechanism: Mechanism) -> dict[Source, Quotient]:
    """Copies that only say whether anything is selected, where a count of the same selection says so too."""
    counts: dict[bytes, Source] = {}
    found: dict[Source, Quotient] = {}
    sources = mechanism.sources()
    for s in sources:
        if s.kind == "count" and s.selection is not None:
            counts[_hashed(s.selection.relation, None)] = s
    for s in sources:
        if s.kind == "copy" and s.selection is not None and s.value is not None and not s.value.keys:
            c = counts.get(_hashed(s.selection.relation, None)) if s.selection.rule is None else None
            if c is not None:
                assert s.default is not None
                found[s] = Quotient.of([c], np.array([0 if w else s.default for w in c.values]))
    return found


def digest(normal: Mechanism) -> str:
    """Return 64 hexadecimal digits that say which mechanism a normal form is; names of outputs count where there are several."""
    h = hashlib.sha256(repr((normal.grid.max_len, normal.grid.causal, _named(normal.vocab))).encode())
    for name, v in sorted(normal.outputs.items()):
        h.update(repr((name if len(normal.outputs) > 1 else "", _named(v.values))).encode())
        _add(h, v.function)
    return h.hexdigest()


def _named(values: tuple[Value, ...]) -> list[object]:
    return [identity(rounded(v)) for v in values]


def rounded(v: Value) -> Value:
    """Return a number without the last digits, in which sums differ by their order.

    >>> rounded(0.1 + 0.2)
    0.3
    """
    return canonical(float(f"{round(v, 13):.13g}")) if isinstance(v, float) else v


def _output(function: Quotient, values: tuple[Value, ...]) -> View:
    """An output's codes name the values that it takes, in their order."""
    kept = sorted({c: values[c] for c in function.codes.tolist()}.items(), key=lambda cv: order(cv[1]))
    to = np.zeros(len(values), np.int64)
    to[[c for c, _ in kept]] = np.arange(len(kept))
    return View(function.then(to), tuple(rounded(v) for _, v in kept))


# --- backward -------------------------------------------------------------------------------------------------------


def coarsened(mechanism: Mechanism, *, final: bool) -> Mechanism:
    """Merge what no reader of a copy tells apart, from the outputs back, until nothing changes."""
    while True:
        wanted: dict[Source, list[np.ndarray]] = {}
        merged: dict[Source, Source] = {}

        def demand(function: Quotient | None, wanted: dict[Source, list[np.ndarray]] = wanted) -> None:
            if function is not None:
                for k, m in zip(function.keys, function.maps, strict=True):
                    wanted.setdefault(source_of(k), []).append(m)

        for v in mechanism.outputs.values():
            demand(v.function)
        live = []
        for s in reversed(mechanism.sources()):
            if s.selection is None or s not in wanted:
                continue
            live.append(s)
            made = s
            if s.kind == "copy":
                classes = _together(wanted[s])
                if int(classes.max()) + 1 < len(s.values):
                    made = merged[s] = _copy_of(s, classes)
            demand(made.value)
            demand(made.selection.relation)  # type: ignore[union-attr]
            demand(made.selection.score)  # type: ignore[union-attr]
        if not merged:
            return mechanism
        mechanism = _Replacing(mechanism, merged, {}, final=final).replaced(live[::-1])


class _Replacing:
    """Sources replaced by coarser ones, and all that reads them made again."""

    def __init__(
        self,
        mechanism: Mechanism,
        merged: dict[Source, Source],
        known: dict[Source, Quotient],
        *,
        final: bool,
    ) -> None:
        self.mechanism, self.merged, self.final = mechanism, merged, final
        self.new = dict(known)

    def replaced(self, live: list[Source], *, all_of_them: bool = False, ruled: bool = False) -> Mechanism:
        """Make again what is merged or reads such, or all sources, or those with a rule."""
        for s in live:
            changed = all_of_them or s in self.merged or any(t in self.new for t in s.reads())
            changed |= ruled and s.selection is not None and s.selection.rule is not None
            if s.selection is not None and changed and s not in self.new:
                self.remake(s)
        m = self.mechanism
        outputs = {name: View(self.moved(v.function), v.values) for name, v in m.outputs.items()}
        return Mechanism(m.grid, m.vocab, outputs)

    def remake(self, s: Source) -> None:
        """See what a source brings once it, or what it reads, is coarser."""
        made = self.merged.get(s, s)
        assert made.selection is not None
        chosen = made.selection
        score = None if chosen.score is None else self.moved(chosen.score)
        selection = Selection(self.moved(chosen.relation), chosen.rule, score)
        value = None if made.value is None else self.moved(made.value)
        ranks = tuple(range(len(made.values)))
        names = ranks if made.kind == "copy" else made.values
        given = made.numbers if made.kind in ("mean", "sum") else names
        default = None if made.default is None else names[made.default]
        reduce = "mean" if made.kind == "copy" else made.kind
        g = self.mechanism.grid
        view = attend(
            selection, value, given, default, reduce, g, single=made.kind == "copy", final=self.final
        )
        codes = {identity(v): i for i, v in reversed(list(enumerate(names)))}
        self.new[s] = view.function.then(np.array([codes.get(identity(v), 0) for v in view.values]))

    def moved(self, function: Quotient) -> Quotient:
        """The function with what became of its sources in their place."""
        if not any(source_of(k) in self.new for k in function.keys):
            return function
        parts = []
        for k, m in zip(function.keys, function.maps, strict=True):
            s = source_of(k)
            if s not in self.new:
                parts.append(Quotient((k,), (m,), np.arange(int(m.max()) + 1)))
                continue
            own = self.new[s]
            m = m[_representatives(s, self.merged[s])] if s in self.merged else m
            part = own.then(m)
            parts.append(part if isinstance(k, Source) else lifted(part, k[0], self.mechanism.grid))
        return compose(function.table, parts)


def _representatives(s: Source, coarse: Source) -> np.ndarray:
    """For each code of a coarser source, a code of the source that it was."""
    names = [identity(v) for v in s.values]
    return np.array([names.index(identity(v)) for v in coarse.values])


def _together(maps: list[np.ndarray]) -> np.ndarray:
    """The classes that several partitions of the same codes tell apart."""
    joint = maps[0]
    for m in maps[1:]:
        joint = joint * (int(m.max()) + 1) + m
    return first_seen(joint)[1]


def _copy_of(s: Source, classes: np.ndarray) -> Source:
    """A copy of classes in place of values, each named by the first of its values."""
    assert s.value is not None
    default = None if s.default is None else int(classes[s.default])
    values = tuple(s.values[i] for i in first_seen(classes)[0].tolist())
    to = np.append(classes, len(values))
    return replace(s, values=values, value=s.value.then(to), default=default)


# --- forward --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Builder:
    """Sources in normal form, by the sources that they were; ``old[s]`` are old codes for each new code."""

    mechanism: Mechanism
    new: dict[Source, Source] = field(default_factory=dict)
    old: dict[Source, np.ndarray] = field(default_factory=dict)
    known: dict[bytes, Source] = field(default_factory=dict)
    copies: dict[bytes, list[tuple[Source, Selection, Quotient, int | None]]] = field(default_factory=dict)
    depth: int = 0

    def place(self, s: Source) -> None:
        """Bring one source into normal form; what it is made of is there already, or waits in ``copies``."""
        if s.selection is None:
            return
        if s.depth > self.depth:
            self.settle()
            self.depth = s.depth
        score = None if s.selection.score is None else _ranked(self.rebuilt(s.selection.score))
        selection = Selection(self.rebuilt(s.selection.relation), s.selection.rule, score)
        if s.kind == "count":
            self.add(s, Source("count", s.values, selection), np.arange(len(s.values)))
            return
        assert s.value is not None
        value = self.rebuilt(s.value)
        if s.kind == "copy":
            h = hashlib.sha256(repr((selection.rule, _depth(selection, value))).encode())
            _add(h, selection.relation)
            _add(h, selection.score)
            self.copies.setdefault(h.digest(), []).append((s, selection, value, s.default))
            return
        made, old = self.average(s, selection, value)
        self.add(s, made, old)

    def settle(self) -> None:
        """Make one source of the copies under each selection."""
        for group in self.copies.values():
            self.join(group)
        self.copies.clear()

    def join(self, group: list[tuple[Source, Selection, Quotient, int | None]]) -> None:
        group = sorted(group, key=lambda g: _hashed(g[2], g[3]))
        values = [value for _, _, value, _ in group]
        defaults = [d for _, _, _, d in group]
        sizes = [len(s.values) for s, _, _, _ in group]
        keys, maps, columns = (
            aligned(values) if len(values) > 1 else (values[0].keys, values[0].maps, [values[0].table])
        )
        joint = np.zeros(columns[0].shape, np.int64)
        never = np.zeros(columns[0].shape, bool)
        default = 0
        for c, d, n in zip(columns, defaults, sizes, strict=True):
            joint = joint * n + np.minimum(c, n - 1)
            never |= c == n
            default = default * n + (0 if d is None else d)
        plain = _sorted(reduced(keys, maps, np.where(never, -1, joint)))
        combos = [c for c in dict.fromkeys(plain.table.ravel().tolist()) if c >= 0]
        code = None
        if defaults[0] is not None:
            if default not in combos:
                combos.append(default)
            code = combos.index(default)
        place = {c: i for i, c in enumerate(combos)} | {-1: len(combos)}
        codes = np.array([place[c] for c in plain.table.ravel().tolist()])
        value = Quotient(plain.keys, plain.maps, codes.reshape(plain.table.shape))
        selection = group[0][1]
        made = Source("copy", tuple(range(len(combos))), selection, value, (), code)
        rest = np.array(combos)
        for (s, _, _, _), n in zip(reversed(group), reversed(sizes), strict=True):
            self.add(s, made, rest % n)
            rest = rest // n

    def add(self, s: Source, made: Source, old: np.ndarray) -> None:
        assert made.selection is not None
        h = hashlib.sha256(repr((made.kind, made.selection.rule, _named(made.values), made.default)).encode())
        h.update(repr(_named(made.numbers)).encode())
        for part in (made.selection.relation, made.selection.score, made.value):
            _add(h, part)
        made = replace(made, digest=h.digest(), depth=_depth(made.selection, made.value))
        self.new[s] = self.known.setdefault(made.digest, made)
        self.old[s] = old

    def rebuilt(self, function: Quotient) -> Quotient:
        """The function of normal sources that a function of their originals is."""
        by_new: dict[object, list[int]] = {}
        for i, k in enumerate(function.keys):
            s = source_of(k)
            if k is PAIR or s.selection is None:
                by_new[k] = [i]
                continue
            n = self.new[s]
            by_new.setdefault(n if isinstance(k, Source) else (k[0], n), []).append(i)
        maps, columns = [], []
        for j, axes in enumerate(by_new.values()):
            own = []
            for i in axes:
                k = function.keys[i]
                s = source_of(k)
                own.append(
                    function.maps[i] if k is PAIR or s.selection is None else function.maps[i][self.old[s]]
                )
            joint = own[0]
            for m in own[1:]:
                joint = joint * (int(m.max()) + 1) + m
            first, classes = first_seen(joint)
            maps.append(classes)
            shape = [1] * len(by_new)
            shape[j] = len(first)
            columns += [(i, m[first].reshape(shape)) for i, m in zip(axes, own, strict=True)]
        if not columns:
            return function
        table = function.table[tuple(c for _, c in sorted(columns, key=lambda x: x[0]))]
        return _sorted(reduced(tuple(by_new), tuple(maps), table))

    def average(self, s: Source, selection: Selection, value: Quotient) -> tuple[Source, np.ndarray]:
        """A mean of whole numbers from 0 up, or a sum of whole numbers, that have no common factor."""
        kept = [c for c in dict.fromkeys(value.table.ravel().tolist()) if c < len(s.numbers)]
        place = {c: i for i, c in enumerate(kept)}
        codes = np.array([place.get(c, len(kept)) for c in value.table.ravel().tolist()])
        value = Quotient(value.keys, value.maps, codes.reshape(value.table.shape))
        given = [s.numbers[c] for c in kept]
        exact = {x: Fraction(float(x)).limit_denominator(1_000_000) for x in given if x is not None}  # type: ignore[arg-type]
        shift = min(exact.values()) if s.kind == "mean" else Fraction(0)
        step = _step([x - shift for x in exact.values()])
        options = []
        for sign in (1, -1):
            moved = [None if x is None else sign * (exact[x] - shift) / step for x in given]
            low = min(x for x in moved if x is not None) if s.kind == "mean" else Fraction(0)
            options.append([None if x is None else int(x - low) for x in moved])
        laid = [[o[c] for c in codes.tolist() if c < len(kept)] for o in options]
        rank = [
            (
                sum(x or 0 for x in row) * (1 if s.kind == "mean" else -1),
                [-1 if x is None else x for x in row],
            )
            for row in laid
        ]
        best = 0 if rank[0] <= rank[1] else 1
        numbers = options[best]
        whole = sorted({float(x) for x in numbers if x is not None})
        listed = (means if s.kind == "mean" else sums)(whole, self.mechanism.grid.max_len)
        assert listed is not None
        low = Fraction(0)
        if s.kind == "mean" and best:
            low = max(exact.values()) - shift
        known = {
            float(v): i
            for i, v in enumerate(s.values)
            if isinstance(v, int | float) and not isinstance(v, bool)
        }
        known |= {
            float(v): i for i, v in enumerate(s.values) if isinstance(v, bool) and float(v) not in known
        }
        near = np.array(sorted(known))
        old, named = [], []
        for x in listed:
            back = float(shift) + float(step) * (
                x if not best else float(low / step) - x if s.kind == "mean" else -x
            )
            old.append(known[near[np.abs(near - back).argmin()]])
            named.append(x)
        names: list[Value] = list(named)
        if None in given:
            old.insert(0, s.values.index(None))
            names.insert(0, None)
        default = None
        if s.default is not None:
            default = len(old)
            old.append(s.default)
            names.append("apart")
        made = Source(s.kind, tuple(names), selection, value, tuple(numbers), default)
        return made, np.array(old)


def _step(numbers: list[Fraction]) -> Fraction:
    """The largest step of which every number is a multiple; 1 where all are 0."""
    from math import gcd, lcm

    bottom = lcm(*(x.denominator for x in numbers))
    return Fraction(gcd(*(int(x * bottom) for x in numbers)) or bottom, bottom)


def _ranked(score: Quotient) -> Quotient:
    """A score as ranks without gaps."""
    codes = score.codes
    to = np.zeros(int(codes.max()) + 1, np.int64)
    to[codes] = np.arange(len(codes))
    return Quotient(score.keys, score.maps, to[score.table])


def _depth(selection: Selection, value: Quotient | None) -> int:
    parts = (selection.relation, selection.score, value)
    return 1 + max((source_of(k).depth for p in parts if p is not None for k in p.keys), default=0)


def _sorted(function: Quotient) -> Quotient:
    """The same function with its variables in the order of what they are."""
    order_ = sorted(range(len(function.keys)), key=lambda i: _rank(function.keys[i]))
    if order_ == list(range(len(order_))):
        return function
    return Quotient(
        tuple(function.keys[i] for i in order_),
        tuple(function.maps[i] for i in order_),
        function.table.transpose(order_),
    )


def _rank(key: object) -> tuple[int, int, bytes]:
    if key is PAIR:
        return (0, 0, b"")
    s = source_of(key)
    side = 0 if isinstance(key, Source) else 1 if key[0] == "key" else 2  # type: ignore[index]
    return (side, -2 if s is PLACE else -1 if s is TOKENS else s.depth, s.digest)


def _hashed(function: Quotient, default: int | None) -> bytes:
    h = hashlib.sha256(repr(default).encode())
    _add(h, function)
    return h.digest()


def _add(h: object, function: Quotient | None) -> None:
    """Put a function into a digest."""
    update = h.update  # type: ignore[attr-defined]
    if function is None:
        update(b"none")
        return
    for k, m in zip(function.keys, function.maps, strict=True):
        update(k.encode() if isinstance(k, str) else b"" if isinstance(k, Source) else k[0].encode())
        update(source_of(k).digest)
        update(m.astype(np.int32).tobytes())
    update(repr(function.table.shape).encode())
    update(np.ascontiguousarray(function.table, np.int32).tobytes())
