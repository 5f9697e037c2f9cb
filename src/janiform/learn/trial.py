"""A draft under trial: changes are tried on a sample and kept where no label changes there.

Most changes fail, and fail soon, so each is tried on a few inputs first; those that once told two drafts apart join the few.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from janiform.learn.draft import Bench, Draft, Frame, Unit, logits

FIRST = 200
"""How many inputs a change is tried on first."""


def labels_of(draft: Draft, bench: Bench, values: list[np.ndarray]) -> np.ndarray:
    """The label at each position, or of each input where pooled, from the values of all variables."""
    scores = logits(draft, values)
    if draft.frame.pooled:
        return (scores * bench.valid[:, :, None]).sum(1).argmax(1)
    return scores.argmax(2)


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
    """Some inputs with the labels that are wanted there (-1 where nothing is asked), and a draft's values on them."""

    def __init__(self, frame: Frame, x: np.ndarray, wanted: np.ndarray) -> None:
        self.bench, self.wanted = Bench(frame, x), wanted
        self.values: list[np.ndarray] = []

    def wrong(self, draft: Draft, values: list[np.ndarray]) -> np.ndarray:
        """The inputs on which a draft says something else than is wanted."""
        said = labels_of(draft, self.bench, values)
        differs = (said != self.wanted) & (self.wanted >= 0)
        return np.flatnonzero(differs.reshape(len(differs), -1).any(1))


class Trial:
    """A draft that is being condensed, on a sample where its labels must stay."""

    def __init__(self, draft: Draft, x: np.ndarray, wanted: np.ndarray) -> None:
        self.x, self.wanted, self.few = x, wanted, np.arange(min(FIRST, len(x)))
        self.all = Sample(draft.frame, x, wanted)
        self.accept(draft.pruned())

    @property
    def values(self) -> list[np.ndarray]:
        """The values of all variables on the sample."""
        return self.all.values

    @property
    def bench(self) -> Bench:
        return self.all.bench

    def accept(self, draft: Draft) -> None:
        """Go on with this draft."""
        self.draft = draft
        self.all.values = self.bench.run(draft)
        self.gather(self.few)

    def gather(self, rows: np.ndarray) -> None:
        """Try changes on these inputs first."""
        self.few = rows
        self.first = Sample(self.draft.frame, self.x[rows], self.wanted[rows])
        self.first.values = [v[rows] for v in self.values]

    def unit(self, i: int, unit: Unit) -> bool:
        """Put another unit in the place of unit ``i`` if that changes no label."""
        return self.units(self.draft.with_unit(i, unit), i)

    def units(self, draft: Draft, i: int) -> bool:
        """Take a draft that differs in unit ``i`` alone if it changes no label."""
        new = []
        for sample in (self.first, self.all):
            values = sample.bench.rerun(draft, sample.values, i)
            wrong = sample.wrong(draft, values)
            if len(wrong):
                self.learn_from(sample, wrong)
                return False
            new.append(values)
        self.draft = draft
        self.first.values, self.all.values = new
        return True

    def output(self, weights: tuple[np.ndarray, ...], bias: np.ndarray) -> bool:
        """Take other weights if that changes no label."""
        draft = self.draft.with_output(weights, bias)
        for sample in (self.first, self.all):
            wrong = sample.wrong(draft, sample.values)
            if len(wrong):
                self.learn_from(sample, wrong)
                return False
        self.draft = draft
        return True

    def learn_from(self, sample: Sample, wrong: np.ndarray) -> None:
        if sample is self.all:
            self.gather(np.union1d(self.few, wrong[:4]))

    def met(self, v: int) -> np.ndarray:
        """How often each code of a variable occurs."""
        return np.bincount(self.values[v][self.bench.valid], minlength=self.draft.sizes()[v])
