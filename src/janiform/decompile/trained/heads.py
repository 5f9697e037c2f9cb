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
)
from janiform.ir.evaluate import Run
from janiform.ir.nodes import And, Best, Select, Selector
from janiform.ir.nodes import Sequence as Variable

LONGEST, WORTH = 4, 0.01
"""The most selectors in a list, and how much more of the pattern one must explain to join it."""

JOINED, BEST = 5, 2
"""How many of the selectors that explain most are joined in pairs, and with every token that has a selector of its own."""

NEAR, MASS = 3, 0.1
"""The largest offset that is looked at on its own, and the weight beyond an even share that makes it count."""


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
    several: list[Selector] = []
    overlaps, present = [], []

    def consider(selector: Selector) -> None:
        pairs = run.pairs_selected(selector)
        widths = pairs.sum(2)
        if widths[queries].any():
            even = pairs / np.maximum(widths, 1)[:, :, None]
            several.append(selector)
            overlaps.append(np.minimum(pattern, even).sum(2)[queries])
            present.append((widths > 0)[queries])

    sets = [among(liked) for liked in favorites(observed, pattern, queries)]
    edges = [Best(liked, rule) for liked in sets for rule in EDGES]
    for selector in chain(candidates(observed.sampler, variables), sets, edges):
        consider(selector)
    ranked = sorted(range(len(several)), key=lambda i: -float(overlaps[i].mean()))
    plain = [several[i] for i in ranked if isinstance(several[i], Select) and several[i] is not EVERY]
    joined = [*combinations(plain[:JOINED], 2), *product(plain[:BEST], named(observed.sampler))]
    for one, other in joined:
        consider(And(one, other))

    def explained(order: list[int]) -> float:
        total, left = 0.0, np.ones(int(queries.sum()), bool)
        for i in order:
            total += float(overlaps[i][left & present[i]].sum())
            left &= ~present[i]
        return total / max(1, len(left))

    order: list[int] = []
    best = 0.0
    while len(order) < LONGEST:
        longer = [
            [*order[:at], i, *order[at:]]
            for i in range(len(several))
            if i not in order
            for at in range(len(order) + 1)
        ]
        chosen = max(longer, key=explained)
        if explained(chosen) < best + WORTH:
            break
        order, best = chosen, explained(chosen)
    listed = tuple(several[i] for i in order)
    widths = run.pairs_selected(first_of(listed)).sum(2)[queries]
    lone = float((widths <= 1).mean())
    single = lone > 0.98 or EVERY not in listed and lone > 0.9
    offsets = near(pattern, queries)
    periods = () if single else periodic(pattern, queries)
    return Reading(layer, head, listed, best, single, offsets, periods)


def favorites(
    observed: Observed, pattern: NDArray[np.float32], queries: NDArray[np.bool_]
) -> list[tuple[str, ...]]:
    """Sets of tokens that a head gives more weight than others, whatever the query is or under one, and the symbols in them."""
    tokens = observed.batch.tokens[:, : pattern.shape[1]]
    under = [queries & (tokens == t) for t in np.unique(tokens[queries])]
    sets = [favored(observed, pattern, here) for here in (queries, *under)]
    specials = observed.sampler.vocab[len(observed.sampler.symbols) :]
    sets += [tuple(t for t in liked if t not in specials) for liked in sets]
    every = tuple(observed.sampler.symbols)
    return [liked for liked in dict.fromkeys(sets) if len(liked) > 1 and liked != every]


def favored(observed: Observed, pattern: NDArray[np.float32], queries: NDArray[np.bool_]) -> tuple[str, ...]:
    """The tokens that a head gives more weight than others: those above the widest gap, by weight beside an even share."""
    sampler = observed.sampler
    if len(sampler.symbols) > SMALL:
        return ()
    order = np.arange(pattern.shape[1])
    even = np.tri(len(order)) / (order[:, None] + 1)
    tokens = observed.batch.tokens[:, : len(order)]
    got, fair = ((w * queries[:, :, None]).sum(1) for w in (pattern, even))
    size = len(sampler.vocab)
    shares = np.bincount(tokens.ravel(), got.ravel(), size) / (
        np.bincount(tokens.ravel(), fair.ravel(), size) + 1e-9
    )
    met = np.flatnonzero(np.bincount(tokens.ravel(), fair.ravel(), size) > 0)
    ranked = met[np.argsort(-shares[met])]
    if len(ranked) < 3:
        return ()
    logs = np.log(shares[ranked] + 1e-6)
    cut = int((logs[:-1] - logs[1:]).argmax()) + 1
    return tuple(sampler.vocab[t] for t in sorted(ranked[:cut]))


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
