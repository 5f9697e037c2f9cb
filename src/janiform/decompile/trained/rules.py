"""Decision lists: which source gives the answer, decided by few literals. The shortest description wins.

Rows are situations with a weight; a source is an answer that may be right in a row (a constant, a copied variable); a literal
is true or false in a row. A rule costs bits for every literal and source in it, and for every row that it gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

WRONG = 10.0
"""Bits of a row that is wrong."""

STRICT = (30.0, 1000.0)
"""What lists are held to: a few rows may be wrong, or hardly any."""

SLIGHT = 0.1
"""What a bit counts beside a row that is covered."""

BEAM, SOURCES, RULES = 16, 4, 6
"""How many literals are tried in pairs, how many sources, and how many rules a list has at most."""


@dataclass(frozen=True, slots=True)
class Test:
    """A conjunction or disjunction of literals, each (number, wanted truth)."""

    literals: tuple[tuple[int, bool], ...]
    every: bool = True

    def truth(self, literals: Bools) -> Bools:
        """In which rows it holds."""
        each = [literals[i] == wanted for i, wanted in self.literals]
        return np.logical_and.reduce(each) if self.every else np.logical_or.reduce(each)


@dataclass(frozen=True, slots=True)
class Rules:
    """The source of the first test that holds, else ``default``; ``bits`` is what the description costs."""

    cases: tuple[tuple[Test, int], ...]
    default: int
    wrong: float
    bits: float


def alike(columns: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first of each kind of equal columns, and the kind of each column.

    >>> first, kind = alike(np.array([[5, 5, 9, 5], [1, 0, 1, 1]]))
    >>> [columns.tolist() for columns in (first, kind)]
    [[1, 0, 2], [1, 0, 2, 1]]
    """
    if columns.dtype == bool:
        packed = np.packbits(columns, axis=0)
        words = np.pad(packed, ((0, -len(packed) % 8), (0, 0))).T.copy().view(np.uint64).T
    else:
        words = columns
    kind = np.zeros(columns.shape[1], np.intp)
    for word in words:
        values, code = np.unique(word, return_inverse=True)
        kind = np.unique(kind * len(values) + code, return_inverse=True)[1]
    return np.unique(kind, return_index=True)[1], kind


