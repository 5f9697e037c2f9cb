"""Statements by size: everything small that attention can bring, on the inputs that were watched.

Terms are what a position holds: its token, its place, the input's length, what earlier statements brought, and plain functions
of these. Selectors compare a term of the key with one of the query, ask one alone, join two of these, or prefer one key of
those selected. A statement counts the keys that are selected, or takes the mean or the sum of a term there. None of this looks at a
model; what heads were seen to carry is only what is looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from janiform.errors import JaniformError
from janiform.ir.derived import length, select_all
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Fn, Lit, table
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Or,
    Select,
    Selector,
    Tokens,
    Value,
)
from janiform.ir.nodes import Sequence as Seq

KEY, QUERY = Arg(0), Arg(1)
SIMPLE = 140
"""So many of the smallest selectors are joined by *and* and *or*."""
PREFERRED = 260
"""Of so many of the smallest selectors one key is preferred."""
CONSTANTS = 8
"""Terms of more values are not compared with each of them."""
_EQUAL = Apply("==", (KEY, QUERY))
_TWICE = Apply("*", (QUERY, Lit(2)))
PLACES: tuple[tuple[Fn, Seq, float], ...] = (
    (_EQUAL, Map(Apply("-", (Apply("-", (KEY, Lit(1))), QUERY)), (length(), Indices())), 3.4),
    (_EQUAL, Map(Apply("-", (KEY, Lit(1))), (length(),)), 3.2),
    (Apply("==", (KEY, Apply("max", (Apply("-", (QUERY, Lit(1))), Lit(0))))), Indices(), 3.8),
    (
        _EQUAL,
        Map(Apply("min", (Apply("+", (KEY, Lit(1))), Apply("-", (QUERY, Lit(1))))), (Indices(), length())),
        4.4,
    ),
    (Apply("==", (Apply("*", (KEY, Lit(2))), QUERY)), Indices(), 3.8),
    (Apply("==", (KEY, _TWICE)), Indices(), 3.8),
    (Apply("==", (KEY, Apply("//", (QUERY, Lit(2))))), Indices(), 4.0),
    (Apply("==", (Apply("%", (KEY, Lit(2))), Apply("%", (QUERY, Lit(2))))), Indices(), 4.2),
    (Apply("==", (Apply("//", (KEY, Lit(2))), Apply("//", (QUERY, Lit(2))))), Indices(), 4.4),
)
"""Selections by place beside shifts: what is asked of the key's place and a term of the query, and what that costs."""

CHUNK = 192
"""So many selectors are tried at a time."""
COUNT, ANY, MEAN, SUM = 0.5, 0.9, 0.7, 1.4
"""What it costs to count keys, to ask whether there are any, and to take the mean or the sum of a term."""
SUMMED = 2.8
"""Terms that cost more are not summed."""
UNDEFINED = -1e6
"""What stands for undefined among numbers."""
SAME = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """What a position holds: numbers, or codes where values are no numbers; ``UNDEFINED`` where there is none."""

    node: Seq
    numbers: Float[np.ndarray, "input position"]
    numeric: bool
    cost: float


