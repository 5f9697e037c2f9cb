"""What inputs show of a mechanism: where all of them can be listed, tables keep what some input meets, and no more.

Domains are inferred source by source, so a table has cells in which its variables never meet: two counts of one input are not both
large. What such a cell says is no part of what a program does. Here every source is followed over every input; variables that make
no difference to what is met are left out, the deepest first; and the other cells are said again as met ones near them are,
so that mechanisms that differ in nothing that an input shows become equal arrays.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from janiform.ir.canonical.mechanism import (
    PAIR,
    PLACE,
    TOKENS,
    Grid,
    Mechanism,
    Selection,
    Source,
    View,
    lifted,
    source_of,
)
from janiform.ir.canonical.partial import filled
from janiform.ir.canonical.prefer import by_rule
from janiform.ir.canonical.reach import HIGHEST, LOWEST
from janiform.ir.functions import is_number
from janiform.ir.nodes import Value
from janiform.ir.quotient import MAX_CELLS, Quotient, combine, compose, reduced

LISTED = 20_000
"""Up to so many inputs are followed."""


def listable(mechanism: Mechanism) -> bool:
    """Return whether a mechanism's inputs can be listed: ``LISTED`` of them at most.

    >>> from janiform.ir.canonical.mechanism import grid
    >>> listable(Mechanism(grid(5, False), tuple(range(5)))), listable(Mechanism(grid(10, False), tuple(range(5))))
    (True, False)
    """
    size = len(mechanism.vocab)
    return sum(size**n for n in range(1, mechanism.grid.max_len + 1)) <= LISTED


def shown(mechanism: Mechanism) -> Mechanism:
    """Return what inputs show of a mechanism in normal form; the mechanism itself where that is all of it.

    >>> import janiform as jf
    >>> from janiform.ir.canonical.abstract import abstract
    >>> from janiform.ir.canonical.normal import normalize
    >>> text = "n = selector_width(select(tokens, tokens, ==)); m = selector_width(select(tokens, 0, ==));"
    >>> p = jf.parse(text + "x = 0 if n > 2 and m == 1 else tokens;")
    >>> m = normalize(abstract(p, jf.Signature(range(3), 3)))
    >>> len(m.sources()), len(shown(m).sources())
    (3, 1)
    """
    run = _Run(mechanism)
    for s in mechanism.sources():
        if s.selection is not None:
            run.follow(s)
    outputs = {}
    for name, v in mechanism.outputs.items():
        function = run.moved(v.function)
        outputs[name] = View(run.kept(function, run.met_at_positions(function)), v.values)
    return Mechanism(mechanism.grid, mechanism.vocab, outputs) if run.changed else mechanism


def occurring(relation: Quotient, g: Grid, tokens: int) -> Quotient | None:
    """Return which cells of a relation's table some input meets, as a table of 0 and 1; None where inputs cannot be listed.

    >>> from janiform.ir.canonical.mechanism import grid
    >>> same = Quotient((("key", TOKENS), ("query", TOKENS)), (np.arange(2), np.arange(2)), np.eye(2, dtype=int))
    >>> occurring(same, grid(1, False), 2).table.tolist()
    [[1, 0], [0, 1]]
    """
    run = _followed([relation], g, tokens)
    if run is None:
        return None
    cells = np.arange(relation.table.size).reshape(relation.table.shape)
    found = np.zeros(relation.table.size, np.int64)
    of_cells = run.moved(Quotient(relation.keys, relation.maps, cells))
    for i, there in enumerate(run.there()):
        at = run.over_pairs(of_cells, i)
        found[at[np.broadcast_to(there, at.shape)]] = 1
    return Quotient(relation.keys, relation.maps, found.reshape(relation.table.shape))


def everywhere(mechanism: Mechanism) -> dict[Source, list[np.ndarray]]:
    """Return the codes of every source over all inputs, which can be listed: for each length an array of (inputs, positions).

    >>> from janiform.ir.canonical.mechanism import grid
    >>> view = View(Quotient((TOKENS,), (np.arange(2),), np.arange(2)), ("a", "b"))
    >>> [c.tolist() for c in everywhere(Mechanism(grid(2, False), ("a", "b"), {"x": view}))[TOKENS]]
    [[[0], [1]], [[0, 0], [0, 1], [1, 0], [1, 1]]]
    """
    run = _Run(mechanism)
    for s in mechanism.sources():
        if s.selection is not None:
            run.hold(s)
    return run.codes


def one_value(relation: Quotient, value: Quotient, g: Grid, tokens: int) -> bool:
    """Return whether keys that one query selects hold one value in every input; False where inputs cannot be listed.

    >>> from janiform.ir.canonical.mechanism import grid
    >>> same = Quotient((("key", TOKENS), ("query", TOKENS)), (np.arange(2), np.arange(2)), np.eye(2, dtype=int))
    >>> token = Quotient((TOKENS,), (np.arange(2),), np.arange(2))
    >>> one_value(same, token, grid(3, False), 2), one_value(Quotient.constant(1), token, grid(3, False), 2)
    (True, False)
    """
    run = _followed([relation, value], g, tokens)
    if run is None:
        return False
    held = run.moved(value)
    for i, chosen in enumerate(run.chosen(run.moved(relation))):
        at = run.over_positions(held, i)[:, None, :]
        low, high = np.where(chosen, at, HIGHEST).min(2), np.where(chosen, at, LOWEST).max(2)
        if (low < high).any():
            return False
    return True


def _followed(functions: Sequence[Quotient], g: Grid, tokens: int) -> _Run | None:
    """Every source of functions over all inputs; None where these cannot be listed."""
    sources = tuple(dict.fromkeys(source_of(k) for f in functions for k in f.keys))
    made = Mechanism(g, tuple(range(tokens)), {"": View(Quotient(sources, (), np.zeros(())), ())})
    if not listable(made):
        return None
    run = _Run(made)
    for s in made.sources():
        if s.selection is not None:
            run.follow(s)
    return run


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """The combinations of codes that are met, one row each, and the result at each."""

    codes: np.ndarray
    results: np.ndarray


@dataclass(slots=True)
class _Run:
    """Sources over all inputs: ``codes[source]`` has an array of (inputs, positions) for each length."""

    mechanism: Mechanism
    codes: dict[Source, list[np.ndarray]] = field(default_factory=dict)
    views: dict[Source, Quotient] = field(default_factory=dict)
    shapes: dict[Source, tuple[np.ndarray, bytes]] = field(default_factory=dict)
    changed: bool = False

    def __post_init__(self) -> None:
        g, size = self.mechanism.grid, len(self.mechanism.vocab)
        lengths = [g.max_len] if g.causal else range(1, g.max_len + 1)
        self.codes[TOKENS] = [np.indices((size,) * n).reshape(n, -1).T for n in lengths]
        starts = {int(n): i for i, n in reversed(list(enumerate(g.lengths.tolist())))}
        self.codes[PLACE] = [
            (0 if g.causal else starts[n]) + np.arange(n)[None] for n in lengths
        ]  # a causal position is the same place in every input

    # --- sources ------------------------------------------------------------------------------------------------------

    def follow(self, s: Source) -> None:
        """Say again what a source is made of, and see what it holds."""
        assert s.selection is not None
        relation = self.moved(s.selection.relation)
        relation = self.kept(relation, self.met_at_pairs(relation))
        chosen = self.chosen(relation)
        score, value, rule = s.selection.score, s.value, s.selection.rule
        if score is not None:
            score = self.moved(score)
            score = self.kept(score, self.met_at_positions(score, [np.asarray(c.any(1)) for c in chosen]))
        picked = [self.picked(c, rule, score, i) for i, c in enumerate(chosen)]
        if value is not None:
            value = self.moved(value)
            never = len(s.values) if s.kind == "copy" else len(s.numbers)
            value = self.kept(
                value, self.met_at_positions(value, [np.asarray(p.any(1)) for p in picked]), never
            )
        made = replace(s, selection=Selection(relation, rule, score), value=value)
        if s.kind == "copy" and rule is None and value is not None and self.its_own(value, picked):
            self.views[s], self.changed = value, True
            return
        back = np.arange(len(s.values))
        if s.kind == "count":
            relation = self.without_the_sure(relation, chosen)
            if relation is not made.selection.relation:  # type: ignore[union-attr]
                made = self.recounted(s, relation, chosen)
                picked = self.chosen(relation)
        elif s.default and all(p.any(2).all() for p in picked):
            made, self.changed = replace(made, default=0), True
        elif s.kind == "copy" and s.default is not None:
            made = set_apart(made)
            back = np.append(back, s.default)[: len(made.values)]
        if s not in self.views:
            self.views[s] = Quotient((made,), (np.arange(len(made.values)),), back)
        self.codes[made] = [self.held(made, p, i) for i, p in enumerate(picked)]

    def hold(self, s: Source) -> None:
        """See what a source holds, as it is made."""
        assert s.selection is not None
        chosen = self.chosen(s.selection.relation)
        picked = [self.picked(c, s.selection.rule, s.selection.score, i) for i, c in enumerate(chosen)]
        self.codes[s] = [self.held(s, p, i) for i, p in enumerate(picked)]

    def its_own(self, value: Quotient, picked: list[np.ndarray]) -> bool:
        """Whether every query finds itself, and nothing else than what it holds itself."""
        for i, p in enumerate(picked):
            held = self.over_positions(value, i)
            if not p.diagonal(axis1=1, axis2=2).all() or (p & (held[:, None, :] != held[:, :, None])).any():
                return False
        return True

    def without_the_sure(self, relation: Quotient, chosen: list[np.ndarray]) -> Quotient:
        """A relation that is counted, without the pairs of places that are selected in every input, but for a query's own."""
        g = self.mechanism.grid
        sure = np.ones(len(g.keys), bool)
        for i, (c, there) in enumerate(zip(chosen, self.there(), strict=True)):
            sure[self.pairs(i)[there]] &= np.asarray(c.all(0))[there[0]]
        if not sure.any() or (sure == (g.keys == g.queries)).all():
            return relation
        rest = Quotient.of([PAIR], (~sure).astype(np.int64))
        return combine(np.minimum, [rest, relation])

    def recounted(self, s: Source, relation: Quotient, chosen: list[np.ndarray]) -> Source:
        """A count of a part of its pairs: how many the others are follows from the place."""
        g = self.mechanism.grid
        more = np.zeros(len(g), np.int64)
        for i, (c, d) in enumerate(zip(chosen, self.chosen(relation), strict=True)):
            more[self.codes[PLACE][i][0]] = (c.sum(2) - d.sum(2))[0]
        made = replace(s, selection=Selection(relation), values=tuple(range(g.max_len + 1)))
        numbers = more[:, None] + np.arange(g.max_len + 1) - int(s.values[0] or 0)
        self.views[s] = Quotient.of([PLACE, made], np.clip(numbers, 0, len(s.values) - 1))
        self.changed = True
        return made

    def chosen(self, relation: Quotient) -> list[np.ndarray]:
        """The pairs that a relation selects, for each length."""
        return [self.over_pairs(relation, i).astype(bool) & there for i, there in enumerate(self.there())]

    def there(self) -> Iterable[np.ndarray]:
        """The pairs that exist, for each length."""
        for places in self.codes[PLACE]:
            n = places.shape[1]
            yield (
                np.tri(n, dtype=np.bool_)[None]
                if self.mechanism.grid.causal
                else np.ones((1, n, n), np.bool_)
            )

    def picked(self, chosen: np.ndarray, rule: str | None, score: Quotient | None, i: int) -> np.ndarray:
        """The keys that a rule leaves of those chosen: at most one, or all where there is no rule."""
        if rule is None:
            return chosen
        g, n = self.mechanism.grid, chosen.shape[2]
        if rule == "largest":
            assert score is not None
            height = self.over_positions(score, i)[:, None, :] * n - np.arange(n)
        else:
            height = by_rule(rule, g)[self.pairs(i)]  # type: ignore[arg-type]
        height = np.where(chosen, height, np.iinfo(np.int64).min)
        best = height.argmax(2)[..., None] == np.arange(n)
        return best & chosen

    def held(self, s: Source, picked: np.ndarray, i: int) -> np.ndarray:
        """The codes of a source where it looks at the keys that are picked."""
        many = picked.sum(2)
        if s.kind == "count":
            return np.clip(many - int(s.values[0] or 0), 0, len(s.values) - 1)
        assert s.value is not None
        brought = self.over_positions(s.value, i)
        default = s.default or 0
        if s.kind == "copy":
            inputs = np.arange(len(picked))[:, None]
            codes = np.broadcast_to(brought, (len(picked), picked.shape[2]))[inputs, picked.argmax(2)]
            return np.where(many > 0, codes, default)
        numbers = np.array([*(float(v or 0) for v in s.numbers), 0.0])
        total = (picked * numbers[brought][:, None, :]).sum(2)
        if s.kind == "mean":
            total = total / np.maximum(many, 1)
        codes = nearest(s.values, total)
        if None in s.numbers:
            gaps = (picked & (brought == s.numbers.index(None))[:, None, :]).any(2)
            codes = np.where(gaps, s.values.index(None), codes)
        return np.where(many > 0, codes, default)

    # --- functions ----------------------------------------------------------------------------------------------------

    def rank(self, key: object, size: int) -> np.ndarray:
        """The order in which inputs show the codes of a variable."""
        s = source_of(key)
        return np.arange(size) if key is PAIR or s.selection is None else self.shape_of(s)[0]

    def first(self, key: object) -> tuple[object, ...]:
        """Variables in an order that depends on nothing but what inputs show of them: the plainest first."""
        if key is PAIR:
            return (0,)
        s = source_of(key)
        side = 0 if isinstance(key, Source) else 1 if key[0] == "key" else 2  # type: ignore[index]
        return (1, s is TOKENS, side) if s.selection is None else (2, s.depth, side, self.shape_of(s)[1])

    def shape_of(self, s: Source) -> tuple[np.ndarray, bytes]:
        """The order in which inputs show the codes of a source, and a hash of its codes in that order."""
        if s not in self.shapes:
            held = np.concatenate([c.ravel() for c in self.codes[s]])
            rank = np.full(len(s.values), len(held))
            rank[held[::-1]] = np.arange(len(held))[::-1]
            order = np.argsort(np.argsort(rank, kind="stable"), kind="stable").astype(np.int32)
            self.shapes[s] = rank, hashlib.sha256(order[held].tobytes()).digest()
        return self.shapes[s]

    def moved(self, function: Quotient) -> Quotient:
        """The function of what became of its sources."""
        parts = []
        for k, m in zip(function.keys, function.maps, strict=True):
            view = self.views.get(source_of(k))
            if view is None:
                parts.append(Quotient((k,), (m,), np.arange(int(m.max()) + 1)))
                continue
            part = view.then(np.append(m, m[0]))  # what is never selected has a code of its own
            parts.append(part if isinstance(k, Source) else lifted(part, k[0], self.mechanism.grid))
        return compose(function.table, parts) if parts else function

    def pairs(self, i: int) -> np.ndarray:
        """The numbers of the pairs of places, query by key; a pair that does not exist has any."""
        g, places = self.mechanism.grid, self.codes[PLACE][i][0]
        n = len(places)
        own = np.arange(n)[None] if not g.causal else np.minimum(np.arange(n)[None], np.arange(n)[:, None])
        return (g.starts[places][:, None] + own)[None]

    def column(self, k: object, i: int, *, paired: bool) -> np.ndarray:
        """The codes of a variable at every position, or at every pair, of one length."""
        if k is PAIR:
            return self.pairs(i)
        held = self.codes[source_of(k)][i]
        if not paired:
            return held
        assert isinstance(k, tuple)
        return held[:, None, :] if k[0] == "key" else held[:, :, None]

    def over_positions(self, function: Quotient, i: int) -> np.ndarray:
        """The results of a function at every position of the inputs of one length."""
        columns = [self.column(k, i, paired=False) for k in function.keys]
        shape = self.codes[TOKENS][i].shape
        return np.broadcast_to(function.over(function.keys, columns), shape)

    def over_pairs(self, function: Quotient, i: int) -> np.ndarray:
        """The results of a relation at every pair of positions."""
        columns = [self.column(k, i, paired=True) for k in function.keys]
        inputs, n = self.codes[TOKENS][i].shape
        return np.broadcast_to(function.over(function.keys, columns), (inputs, n, n))

    def met_at_positions(self, function: Quotient, where: list[np.ndarray] | None = None) -> _Met:
        """What meets at positions: at all, or where ``where`` says."""
        return self.met(function, where, paired=False)

    def met_at_pairs(self, function: Quotient) -> _Met:
        """What meets at pairs of positions that exist."""
        return self.met(function, list(self.there()) if self.mechanism.grid.causal else None, paired=True)

    def met(self, function: Quotient, where: list[np.ndarray] | None, *, paired: bool) -> _Met:
        sizes = [len(m) for m in function.maps]
        dense = np.zeros(math.prod(sizes), bool) if math.prod(sizes) <= MAX_CELLS else None
        found = []
        for i in range(len(self.codes[TOKENS])):
            joint = np.zeros((), np.int64)
            for k, n in zip(function.keys, sizes, strict=True):
                joint = joint * n + self.column(k, i, paired=paired)
            if where is not None:
                shape = np.broadcast_shapes(joint.shape, where[i].shape)
                joint = np.broadcast_to(joint, shape)[np.broadcast_to(where[i], shape)]
            if dense is None:
                found.append(np.unique(joint))
            else:
                dense[joint] = True
        cells = np.flatnonzero(dense) if dense is not None else np.unique(np.concatenate(found))
        codes = np.stack(np.unravel_index(cells, sizes), 1) if sizes else np.zeros((1, 0), np.int64)
        return _Met(codes, function.over(function.keys, list(codes.T)))

    def kept(self, function: Quotient, met: _Met, never: int = -1) -> Quotient:
        """The function that says what is met, and of other cells what met ones near them say; cells of ``never`` may stay."""
        if not function.keys or not len(met.codes):
            return function
        sizes = [len(m) for m in function.maps]
        if math.prod(sizes) == len(met.codes):
            return function
        order = sorted(range(len(sizes)), key=lambda i: self.first(function.keys[i]))
        rows = _Met(met.codes[:, order], met.results)
        keys = [function.keys[i] for i in order]
        made = said_again(
            keys,
            [sizes[i] for i in order],
            rows,
            [self.rank(k, sizes[i]) for k, i in zip(keys, order, strict=True)],
        )
        if made is None or not _differ(function, made, never):
            return function
        self.changed = True
        return made


