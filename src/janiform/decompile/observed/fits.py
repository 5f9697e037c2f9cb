"""Which statements are what a part of a model carries: those that foretell what is said where the part's sources are exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from janiform.decompile.observed.responses import Responses
from janiform.decompile.observed.statements import Kind, Picker, Statements
from janiform.decompile.observed.watch import Watched
from janiform.ir.nodes import Sequence as Seq

PAIRS = 160
"""So many pairs of sources of different classes are looked at first."""
MISSED, FORETOLD = (0.3, 0.12), (0.85, 0.92)
"""Of these pairs a statement may hold the same for this share, as classes are seen through noise, and it has to foretell that
share of answers: before the last layer, where all answers of an input are heard, and in it."""
FINER = 1.0
"""What a statement costs for each bit that it tells and its part does not."""
LOOKS = 1.5
"""What is taken off where attention looks where the selector does."""
OFFERED = 1_500
"""So many statements that tell a part's classes apart are run against what it says."""
GLANCED = 16
"""At so many places first."""
SLACK = 3.0
"""A statement that costs so much more than another is not kept."""
MISTAKEN = 30.0
"""What a statement costs for each answer of one that it does not foretell."""
UNLIKELY = 0.8
"""What is added to counts and sums that heads carry alone, and to others that need hidden units: attention brings means."""
KEPT = 4
"""So many statements are kept for a part."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A statement that foretells answers; ``finer`` is how many bits it tells besides, ``looks`` from 0 to 1 how well attention agrees."""

    node: Seq
    cost: float
    foretold: float
    finer: float
    looks: float
    held: bytes
    """Which positions hold the same."""


@dataclass(slots=True, eq=False)
class Search:
    """What is looked for: a part's responses, and pairs of positions that a statement has to tell apart."""

    seen: Watched
    responses: Responses
    of: Int[np.ndarray, " source"]
    one: Int[np.ndarray, " pair"]
    other: Int[np.ndarray, " pair"]
    kept: list[Fit]
    offered: int = 0

    @classmethod
    def of_part(cls, seen: Watched, responses: Responses) -> Search:
        """Draw pairs of sources of different classes."""
        of, sources = responses.classes(), responses.sources
        rng = np.random.default_rng(2)
        a, b = rng.integers(len(of), size=(2, 40 * PAIRS))
        apart = np.flatnonzero(of[a] != of[b])[:PAIRS]
        return cls(seen, responses, of, sources[a[apart]], sources[b[apart]], [])

    @property
    def last(self) -> bool:
        """Whether the part is in the last layer."""
        return self.responses.part.layer == self.seen.subject.model.config.n_layers - 1

    @property
    def bound(self) -> float:
        """What a statement may cost that is to be kept."""
        if not self.kept:
            return np.inf
        return min(self.kept[0].cost + SLACK, self.kept[-1].cost if len(self.kept) >= KEPT else np.inf)

    def offer(self, kind: Kind, picker: Picker, x: Float[np.ndarray, " where"]) -> None:
        """Keep a statement if it foretells what is said, and is among the cheapest."""
        self.offered += 1
        held = np.unique(np.round(x, 5), return_inverse=True)[1]
        first = np.unique(held, return_index=True)[1]
        order = np.argsort(np.argsort(first))
        key = order[held].tobytes()
        least = FORETOLD[self.last]
        if self.responses.foretold(held, self.seen.grid, GLANCED) < least - 0.04:
            return
        foretold = self.responses.foretold(held, self.seen.grid)
        if foretold < least:
            return
        finer = self.bits(held)
        looks = self.looks(picker)
        total = kind.cost + picker.cost + FINER * finer - LOOKS * looks + MISTAKEN * (1 - foretold)
        if (kind.what in ("count", "sum")) != self.responses.part.units:
            total += UNLIKELY
        same = next((f for f in self.kept if f.held == key), None)
        if total < (self.bound if same is None else same.cost):
            kept = [f for f in self.kept if f is not same]
            kept.append(Fit(kind.node(picker), total, foretold, finer, looks, key))
            self.kept = sorted(kept, key=lambda f: f.cost)[:KEPT]

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
    for search in searches:
        search.offered = 0 if len(search.one) else OFFERED
    for some, kinds, x in statements.batches(most):
        cost = np.array([k.cost for k in kinds])[:, None] + np.array([p.cost for p in some])
        sound = ~np.isnan(x).any(2) & (cost <= most)
        asked = [s for s in searches if s.offered < OFFERED and s.bound > cost.min() - LOOKS]
        if not asked:
            break
        for search in asked:
            equal = np.abs(x[:, :, search.one] - x[:, :, search.other]) < 1e-6
            good = np.argwhere((equal.mean(2) <= MISSED[search.last]) & sound)
            for i, j in sorted(good.tolist(), key=lambda ij: cost[ij[0], ij[1]]):
                if cost[i, j] - LOOKS < search.bound and search.offered < OFFERED:
                    search.offer(kinds[i], some[j], x[i, j])
    return [s.kept for s in searches]