@dataclass(frozen=True, slots=True, eq=False)
class Picker:
    """Which keys are selected."""

    node: Selector
    pairs: Bool[np.ndarray, "input query key"]
    cost: float


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What is done with selected keys: counted, asked for, or a term of theirs averaged or summed."""

    what: Literal["count", "any", "mean", "sum"]
    term: Term | None
    cost: float

    def node(self, picker: Picker) -> Seq:
        """Return the statement."""
        if self.what == "count":
            return Count(picker.node)
        if self.term is None:
            return Aggregate(picker.node, Const(0))
        if self.what == "sum":
            return Aggregate(picker.node, self.term.node, 0, "sum")
        return Aggregate(picker.node, self.term.node)


@dataclass(eq=False)
class Statements:
    """Everything small over some terms; ``found`` are earlier statements that may be read."""

    run: Run
    vocab: tuple[Value, ...]
    found: Sequence[Seq] = ()
    _made: list[Picker] | None = field(default=None)

    # --- terms ------------------------------------------------------------------------------------------------------

    def term(self, n: Seq, cost: float) -> Term | None:
        """Run a term, None where it has no meaning on some input."""
        try:
            column = self.run.column(n)
        except JaniformError:
            return None
        numeric = all(v is None or not isinstance(v, str) for v in column.values)
        numbers = np.array(
            [
                UNDEFINED if v is None else float(v) if numeric else float(i)  # type: ignore[arg-type]
                for i, v in enumerate(column.values)
            ]
        )
        return Term(n, numbers[column.codes], numeric, cost)

    def basic(self) -> list[Term]:
        """Return tokens, places, the length and what earlier statements brought."""
        made = [self.term(Tokens(), 1.0), self.term(Indices(), 1.0), self.term(length(), 1.6)]
        made += [self.term(n, 1.2) for n in self.found]
        return distinct(t for t in made if t is not None)

    def asked(self, basic: Sequence[Term]) -> list[Term]:
        """Return what can be asked of one term: equal to a value, below one, defined."""
        made: list[Term | None] = []
        for t in basic:
            values = self.values(t.node)
            gap = [v for v in values if v is None]
            known = [v for v in values if v is not None]
            if gap:
                made.append(self.term(Map(Apply("defined", (KEY,)), (t.node,)), t.cost + 0.8))
            if len(known) > 2 * CONSTANTS:
                continue
            for v in known if len(known) <= CONSTANTS else ():
                made.append(self.term(Map(Apply("==", (KEY, Lit(v))), (t.node,)), t.cost + 1.0))
            if t.numeric and len(known) > 2:
                ordered = sorted(known, key=float)  # type: ignore[arg-type]
                for v in ordered[1:-1]:
                    for op in ("<", ">"):
                        made.append(self.term(Map(Apply(op, (KEY, Lit(v))), (t.node,)), t.cost + 1.1))
            if t.numeric and all(float(v).is_integer() for v in known):  # type: ignore[arg-type]
                made.append(
                    self.term(Map(Apply("==", (Apply("%", (KEY, Lit(2))), Lit(1))), (t.node,)), t.cost + 1.6)
                )
        return distinct(t for t in made if t is not None)

    def computed(self, basic: Sequence[Term]) -> list[Term]:
        """Return plain numbers made of one or two terms."""
        made: list[Term | None] = []
        numeric = [t for t in basic if t.numeric]
        for t in numeric:
            for c in (1, 2):
                made += [
                    self.term(Map(Apply(op, (KEY, Lit(c))), (t.node,)), t.cost + 1.3) for op in ("min", "max")
                ]
            made.append(self.term(Map(Apply("%", (KEY, Lit(2))), (t.node,)), t.cost + 1.2))
            made.append(
                self.term(
                    Map(Apply("abs", (Apply("-", (KEY, Lit(1))),)), (t.node,)),
                    t.cost + 1.6,
                )
            )
        for a, b in itertools.combinations(numeric, 2):
            for op in ("+", "-", "*", "min", "max", "<", "==", ">"):
                more = 1.4 if op in ("+", "-") else 1.6
                made.append(self.term(Map(Apply(op, (KEY, QUERY)), (a.node, b.node)), a.cost + b.cost + more))
        for a in numeric:
            if isinstance(a.node, Tokens) and len(self.vocab) <= 4:
                for images in itertools.product((0, 1, 2), repeat=len(self.vocab)):
                    rows = tuple(((v,), i) for v, i in zip(self.vocab, images))
                    made.append(self.term(Map(table(rows, 1, Lit(images[-1])), (a.node,)), 3.2))
        return distinct(t for t in made if t is not None)

    def values(self, n: Seq) -> list[Value]:
        """Return the values that a term takes."""
        column = self.run.column(n)
        occurring = np.unique(column.codes[np.broadcast_to(self.run.valid, column.codes.shape)])
        return [column.values[c] for c in occurring.tolist()]

    # --- selectors --------------------------------------------------------------------------------------------------

    def simple(self) -> list[Picker]:
        """Return comparisons of one term of the key with one of the query, and questions to either."""
        basic = self.basic()
        found: list[Picker | None] = [self.picker(select_all(), 1.0)]
        places = Indices()
        for t, answer in itertools.product(self.asked(basic), (True, False)):
            more = 0.0 if answer else 0.2
            of_key, of_query = (Apply("==", (side, Lit(answer))) for side in (KEY, QUERY))
            found.append(self.picker(Select(of_key, t.node, places), t.cost + 0.6 + more))
            found.append(self.picker(Select(of_query, places, t.node), t.cost + 0.9 + more))
        for k, q in itertools.product(basic, basic):
            both = k.cost + q.cost
            if k.numeric and q.numeric:
                mixed = 0.0 if k.node is q.node else 0.4
                for op in ("==", "!=", "<", "<=", ">", ">="):
                    found.append(
                        self.picker(Select(Apply(op, (KEY, QUERY)), k.node, q.node), both + mixed + 0.5)
                    )
                for c in (1, 2, 3):
                    for sign in ("+", "-"):
                        shifted = Apply("==", (KEY, Apply(sign, (QUERY, Lit(c)))))
                        here = k.node is places and q.node is places
                        found.append(
                            self.picker(
                                Select(shifted, k.node, q.node),
                                both + mixed + (0.7 if here else 1.7) + 0.1 * c,
                            )
                        )
            elif k.numeric == q.numeric:
                for op in ("==", "!="):
                    found.append(self.picker(Select(Apply(op, (KEY, QUERY)), k.node, q.node), both + 0.5))
        found += [self.picker(Select(f, places, n), cost) for f, n, cost in PLACES]
        return [p for p in unlike(p for p in found if p is not None) if p.pairs.any()]

    def pickers(self) -> list[Picker]:
        """Return every selector, the smallest first."""
        if self._made is not None:
            return self._made
        simple = sorted(self.simple(), key=lambda p: p.cost)
        made = list(simple)
        there = self.run.pairs
        joined: list[Picker] = []
        for a, b in itertools.combinations(simple[1:SIMPLE], 2):
            cost = a.cost + b.cost + 0.8
            joined.append(Picker(And(a.node, b.node), a.pairs & b.pairs, cost))
            joined.append(Picker(Or(a.node, b.node), a.pairs | b.pairs, cost + 0.4))
        joined.sort(key=lambda p: p.cost)
        made = unlike(sorted([*made, *joined], key=lambda p: p.cost))
        made = [p for p in made if p.pairs.any()]
        index = np.arange(there.shape[2])
        near = 2 * np.abs(index[:, None] - index) + (index > index[:, None])
        plain: dict[str, np.ndarray] = {
            "leftmost": np.broadcast_to(index, there.shape),
            "rightmost": np.broadcast_to(-index, there.shape),
            "closest": np.broadcast_to(near, there.shape),
        }
        scores = [t for t in [*self.basic(), *self.computed(self.basic())[:12]] if t.numeric]
        best: list[Picker] = []
        for p in made[:PREFERRED]:
            if (p.pairs.sum(2) <= 1).all():
                continue
            for rule, badness in plain.items():
                best.append(Picker(Best(p.node, rule), _preferred(p.pairs, badness), p.cost + 1.2))  # type: ignore[arg-type]
            if p.cost > 4:
                continue
            for t in scores:
                if (t.numbers == UNDEFINED)[self.run.valid].any() or isinstance(t.node, Indices):
                    continue
                for rule, sign in (("largest", -1), ("smallest", 1)):
                    badness = np.broadcast_to((sign * t.numbers)[:, None, :], there.shape)
                    best.append(
                        Picker(
                            Best(p.node, rule, t.node),  # type: ignore[arg-type]
                            _preferred(p.pairs, badness),
                            p.cost + t.cost + 0.6,
                        )
                    )
        self._made = unlike(sorted([*made, *best], key=lambda p: p.cost))
        return self._made

    def picker(self, s: Selector, cost: float) -> Picker | None:
        """Run a selector, None where it has no meaning on some input."""
        try:
            return Picker(s, self.run.pairs_selected(s) & self.run.pairs, cost)
        except JaniformError:
            return None

    # --- statements -------------------------------------------------------------------------------------------------

    def brought(self) -> list[Term]:
        """Return what may be brought from keys."""
        basic = self.basic()
        flags = [
            Map(Apply("if", (t.node.fn, Lit(1), Lit(0))), t.node.args)
            for t in self.asked(basic)
            if isinstance(t.node, Map)
        ]
        asked = [self.term(n, t.cost) for n, t in zip(flags, self.asked(basic), strict=True)]
        known = [t for t in asked if t is not None]
        return sorted(distinct([*basic, *known, *self.computed(basic)]), key=lambda t: t.cost)

    def batches(
        self, most: float
    ) -> Iterator[tuple[list[Picker], list[Kind], Float[np.ndarray, "kind picker where"]]]:
        """Yield what selectors bring, chunk by chunk: of each kind, under each selector, at each position."""
        terms = [t for t in self.brought() if not (t.numbers == UNDEFINED)[self.run.valid].any()]
        at = np.broadcast_to(self.run.valid, terms[0].numbers.shape)
        stacked = np.stack([np.where(at, t.numbers, 0) for t in terms], 2)
        exact = torch.from_numpy(np.concatenate([stacked, stacked**2], 2)).float()
        pickers = self.pickers()
        for start in range(0, len(pickers), CHUNK):
            some = [p for p in pickers[start : start + CHUNK] if p.cost <= most]
            if not some:
                return
            few = sum(t.cost + MEAN + some[0].cost <= most for t in terms)
            kinds = [Kind("count", None, COUNT), Kind("any", None, ANY)]
            kinds += [Kind("mean", t, t.cost + MEAN) for t in terms[:few]]
            summed = [i for i, t in enumerate(terms[:few]) if t.numeric and t.cost <= SUMMED]
            kinds += [Kind("sum", terms[i], terms[i].cost + SUM) for i in summed]
            chosen = torch.cat([exact[..., :few], exact[..., len(terms) : len(terms) + few]], 2)
            pairs = torch.from_numpy(np.stack([p.pairs for p in some], 1)).float()
            n, s, q, k = pairs.shape
            sums = torch.bmm(pairs.reshape(n, s * q, k), chosen).reshape(n, s, q, -1).numpy()
            widths = pairs.sum(3).numpy()
            filled = np.maximum(widths, 1)[..., None]
            means = sums[..., :few] / filled
            spread = sums[..., few:] / filled - means**2
            for i, t in enumerate(terms[:few]):
                if not t.numeric:
                    mixed = ((spread[..., i] > SAME) & (widths > 0)).any((0, 2))
                    means[:, mixed, :, i] = np.nan
            means[widths == 0] = UNDEFINED
            held = [np.stack([widths, widths > 0], 3), means, sums[..., summed]]
            both = np.concatenate(held, 3).transpose(3, 1, 0, 2)
            yield some, kinds, both[:, :, at]


def distinct(terms: Iterable[Term]) -> list[Term]:
    """Leave out terms that tell positions apart as one before does, and those that hold one value."""
    known: set[bytes] = set()
    kept = []
    for t in terms:
        key = np.round(t.numbers, 6).tobytes()
        if key not in known and len(np.unique(t.numbers)) > 1:
            known.add(key)
            kept.append(t)
    return kept


def unlike(pickers: Iterable[Picker]) -> list[Picker]:
    """Leave out selectors that select what one before does."""
    known: set[bytes] = set()
    kept = []
    for p in pickers:
        key = np.packbits(p.pairs).tobytes()
        if key not in known:
            known.add(key)
            kept.append(p)
    return kept


def _preferred(pairs: np.ndarray, badness: np.ndarray) -> np.ndarray:
    """Keep of each query's keys the one of least badness, the leftmost of equals."""
    masked = np.where(pairs, badness, np.inf)
    best = np.zeros(pairs.shape, bool)
    np.put_along_axis(best, masked.argmin(2)[:, :, None], True, 2)
    return best & pairs
