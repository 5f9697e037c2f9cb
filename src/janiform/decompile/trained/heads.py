"""Reading heads: which selectors, in which order of priority, explain where a head looks.

A list of selectors predicts a pattern of attention: each query spreads its weight evenly over the keys of the first selector
that selects any. How much of the head's real pattern it explains is their overlap, the sum over keys of the smaller of
both weights, averaged over queries; nothing needs to be run for it. Lists grow greedily, a selector at a time, at
whichever place in the order explains most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray

from janiform.decompile.trained.observe import Observed
from janiform.decompile.trained.selectors import (
    EDGES,
    EVERY,
    PERIODS,
    SMALL,
    among,
    candidates,
    first_of,
    named,
    under,
)
from janiform.ir.evaluate import Run
from janiform.ir.nodes import And, Best, Select, Selector, Tokens
from janiform.ir.nodes import Sequence as Variable

LONGEST, WORTH = 4, 0.01
"""The most selectors in a list, and how much more of the pattern one must explain to join it."""

JOINED, BEST = 5, 2
"""How many of the selectors that explain most are joined in pairs, and with every token that has a selector of its own."""

NEAR, MASS = 3, 0.1
"""The largest offset that is looked at on its own, and the weight beyond an even share that makes it count."""


PARTLY, MUCH = 0.75, 0.1
"""The overlap, under some token, up to which a head may look elsewhere under it, and how much more it must explain there."""

UNEVEN, MOSTLY = 1.5, 0.7
"""How much more weight than others the distances of a period must have that a head tells apart, and in what share of inputs."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a head follows: a priority list with the share of attention that it explains, offsets of much weight, and periods
    by which its weight rises and falls."""

    layer: int
    head: int
    selectors: tuple[Selector, ...]
    overlap: float
    single: bool
    offsets: tuple[int, ...] = ()
    periods: tuple[int, ...] = ()
    refined: tuple[Selector, ...] = ()
    """The list with what the head looks at under single tokens besides, if that is known."""

    @property
    def whole(self) -> tuple[Selector, ...]:
        """The list with all that is known of where the head looks; variables of a program do without some of it."""
        return self.refined or self.selectors

    @property
    def selector(self) -> Selector:
        """The list as one selector; one of single keys does without everything else."""
        return first_of([s for s in self.selectors if s is not EVERY] if self.single else self.selectors)


def read_head(
    observed: Observed, run: Run, layer: int, head: int, variables: Sequence[Variable], *, last: bool
) -> Reading:
    """Find the priority list that explains a head best; ``variables`` are those that earlier layers write."""
    width = run.width
    pattern = observed.patterns[layer, head][:, :width, :width]
    queries = (observed.batch.asked if last else observed.counted)[:, :width]
    tried = Tried(run, pattern, queries)
    sets = [
        among(liked, variable)
        for variable in (Tokens(), *variables)
        for liked in favorites(observed, run, pattern, queries, variable)
    ]
    edges = [Best(liked, rule) for liked in sets for rule in EDGES]
    for selector in chain(candidates(observed.sampler, variables), sets, edges):
        tried.consider(selector)
    plain = [s for s in tried.ranked() if isinstance(s, Select) and s is not EVERY]
    for one, other in [*combinations(plain[:JOINED], 2), *product(plain[:BEST], named(observed.sampler))]:
        tried.consider(And(one, other))
    order = tried.best_order()
    few = len(observed.sampler.symbols) <= SMALL
    asking = observed.batch.tokens[:, :width][queries]
    apart = np.arange(len(observed.sampler.vocab)) >= (0 if few else observed.sampler.bos)
    refined = order
    if tried.explained_under(asking, order, len(apart))[apart].min() < PARTLY:
        for selector, codes in tried.better_under(asking, order, apart):
            tried.consider(under([observed.sampler.vocab[t] for t in codes], selector))
        refined = tried.best_order()
    if tried.explained(order) < PARTLY and few:
        order = refined
    listed = tuple(tried.several[i] for i in order)
    widths = run.pairs_selected(first_of(listed)).sum(2)[queries]
    lone = float((widths <= 1).mean())
    single = lone > 0.98 or EVERY not in listed and lone > 0.9
    overlap = tried.explained(order)
    tokens = observed.batch.tokens[:, :width]
    parts = [queries & (tokens == t) for t in np.unique(tokens[queries])] if overlap < PARTLY else []
    offsets = tuple(sorted({by for part in (queries, *parts) for by in near(pattern, part)}))
    told = single or overlap > PARTLY and listed != (EVERY,)
    periods = () if told else periodic(pattern, queries)
    exact = tuple(tried.several[i] for i in refined)
    return Reading(layer, head, listed, overlap, single, offsets, periods, exact)


class Tried:
    """Selectors beside a head's pattern: of which queries each selects a key, and how much of what they look at it explains."""

    def __init__(self, run: Run, pattern: NDArray[np.float32], queries: NDArray[np.bool_]) -> None:
        self.run, self.pattern, self.queries = run, pattern, queries
        self.several: list[Selector] = []
        self.overlaps: list[NDArray[np.float32]] = []
        self.present: list[NDArray[np.bool_]] = []

    def consider(self, selector: Selector) -> None:
        """Try one more, unless it selects nothing."""
        pairs = self.run.pairs_selected(selector)
        widths = pairs.sum(2)
        if widths[self.queries].any():
            even = pairs / np.maximum(widths, 1)[:, :, None]
            self.several.append(selector)
            self.overlaps.append(np.minimum(self.pattern, even).sum(2)[self.queries])
            self.present.append((widths > 0)[self.queries])

    def ranked(self) -> list[Selector]:
        """All of them, those that explain most alone first."""
        return [self.several[i] for i in sorted(range(len(self.several)), key=lambda i: -self.explained([i]))]

    def by_query(self, order: Sequence[int]) -> NDArray[np.float64]:
        """How much of what each query looks at a priority list explains."""
        found, left = np.zeros(int(self.queries.sum())), np.ones(int(self.queries.sum()), bool)
        for i in order:
            here = left & self.present[i]
            found[here] = self.overlaps[i][here]
            left &= ~here
        return found

    def explained(self, order: Sequence[int]) -> float:
        """How much of the pattern a priority list explains."""
        return float(self.by_query(order).sum()) / max(1, int(self.queries.sum()))

    def best_order(self) -> list[int]:
        """The priority list that explains most, grown by one selector at a time at the best place in it."""
        order: list[int] = []
        best = 0.0
        while len(order) < LONGEST:
            longer = [
                [*order[:at], i, *order[at:]]
                for i in range(len(self.several))
                if i not in order
                for at in range(len(order) + 1)
            ]
            chosen = max(longer, key=self.explained)
            if self.explained(chosen) < best + WORTH:
                break
            order, best = chosen, self.explained(chosen)
        return order

    def explained_under(
        self, tokens: NDArray[np.int64], order: Sequence[int], vocab: int
    ) -> NDArray[np.float64]:
        """How much of the pattern a priority list explains under each token; all of it under those that no query is."""
        met = np.bincount(tokens, minlength=vocab)
        return np.where(met > 0, np.bincount(tokens, self.by_query(order), vocab) / np.maximum(met, 1), 1.0)

    def better_under(
        self, tokens: NDArray[np.int64], order: Sequence[int], apart: NDArray[np.bool_]
    ) -> list[tuple[Selector, list[int]]]:
        """The selectors that explain much more than a priority list does under some of the tokens ``apart``, with these; best
        ones first."""
        met = np.bincount(tokens, minlength=len(apart))
        now = np.bincount(tokens, self.by_query(order), len(apart))
        gains, found = [], []
        for i, selector in enumerate(self.several):
            more = np.bincount(tokens, self.by_query([i]), len(apart)) - now
            codes = np.flatnonzero((more > MUCH * met) & apart)
            if 0 < len(codes) < np.count_nonzero(met):
                gains.append(-more[codes].sum())
                found.append((selector, codes.tolist()))
        return [found[i] for i in np.argsort(gains, kind="stable")[:BEST]]


