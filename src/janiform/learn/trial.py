"""A draft under trial: changes are tried on a sample and kept where no label changes there.

Most changes fail, and fail soon, so each is tried on a few inputs first; those that once told two drafts apart join the few.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from janiform.learn.draft import Bench, Draft, Frame, Unit, logits, term

FIRST = 100
"""How many inputs a change is tried on first."""


def in_parts(places: np.ndarray, change: Callable[[np.ndarray], bool]) -> None:
    """Make a change at all places, where that fails at either half of them, and so on down to each alone.

    >>> done = []
    >>> in_parts(np.arange(6), lambda part: 4 not in part and not done.append(part.tolist()))
    >>> done
    [[0, 1, 2], [3], [5]]
    """
    if len(places) and not change(places) and len(places) > 1:
        in_parts(places[: len(places) // 2], change)
        in_parts(places[len(places) // 2 :], change)


class Sample:
    """Some inputs with the labels that are wanted there (-1 where nothing is asked), and what a draft makes of them."""

    def __init__(
        self, frame: Frame, x: np.ndarray, wanted: np.ndarray, values: list[np.ndarray], scores: np.ndarray
    ) -> None:
        self.bench, self.wanted = Bench(frame, x), wanted
        self.values, self.scores = values, scores

    def rerun(self, draft: Draft, i: int) -> tuple[list[np.ndarray], np.ndarray]:
        """The values and scores of a draft that differs in unit ``i`` alone."""
        values, scores = self.bench.rerun(draft, self.values, i), self.scores
        for v, size in enumerate(draft.sizes()):
            if values[v] is not self.values[v] and draft.weights[v].any():
                scores = scores + term(draft.weights[v], values[v], size)
                scores -= term(draft.weights[v], self.values[v], size)
        return values, scores

    def wrong(self, scores: np.ndarray) -> np.ndarray:
        """The inputs on which scores say something else than is wanted."""
        if self.bench.frame.pooled:
            said = (scores * self.bench.valid[:, :, None]).sum(1).argmax(1)
        else:
            said = scores.argmax(2)
        differs = (said != self.wanted) & (self.wanted >= 0)
        return np.flatnonzero(differs.reshape(len(differs), -1).any(1))


class Trial:
    """A draft that is being condensed, on a sample where its labels must stay."""

    def __init__(self, draft: Draft, x: np.ndarray, wanted: np.ndarray) -> None:
        self.x, self.few = x, np.arange(min(FIRST, len(x)))
        self.all = Sample(draft.frame, x, wanted, [], np.zeros(0))
        self.accept(draft.pruned())

    @property
    def values(self) -> list[np.ndarray]:
        """The values of all variables on the sample."""
        return self.all.values

    @property
    def wanted(self) -> np.ndarray:
        """The labels that must stay."""
        return self.all.wanted

    @property
    def bench(self) -> Bench:
        """The sample, as inputs to run drafts on."""
        return self.all.bench

    def accept(self, draft: Draft) -> None:
        """Go on with this draft."""
        self.draft = draft
        self.all.values = self.bench.run(draft)
        self.all.scores = logits(draft, self.all.values)
        self.gather(self.few)

    def gather(self, rows: np.ndarray) -> None:
        """Try changes on these inputs first."""
        self.few = rows
        values = [v[rows] for v in self.values]
        self.first = Sample(self.draft.frame, self.x[rows], self.wanted[rows], values, self.all.scores[rows])

    def unit(self, i: int, unit: Unit) -> bool:
        """Put another unit in the place of unit ``i`` if that changes no label."""
        return self.units(self.draft.with_unit(i, unit), i)

    def units(self, draft: Draft, i: int) -> bool:
        """Take a draft that differs in unit ``i`` alone if it changes no label."""
        return self.take(draft, lambda sample: sample.rerun(draft, i))

    def another(self, draft: Draft) -> bool:
        """Take a draft that differs anywhere if it changes no label."""

        def run(sample: Sample) -> tuple[list[np.ndarray], np.ndarray]:
            values = sample.bench.run(draft)
            return values, logits(draft, values)

        return self.take(draft, run)

    def output(self, weights: tuple[np.ndarray, ...], bias: np.ndarray) -> bool:
        """Take other weights if that changes no label."""
        draft = self.draft.with_output(weights, bias)
        return self.take(draft, lambda sample: (sample.values, logits(draft, sample.values)))

    def weights(self, v: int, weights: np.ndarray) -> bool:
        """Take other weights of one variable if that changes no label."""
        less = weights - self.draft.weights[v]
        size = self.draft.sizes()[v]
        new = (*self.draft.weights[:v], weights, *self.draft.weights[v + 1 :])
        draft = self.draft.with_output(new, self.draft.bias)
        return self.take(draft, lambda s: (s.values, s.scores + term(less, s.values[v], size)))

    def take(self, draft: Draft, change: Callable[[Sample], tuple[list[np.ndarray], np.ndarray]]) -> bool:
        """Take a draft whose values and scores ``change`` gives, if no label changes on the few inputs, then on all."""
        new = []
        for sample in (self.first, self.all):
            values, scores = change(sample)
            wrong = sample.wrong(scores)
            if len(wrong):
                self.learn_from(sample, wrong)
                return False
            new.append((values, scores))
        self.draft = draft
        (self.first.values, self.first.scores), (self.all.values, self.all.scores) = new
        return True

    def learn_from(self, sample: Sample, wrong: np.ndarray) -> None:
        if sample is self.all:
            self.gather(np.union1d(self.few, wrong[:4]))

    def met(self, v: int) -> np.ndarray:
        """How often each code of a variable occurs."""
        return np.bincount(self.values[v][self.bench.valid], minlength=self.draft.sizes()[v])
