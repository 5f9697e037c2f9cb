"""Which statements are what a part of a model carries: those that foretell what is said where the part's sources are exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from janiform.decompile.observed.statements import Picker, Statements, Term
from janiform.decompile.observed.watch import Responses, Watched
from janiform.ir.nodes import Aggregate, Count
from janiform.ir.nodes import Sequence as Seq

PAIRS = 160
"""So many pairs of sources of different classes are looked at first."""
MISSED = 0.12
"""Of these pairs a statement may hold the same for this share, as classes are seen through noise."""
FORETOLD = 0.97
"""The least share of answers that a statement has to foretell."""
FINER = 1.0
"""What a statement costs for each bit that it tells and its part does not."""
LOOKS = 1.5
"""What is taken off where attention looks where the selector does."""
KEPT = 5
"""So many statements are kept for a part."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A statement that foretells answers; ``finer`` is how many bits it tells besides, ``looks`` from 0 to 1 how well attention agrees."""

    node: Seq
    cost: float
    foretold: float
    finer: float
    looks: float


@dataclass(slots=True, eq=False)
class Search:
    """What is looked for: a part's responses, and pairs of positions that a statement has to tell apart."""

    seen: Watched
    responses: Responses
    of: Int[np.ndarray, " source"]
    one: Int[np.ndarray, " pair"]
    other: Int[np.ndarray, " pair"]
    kept: list[Fit]
    known: set[bytes]

    @classmethod
    def of_part(cls, seen: Watched, responses: Responses) -> Search:
        """Draw pairs of sources of different classes."""
        of, sources = responses.classes(), responses.sources
        rng = np.random.default_rng(2)
        a, b = rng.integers(len(of), size=(2, 40 * PAIRS))
        apart = np.flatnonzero(of[a] != of[b])[:PAIRS]
        return cls(seen, responses, of, sources[a[apart]], sources[b[apart]], [], set())

    @property
    def bound(self) -> float:
        """What a statement may cost that is to be kept."""
        return self.kept[-1].cost if len(self.kept) >= KEPT else np.inf

    def offer(self, node: Seq, picker: Picker, x: Float[np.ndarray, " where"], cost: float) -> None:
        """Keep a statement if it foretells what is said, and is among the cheapest."""
        held = np.unique(np.round(x, 5), return_inverse=True)[1]
        first = np.unique(held, return_index=True)[1]
        order = np.argsort(np.argsort(first))
        key = order[held].tobytes()
        if key in self.known:
            return
        foretold = self.responses.foretold(held, self.seen.grid)
        if foretold < FORETOLD:
            return
        finer = self.bits(held)
        looks = self.looks(picker)
        total = cost + FINER * finer - LOOKS * looks + 30 * (1 - foretold)
        if total < self.bound:
            self.known.add(key)
            self.kept.append(Fit(node, total, foretold, finer, looks))
            self.kept.sort(key=lambda f: f.cost)
            del self.kept[KEPT:]

    def bits(self, held: Int[np.ndarray, " where"]) -> float:
        """Return the bits that are told beside the classes."""
        counts = np.zeros((int(held.max()) + 1, int(self.of.max()) + 1))
        np.add.at(counts, (held[self.responses.sources], self.of), 1)
        joint = counts / counts.sum()
        given = joint / np.maximum(joint.sum(0), 1e-12)
        return -float((joint * np.log2(np.maximum(given, 1e-12))).sum())

    def looks(self, picker: Picker) -> float:
        """Return how often a head of the part pays a selected key more attention than one that is not: 0 as often as not, 1 always."""
        best = 0.0
        there = self.seen.there
        for h in self.responses.part.heads:
            a = self.seen.pattern[self.responses.part.layer][h, :, :, 1:]
            yes, no = picker.pairs, there & ~picker.pairs
            both = yes[..., :, None] & no[..., None, :]
            if not both.any():
                continue
            won = (a[..., :, None] > a[..., None, :])[both].mean()
            best = max(best, 2 * float(won) - 1)
        return best


def fits(seen: Watched, statements: Statements, parts: Sequence[Responses], most: float) -> list[list[Fit]]:
    """Return for each part the statements that foretell what is said, those that cost least first."""
    searches = [Search.of_part(seen, r) for r in parts]
    for some, kinds, x in statements.batches(most):
        cost = np.array([p.cost for p in some])
        cost = cost + np.array([0.5 if t is None else t.cost + 0.7 for t in kinds])[:, None]
        sound = ~np.isnan(x).any(2) & (cost <= most)
        for search in searches:
            if not len(search.one) or search.bound < cost.min() - LOOKS:
                continue
            equal = np.abs(x[:, :, search.one] - x[:, :, search.other]) < 1e-6
            good = np.argwhere((equal.mean(2) <= MISSED) & sound)
            for i, j in sorted(good.tolist(), key=lambda ij: cost[ij[0], ij[1]]):
                if cost[i, j] - LOOKS < search.bound:
                    search.offer(_node(kinds[i], some[j]), some[j], x[i, j], float(cost[i, j]))
    return [s.kept for s in searches]


def _node(term: Term | None, picker: Picker) -> Seq:
    return Count(picker.node) if term is None else Aggregate(picker.node, term.node)
