"""Statements by size: everything small that attention can bring, on the inputs that were watched.

Terms are what a position holds: its token, its place, the input's length, what earlier statements brought, and plain functions
of these. Selectors compare a term of the key with one of the query, ask one alone, join two of these, or prefer one key of
those selected. A statement counts the keys that are selected, or takes the mean or the sum of a term there. None of this looks at a
model; what heads were seen to carry is only what is looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from janiform.decompile.observed.terms import KEY, QUERY, UNDEFINED, Term, Terms
from janiform.errors import JaniformError
from janiform.ir.derived import length, select_all
from janiform.ir.functions import Apply, Fn, Lit
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
)
from janiform.ir.nodes import Sequence as Seq

SIMPLE = 140
"""So many of the smallest selectors are joined by *and* and *or*."""
PREFERRED = 260
"""Of so many of the smallest selectors one key is preferred."""
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
SAME = 1e-6


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
class Statements(Terms):
    """Everything small that attention can bring."""

    _made: list[Picker] | None = field(default=None)

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