class Rows:
    """Situations to find rules for: ``literals`` (literal, row), ``right`` (source, row), ``weight`` of each row; ``costs``
    and ``prices`` are the bits of literals and sources."""

    def __init__(
        self,
        literals: Bools,
        costs: NDArray[np.float64],
        right: Bools,
        prices: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        first, place = alike(np.concatenate([literals, right]))
        self.literals, self.right = literals[:, first], right[:, first]
        self.costs, self.prices = costs, prices
        merged = np.bincount(place, weight, len(first)).astype(float)
        self.weight = merged * self.right.any(0)  # where no source is right, no rule is to blame
        self.numbers = self.literals.astype(float)

    def made(self, cases: tuple[tuple[Test, int], ...], default: int) -> Rules:
        """The rules with what they cost."""
        wrong = float(self.weight[~self.said(Rules(cases, default, 0, 0))].sum())
        size = sum(float(self.prices[source]) for source in (default, *(s for _, s in cases)))
        size += sum(float(self.costs[i]) for t, _ in cases for i, _ in t.literals)
        return Rules(cases, default, wrong, size + WRONG * wrong)

    def best(self) -> Rules:
        """Find the rules of the shortest description: one literal, two joined, greedy lists, then a case more at a time."""
        gains = self.right @ self.weight * WRONG - self.prices
        best = self.made((), int(gains.argmax()))
        if not len(self.literals):
            return best
        best = min(best, *self.singles(), key=lambda rules: rules.bits)
        if best.bits <= 2 * (self.costs.min() + self.prices.min()):
            return best  # two literals and two sources cost as much
        enough = WRONG * best.wrong <= self.costs.min()
        for found in chain(() if enough else self.pairs(), *(self.lists(strict) for strict in STRICT)):
            if found.bits < best.bits:
                best = found
        while len(best.cases) < RULES and (longer := self.extended(best)).bits < best.bits:
            best = longer
        return best

    def said(self, rules: Rules) -> Bools:
        """In which rows rules are right."""
        right = self.right[rules.default]
        for test, source in reversed(rules.cases):
            right = np.where(test.truth(self.literals), self.right[source], right)
        return right

    def extended(self, rules: Rules) -> Rules:
        """The rules with the one case more, before all others, that helps most."""
        best = rules
        if not len(self.literals):
            return best
        right = self.said(rules).astype(float)
        missing = self.right @ (self.weight * (1 - right))  # what a source could mend at most
        for source in np.argsort(self.prices - missing * WRONG)[:SOURCES]:
            gain = self.weight * (self.right[source] - right)
            scores = self.numbers @ gain
            both = np.concatenate([scores, gain.sum() - scores]) * WRONG
            i = int((both - np.concatenate([self.costs, self.costs])).argmax())
            test = Test(((i % len(scores), i < len(scores)),))
            found = self.made(((test, int(source)), *rules.cases), rules.default)
            best = found if found.bits < best.bits else best
        return best

    def choices(self) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.float64]]]:
        """Two sources of those that bring most, what the first gains over the second in each row, and so each literal."""
        order = np.argsort(self.prices - self.right @ self.weight * WRONG)[:SOURCES]
        for a, b in permutations(map(int, order), 2):
            gain = self.weight * (self.right[a].astype(float) - self.right[b])
            yield a, b, gain, self.numbers @ gain

    def singles(self) -> Iterator[Rules]:
        """One literal between two sources."""
        for a, b, _, scores in self.choices():
            yield self.made(((Test(((int((self.costs - WRONG * scores).argmin()), True),)), a),), b)

    def pairs(self) -> Iterator[Rules]:
        """Two literals joined between two sources."""
        for a, b, gain, scores in self.choices():
            firsts = self.beam(gain, scores, float(gain.sum()))
            held = np.stack([self.literals[first] == wanted for first, wanted in firsts]) * gain
            with_both = held @ self.numbers.T
            rest = held.sum(1)[:, None]
            with_either, with_first = rest + scores - with_both, rest - with_both
            for values, second, every in (
                (with_both, True, True),
                (with_either, True, False),
                (with_first, False, True),
            ):
                for first, j in zip(firsts, (WRONG * values - self.costs).argmax(1), strict=True):
                    yield self.made(((Test((first, (int(j), second)), every), a),), b)

    def beam(
        self, gain: NDArray[np.float64], scores: NDArray[np.float64], total: float
    ) -> list[tuple[int, bool]]:
        """The literals, or their opposites, that alone bring most, then those that leave nothing out."""
        both = np.concatenate([scores, total - scores]) * WRONG - np.concatenate([self.costs, self.costs])
        most = [(int(i) % len(scores), int(i) < len(scores)) for i in np.argsort(-both)[:BEAM]]
        loss, win = np.maximum(-gain, 0), np.maximum(gain, 0)
        keeps = win.sum() - self.numbers @ win <= 1e-9
        whole = np.flatnonzero(keeps)[np.argsort(self.numbers[keeps] @ loss)][:BEAM]
        return most + [(int(i), True) for i in whole]

    def lists(self, strict: float) -> Iterator[Rules]:
        """Greedy lists: the test and source that are right wherever they apply, and apply most often, come first.

        A row that is wrong counts as much as ``strict`` rows that are covered.
        """
        if not len(self.literals):
            return
        cases: tuple[tuple[Test, int], ...] = ()
        left = np.ones(len(self.weight), bool)
        costs = np.concatenate([self.costs, self.costs])
        for _ in range(RULES):
            weight = self.weight * left
            gains = np.vstack([weight, self.right * weight])
            holding = self.numbers @ gains.T
            both = np.concatenate([holding, gains.sum(1) - holding])
            covered, rights = both[:, 0], both[:, 1:]
            wrong = np.maximum(covered[:, None] - rights, 0)
            worth = covered[:, None] - strict * wrong - (costs[:, None] + self.prices) * SLIGHT
            worth[covered >= weight.sum() * (1 - 1e-12)] = -1
            i, source = np.unravel_index(int(worth.argmax()), worth.shape)
            if worth[i, source] <= 0:
                return
            literal, wanted = int(i) % len(self.literals), int(i) < len(self.literals)
            cases = (*cases, (Test(((literal, wanted),)), int(source)))
            left = left & (self.literals[literal] != wanted)
            rest = self.right @ (self.weight * left) * WRONG - self.prices
            default = int(rest.argmax()) if left.any() else cases[-1][1]
            yield self.made(cases, default)
            if not left.any():
                return