def set_apart(s: Source) -> Source:
    """Return a copy whose default is none of the values that it copies: which of them it is taken for is for its readers to say."""
    assert s.value is not None
    n = len(s.values)
    if s.default not in s.value.codes:
        return s
    to = np.append(np.arange(n), n + 1)
    return replace(s, values=(*s.values, n), value=s.value.then(to), default=n)


def said_again(
    keys: Sequence[Any], sizes: Sequence[int], met: _Met, ranks: Sequence[np.ndarray]
) -> Quotient | None:
    """Return the function that says what is met, of no more variables than that takes; None where it has too many cells.

    ``ranks`` has an order of the codes of each variable; variables that come later are left out first.
    """
    axes = list(range(len(keys)))
    for axis in reversed(axes):
        rest = [a for a in axes if a != axis]
        if _decided(met.codes[:, rest], met.results):
            axes = rest
    if not axes:
        return Quotient.constant(int(met.results[0]))
    occurring, rows = [], []
    for a in axes:
        own = np.unique(met.codes[:, a])
        own = own[np.argsort(ranks[a][own], kind="stable")]
        row = np.zeros(sizes[a], np.int64)
        row[own] = np.arange(len(own))
        occurring.append(own)
        rows.append(row)
    shape = tuple(len(own) for own in occurring)
    if math.prod(shape) > MAX_CELLS:
        return None
    table = np.full(shape, -1)
    table[tuple(row[met.codes[:, a]] for a, row in zip(axes, rows, strict=True))] = met.results
    table, classes = filled(table)
    maps = [c[row] for c, row in zip(classes, rows, strict=True)]
    return reduced(tuple(keys[a] for a in axes), tuple(maps), table)


def _decided(codes: np.ndarray, results: np.ndarray) -> bool:
    """Whether equal rows have equal results."""
    if not codes.shape[1]:
        return bool((results == results[0]).all())
    order = np.lexsort((results, *codes.T))
    same = (np.diff(codes[order], axis=0) == 0).all(1)
    return not (same & (np.diff(results[order]) != 0)).any()


def nearest(values: tuple[Value, ...], wanted: np.ndarray) -> np.ndarray:
    """Return the codes of the numbers among ``values`` that are nearest.

    >>> nearest((None, 0, 0.5, 1, "apart"), np.array([0.5, 1.0])).tolist()
    [2, 3]
    """
    known = sorted((float(v), i) for i, v in enumerate(values) if is_number(v))  # type: ignore[arg-type]
    numbers, codes = np.array([v for v, _ in known]), np.array([i for _, i in known])
    between = (numbers[1:] + numbers[:-1]) / 2
    return codes[np.searchsorted(between, wanted)]


def _differ(function: Quotient, made: Quotient, never: int) -> bool:
    """Whether two functions differ anywhere but in cells that never matter."""
    difference = combine(lambda a, b: (a != b) & (a != never), [function, made])
    return bool(difference.table.any())