def favorites(
    observed: Observed,
    run: Run,
    pattern: NDArray[np.float32],
    queries: NDArray[np.bool_],
    variable: Variable,
) -> list[tuple[str, ...]]:
    """Values of a variable that a head gives more weight than others, whatever the query is or under one, and the symbols among them.

    Of each set there is one with the values that were not met.
    """
    sampler = observed.sampler
    if len(sampler.symbols) > SMALL:
        return []
    tokens = observed.batch.tokens[:, : run.width]
    column, code = run.column(variable), {name: i for i, name in enumerate(sampler.vocab)}
    values = np.array([code.get(str(v), sampler.pad) for v in column.values])[column.codes]
    codes = np.arange(sampler.eos)
    sets = []
    for here in (queries, *(queries & (tokens == t) for t in np.unique(tokens[queries]))):
        more, less = favored(values, pattern, here)
        sets += [codes[np.isin(codes, more)], codes[~np.isin(codes, less)]] if len(more) else []
    sets += [liked[liked < sampler.bos] for liked in sets]
    several = dict.fromkeys(tuple(sampler.vocab[t] for t in liked) for liked in sets)
    return [liked for liked in several if len(liked) > 1 and liked != tuple(sampler.symbols)]


def favored(
    values: NDArray[np.int64], pattern: NDArray[np.float32], queries: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The values of keys above and below the widest gap in the weight that a head gives them beside an even share."""
    order = np.arange(pattern.shape[1])
    even = np.tri(len(order)) / (order[:, None] + 1)
    got, fair = (
        np.bincount(values.ravel(), (w * queries[:, :, None]).sum(1).ravel()) for w in (pattern, even)
    )
    met = np.flatnonzero(fair > 0)
    shares = got[met] / fair[met]
    ranked, logs = met[np.argsort(-shares)], np.log(np.sort(shares)[::-1] + 1e-6)
    cut = int((logs[:-1] - logs[1:]).argmax()) + 1 if len(met) > 2 else 0
    return ranked[:cut], ranked[cut:]


def near(pattern: NDArray[np.float32], queries: NDArray[np.bool_]) -> tuple[int, ...]:
    """The offsets that a head looks at with much more than an even share of its weight."""
    found = []
    place = np.arange(pattern.shape[1])
    for by in range(NEAR + 1):
        at = place[by:]
        weight = pattern[:, at, at - by]
        far = queries[:, at] & (at >= 8)
        if far.any() and (weight - 1 / (at + 1))[far].mean() > MASS:
            found.append(by)
    return tuple(found)


def periodic(pattern: NDArray[np.float32], queries: NDArray[np.bool_]) -> tuple[int, ...]:
    """The periods of which some distances have much more weight than others, the same ones in nearly every input."""
    place = np.arange(pattern.shape[1])
    apart = place[:, None] - place
    far = (apart > NEAR) & (place > 0) & (place[:, None] >= 4 * NEAR) & queries[:, :, None]
    rows = far.any((1, 2))
    found = []
    for period in PERIODS:
        turns = [far & (apart % period == rest) for rest in range(period)]
        weights = np.array([(pattern * t).sum((1, 2)) / np.maximum(t.sum((1, 2)), 1) for t in turns])[:, rows]
        total = weights.sum(1)
        if rows.any() and total.max() > UNEVEN * total.min():
            if (weights.argmax(0) == total.argmax()).mean() > MOSTLY:
                found.append(period)
    return tuple(found)
