"""What each value and each selected pair of one run rests on, by the meaning of the node that made it.

A *cell* is a node with a position (a value), or with a query and a key (one bit of a selector). The causes of a cell fix it:
while they hold what they hold, so does the cell, on every input of this length. They are minimal where that is decided
locally: of a map's arguments only as many as no values of the others could overrule, of an ``and`` that is false one
false side. ``closure`` follows causes down to the tokens; with ``absent=False`` it follows at a head the keys that were
selected and not those that were not, which is what attention read, though less than what fixes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Sized
from itertools import product

import numpy as np

from janiform.errors import FunctionError, JaniformError
from janiform.explain.margins import deciding_terms
from janiform.ir.domains import Facts
from janiform.ir.evaluate import Run
from janiform.ir.functions import Fn, identity, same
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Node,
    Not,
    Or,
    Readout,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
    walk,
)
from janiform.ir.program import Program
from janiform.ir.readout import contributions
from janiform.ir.semantics import Signature

Cell = tuple[Node, tuple[int, ...]]
"""A node at (position,), or a selector at (query, key)."""

MAX_TRIALS = 1 << 12
"""An argument is kept rather than more combinations of values tried."""


class Reasons:
    """The causes of every cell under one output of a program on one input.

    >>> import janiform as jf
    >>> why = Reasons(jf.parse('x = tokens == "a" or indices == 0;'), "ab", Signature("ab", 2))
    >>> [type(n).__name__ for n, _ in why.closure((why.program.output, (0,)))]
    ['Map', 'Map', 'Indices']
    """

    def __init__(self, program: Program, tokens: Sized[Value], signature: Signature) -> None:
        self.program = program
        self.run = Run([tokens], causal=signature.causal, program=program)
        self.visible = self.run.pairs[0]
        self.domains, self.positional, self.single = _inferred(program, signature)
        self._needed: dict[object, tuple[int, ...]] = {}

    def value(self, n: Sequence, at: int) -> Value:
        """Return the value of a sequence node at a position."""
        column = self.run.column(n)
        return column.values[int(column.codes[0, at])]

    def pattern(self, s: Selector) -> np.ndarray:
        """Return what a selector selects: booleans [query, key]."""
        return self.run.pairs_selected(s)[0]

    def keys(self, s: Selector, query: int, absent: bool = False) -> list[int]:
        """Return the keys selected for a query, or all that it could select where there are none.

        With ``absent``, those not selected count too, unless one that is selected leaves no room for another.
        """
        chosen = self.pattern(s)[query]
        enough = chosen.any() and (not absent or s in self.single)
        return np.flatnonzero(chosen if enough else self.visible[query]).tolist()

    def closure(self, root: Cell, *, absent: bool = True) -> dict[Cell, tuple[Cell, ...]]:
        """Return every cell that ``root`` rests on, itself first, each with its causes."""
        found: dict[Cell, tuple[Cell, ...]] = {}
        left = [root]
        while left:
            cell = left.pop()
            if cell not in found:
                found[cell] = tuple(dict.fromkeys(self._causes(*cell, absent)))
                left.extend(reversed(found[cell]))
        return found

    def _causes(self, n: Node, place: tuple[int, ...], absent: bool) -> Iterator[Cell]:
        at = place[0]
        match n:
            case Tokens() | Indices() | Const():
                return
            case Map(fn=fn, args=args):
                yield from self._deciding(fn, [(a, at) for a in args])
            case Count(selector=s):
                yield from ((s, (at, k)) for k in self.keys(s, at, absent))
            case Aggregate(selector=s, values=values):
                one = self._enough(n, at)
                yield from ((s, (at, k)) for k in (self.keys(s, at, absent) if one is None else [one]))
                chosen = np.flatnonzero(self.pattern(s)[at]).tolist()
                yield from ((values, (k,)) for k in (chosen if one is None else [one]))
            case Readout():
                yield from self._weighed(n, at)
            case Select(keys=keys, queries=queries):
                yield from self._deciding(n, [(keys, place[1]), (queries, at)])
            case And(left=left, right=right) | Or(left=left, right=right):
                yield from self._connected(n, left, right, place)
            case Not(selector=s):
                yield s, place
            case Best():
                yield from self._chosen(n, place, absent)
            case _:
                raise TypeError(f"unknown node {type(n).__name__}")

    def _enough(self, n: Aggregate, at: int) -> int | None:
        """The first selected key that fixes the result alone: undefined, or the most or least that there can be."""
        result, domain = self.value(n, at), self.domains.get(n.values)
        last = None
        if domain and None not in domain and n.reduce in ("min", "max"):
            last = domain[-1 if n.reduce == "max" else 0]
        if result is not None and (last is None or not alike(result, last)):
            return None
        held = (k for k in np.flatnonzero(self.pattern(n.selector)[at]).tolist())
        return next((k for k in held if alike(self.value(n.values, k), result)), None)

    def _connected(self, n: Node, left: Selector, right: Selector, place: tuple[int, ...]) -> Iterator[Cell]:
        """Of a conjunction that is false one false side will do; what no token can change comes first."""
        deciding = isinstance(n, Or)
        sides = [s for s in (left, right) if bool(self.pattern(s)[place]) == deciding]
        if sides:
            yield min(sides, key=lambda s: not self.positional.get(s, False)), place
        else:
            yield from ((left, place), (right, place))

    def _chosen(self, n: Best, place: tuple[int, ...], absent: bool) -> Iterator[Cell]:
        query, key = place
        among, chosen = self.pattern(n.selector)[query], self.pattern(n)[query]
        if not among[key]:
            yield n.selector, place
            return
        winner = int(chosen.argmax())
        yield n.selector, (query, winner)
        if key != winner:
            rivals = [key]
        elif n.score is not None:
            rivals = [k for k in self.keys(n.selector, query, absent) if k != winner]
        else:
            rivals = [k for k in self.keys(n.selector, query, absent) if _beats(n.rule, query, k, winner)]
        yield from ((n.selector, (query, k)) for k in rivals if k != key)
        if n.score is not None:
            yield n.score, (winner,)
            yield from ((n.score, (k,)) for k in rivals if among[k])

    def _weighed(self, n: Readout, at: int) -> Iterator[Cell]:
        """The terms that keep the winning label ahead; a term that is read twice, or at several positions, is weighed once."""
        places = np.flatnonzero(self.visible[at]).tolist() if n.pooled else [at]
        cells = list(dict.fromkeys((a, p) for p in places for a in n.args))
        held, possible = [], []
        for a, p in cells:
            domain = self.domains.get(a)
            values = [self.value(a, p), *(domain or ())]
            added = [
                contributions(w, values, len(n.labels))
                for b, w in zip(n.args, n.weights, strict=True)
                if b is a
            ]
            meant = ~np.any([bad for _, bad in added], axis=0)
            total = np.sum([scores for scores, _ in added], axis=0)
            held.append(total[0])
            possible.append(None if domain is None else total[meant])
        last = [self.positional.get(a, False) for a, _ in cells]
        kept = deciding_terms(held, possible, len(places) * np.array(n.bias, float), last)
        yield from ((cells[i][0], (cells[i][1],)) for i in kept)

    # --- minimal arguments ----------------------------------------------------------------------------------------

    def _deciding(self, made_by: Fn | Select, args: list[tuple[Sequence, int]]) -> list[Cell]:
        """The fewest arguments, of those that can be left out one after another, that fix what a function gives."""
        cells = list(dict.fromkeys(args))
        values = [self.value(*c) for c in cells]
        which = tuple(cells.index(a) for a in args)
        memo = (made_by, which, tuple(n for n, _ in cells), tuple(map(identity, values)))
        if memo not in self._needed:
            f = _bit(made_by) if isinstance(made_by, Select) else made_by
            last = sorted(range(len(cells)), key=lambda i: (self.positional.get(cells[i][0], False), -i))
            domains = [self.domains.get(n) for n, _ in cells]
            self._needed[memo] = deciding(lambda *xs: f(*(xs[i] for i in which)), values, domains, last)
        return [(cells[i][0], (cells[i][1],)) for i in self._needed[memo]]


def deciding(
    f: Callable[..., Value], values: Sized[Value], domains: Sized[Sized[Value] | None], order: Sized[int]
) -> tuple[int, ...]:
    """Return which arguments fix the result: the others, tried in ``order``, may take any values of their domains.

    >>> deciding(lambda c, x, y: x if c else y, [True, 1, 2], [[True, False], [1, 2], [1, 2]], [2, 1, 0])
    (0, 1)
    """
    result = f(*values)
    free: list[int] = []
    for i in order:
        trial = [*free, i]
        choices = [domains[j] if j in trial else (values[j],) for j in range(len(values))]
        known = [c for c in choices if c is not None]
        if len(known) == len(choices) and math.prod(map(len, known)) <= MAX_TRIALS:
            if all(_gives(f, xs, result) for xs in product(*known)):
                free = trial
    return tuple(i for i in range(len(values)) if i not in free)


def _gives(f: Callable[..., Value], args: tuple[Value, ...], result: Value) -> bool:
    try:
        return alike(f(*args), result)
    except FunctionError:
        return False


def alike(a: Value, b: Value) -> bool:
    """Whether two values are equal up to the tolerance, and both or neither are truth values.

    >>> alike(1, 1.0), alike(True, 1)
    (True, False)
    """
    return same(a, b) and isinstance(a, bool) == isinstance(b, bool)


def _bit(s: Select) -> Callable[..., Value]:
    return lambda key, query: key is not None and query is not None and bool(s.pred(key, query))


def _beats(rule: str, query: int, key: int, other: int) -> bool:
    """Whether ``key`` would be preferred to ``other`` by its place."""
    if rule == "closest":
        return (abs(key - query), key) < (abs(other - query), other)
    return key < other if rule == "leftmost" else key > other


def _inferred(
    program: Program, signature: Signature
) -> tuple[dict[Node, tuple[Value, ...] | None], dict[Node, bool], set[Node]]:
    """The values of each variable as far as they can be listed, what no token changes, and what selects one key at most."""
    facts = Facts(signature)
    failed: set[Node] = set()
    for n in walk(*program.outputs.values()):
        try:
            if failed.intersection(n.inputs):
                failed.add(n)
            else:
                facts.add(n)
        except JaniformError:
            failed.add(n)
    domains: dict[Node, tuple[Value, ...] | None] = {n: d.values for n, d in facts.domains.items()}
    for n in failed:
        domains.pop(n, None)
    positional = {n: yes for n, yes in facts.positional.items() if n not in failed}
    return domains, positional, {s for s, yes in facts.at_most_one.items() if yes and s not in failed}
