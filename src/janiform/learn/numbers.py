"""Growing with numbers: sums of a number over keys, and numerical MLPs of sums, counts and positions.

A candidate is a numerical MLP of two numbers that there are, or a numeric embedding of the tokens, a head that sums it, and
a numerical MLP of the sum. Its steps are at first all that the sum can take; condensing drops those that decide nothing.
Half of the sums are drawn, the others are the best ones with one part changed.

Source: Friedman et al. 2023, section 3 (numerical variables).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from janiform.learn.draft import Number, Steps, Tally, Unit, size_of
from janiform.learn.grow import SET, Candidate, Growth
from janiform.learn.output import WIDEST

SLOPES = ((1, -1), (1, 1), (2, -1), (1, -2))
"""The weighted sums of two numbers that are tried."""

LARGEST = 3
"""The largest number that a token stands for."""


def numerical(growth: Growth, tries: int) -> Candidate | None:
    """Return the candidate with numbers that would lower the loss most; ``growth`` draws what it would have drawn."""
    numbers = Numbers(growth)
    found = [*numbers.mlps(tries // 2), *numbers.sums(tries - tries // 2)]
    return max(found, key=lambda c: c.gain, default=None)


class Numbers:
    """One search for units with numbers to add to a draft."""

    def __init__(self, growth: Growth) -> None:
        self.growth = copy.copy(growth)
        self.growth.rng = self.rng = np.random.Generator(growth.rng.bit_generator.jumped())  # type: ignore[attr-defined]
        self.draft, self.bench, self.left = growth.draft, growth.bench, growth.left
        self.tokens = growth.sizes[0]

    def mlps(self, tries: int) -> Iterator[Candidate]:
        """Numerical MLPs of two numbers that the draft has, or of a sum alone."""
        known = [v for v, numeric in enumerate(self.draft.numeric()) if numeric]
        pairs = [(a, b, slopes) for a in known for b in known if a < b for slopes in SLOPES]
        pairs += [(v, v, (1, 0)) for v in known if not self.growth.sizes[v]]
        for i in self.rng.permutation(len(pairs))[:tries]:
            a, b, slopes = pairs[i]
            unit = laddered(a, b, slopes, self.growth.values)
            codes = self.bench.unit(unit, self.growth.values)[self.left.asked]
            yield Candidate(self.left.gain(codes, unit.size), (unit,), None)

    def sums(self, tries: int) -> list[Candidate]:
        """Sums of numbers that tokens stand for, with numerical MLPs of them."""
        found: list[Candidate] = []
        for t in range(tries if self.tokens <= SET else 0):
            chain = self.drawn() if t < tries // 2 or not found else self.varied(found)
            values, sizes = list(self.growth.values), list(self.growth.sizes)
            for u in chain:
                values.append(self.bench.unit(u, values))
                sizes.append(size_of(u, sizes, self.draft.frame))
            last = len(values) - 1
            if np.ptp(values[last]) > 0:
                whole = (*chain, laddered(last, last, (1, 0), values))
                if new := self.growth.judged(whole):
                    found = sorted([*found, new], key=lambda c: -c.gain)[:12]
        return found

    def drawn(self) -> tuple[Number, Tally]:
        """A number for each token, and a head that sums it."""
        numbers = self.rng.integers(-1, 2, size=self.tokens).astype(float)
        return Number(0, numbers), self.head(len(self.draft.units) + self.draft.inputs)

    def head(self, amounts: int) -> Tally:
        """A head with a drawn relation of inputs or other variables, or one that sums over all it sees."""
        sizes, coded = self.growth.sizes, [v for v, s in enumerate(self.growth.sizes) if s]
        key, query = (coded[int(i)] for i in self.rng.integers(len(coded), size=2))
        masks = self.draft.frame.masks()
        mask = masks[int(self.rng.integers(len(masks)))]
        if self.rng.random() < 0.5:
            return Tally(0, 0, np.ones((sizes[0], sizes[0]), bool), mask, amounts)
        query = key if self.rng.random() < 0.35 else query
        return Tally(key, query, self.growth.relation(sizes[query], sizes[key]), mask, amounts)

    def varied(self, found: list[Candidate]) -> tuple[Unit, ...]:
        """One of the best with one number, or with its head, changed."""
        number, head = found[int(min(self.rng.integers(len(found), size=2)))].chain[:2]
        assert isinstance(number, Number) and isinstance(head, Tally) and head.amounts is not None
        if self.rng.random() < 0.3:
            return number, self.head(head.amounts)
        numbers = number.numbers.copy()
        numbers[self.rng.integers(self.tokens)] += self.rng.choice((-1, 1))
        return replace(number, numbers=numbers.clip(-LARGEST, LARGEST)), head


def laddered(left: int, right: int, slopes: tuple[float, float], values: list[np.ndarray]) -> Steps:
    """The numerical MLP with a step of its own for each sum that occurs, or as many as there may be.

    >>> laddered(0, 1, (1, -1), [np.array([0, 1, 2]), np.array([0, 0, 0])]).edges
    (0.5, 1.5)
    """
    sums = np.unique(slopes[0] * values[left] + slopes[1] * values[right])
    edges = (sums[1:] + sums[:-1]) / 2
    if len(edges) >= WIDEST:
        edges = edges[np.linspace(0, len(edges) - 1, WIDEST - 1).astype(int)]
    return Steps(left, right, slopes, tuple(edges.tolist()), np.arange(len(edges) + 1), len(edges) + 1)
