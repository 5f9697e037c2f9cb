"""From scores to a selection and a rule: which keys can win, and which of those does.

A key can win where it is above BOS, or, where BOS is below all, where no other key is surely above it. If those that can win are
level the head reads all of them; else they are in an order that is one of the plain rules: by place, by nearness, or by what
the key holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.ir.canonical.mechanism import PAIR, PLACE, Grid, Rule, Selection, lifted, source_of
from janiform.ir.canonical.reach import alike, feasible, over_what_is_met, reach
from janiform.ir.quotient import Quotient, combine, reduced

TIE = 1.0
"""Scores closer than this are equal; those that are not must be HARD times as far apart."""

HARD = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """``table[p, k, q]`` in logits over classes of pairs of places, of keys and of queries; ``bos[p, q]`` is BOS's.

    ``keys``, ``maps`` and ``shape`` describe the axes: PAIR first where places matter, then (side, source).
    """

    keys: tuple[Any, ...]
    maps: tuple[np.ndarray, ...]
    shape: tuple[int, ...]
    table: Float[np.ndarray, "pair key query"]
    bos: Float[np.ndarray, "pair query"]
    pair: Int[np.ndarray, " pairs"]

    def relation(self, chosen: np.ndarray) -> Quotient:
        """Return a table of booleans as a relation."""
        return reduced(self.keys, self.maps, chosen.reshape(self.shape).astype(np.int64))

    def at_key(self, codes: np.ndarray, known: np.ndarray, places: np.ndarray) -> Quotient:
        """Return a table over (class of place, key) as a function of what a key holds, as far as it is known."""
        keys: list[Any] = [PLACE]
        maps, shape = [places], [int(places.max()) + 1]
        for k, m, n in zip(self.keys, self.maps, self.shape, strict=True):
            if k is not PAIR and k[0] == "key":
                keys.append(k[1])
                maps.append(m)
                shape.append(n)
        function = Quotient(tuple(keys), tuple(maps), codes.reshape(shape))
        return over_what_is_met(function, known.reshape(shape), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Preference:
    """A selection; whether BOS is counted with it; whether, of keys of the highest score, only the leftmost is read."""

    selection: Selection
    counted: bool = False
    left: bool = True


def preference(scores: Scores, value: Quotient, g: Grid) -> Preference:
    """Return what a head selects, and by which rule.

    Raises CannotDecompile where attention is soft, or prefers keys by no rule that is known.
    """
    above = scores.table - scores.bos[:, None, :]
    level = np.abs(above) <= TIE
    chosen = above > TIE
    unclear = (np.abs(above) > TIE) & (np.abs(above) < HARD * TIE)
    if unclear.any():
        raise CannotDecompile(
            "attention is soft: a key is neither level with BOS nor far from it",
            float(np.abs(above[unclear]).min()),
        )
    if level.any():
        if chosen.any():
            raise CannotDecompile("some keys are level with BOS and others above it")
        return Preference(Selection(scores.relation(level)), counted=True)
    if chosen.all():
        return _ruled(scores, _can_win(scores, g), value, g, covered=True)
    return _ruled(scores, chosen, value, g, covered=False)


def _can_win(scores: Scores, g: Grid) -> np.ndarray:
    """Which keys no other key is surely above."""
    table = scores.table
    least = _least(scores, g)  # [pairs, query]
    threshold = np.maximum.reduceat(least, g.starts, axis=0)[g.queries]
    lowest = np.full((len(table), table.shape[2]), math.inf)
    np.minimum.at(lowest, scores.pair, threshold)
    return table >= lowest[:, None, :] - TIE


def _least(scores: Scores, g: Grid) -> np.ndarray:
    """The lowest score that each key of an input can have; a query's own key holds what the query holds."""
    least = scores.table.min(1)[scores.pair]
    sides = [k for k in scores.keys if k is not PAIR]
    shapes = [n for k, n in zip(scores.keys, scores.shape, strict=True) if k is not PAIR]
    maps = [m for k, m in zip(scores.keys, scores.maps, strict=True) if k is not PAIR]
    n_keys = sum(k[0] == "key" for k in sides)
    allowed = np.ones((*shapes,), bool)
    shared = False
    for i in range(n_keys):
        for j in range(n_keys, len(sides)):
            if source_of(sides[i]) is source_of(sides[j]):
                together = np.zeros((shapes[i], shapes[j]), bool)
                together[maps[i], maps[j]] = True
                shape = [1] * len(shapes)
                shape[i], shape[j] = shapes[i], shapes[j]
                allowed = allowed & together.reshape(shape)
                shared = True
    if shared:
        flat = allowed.reshape(scores.table.shape[1:])
        own = np.where(flat[None], scores.table, math.inf).min(1)[scores.pair[g.own]]
        least = least.copy()
        least[g.own] = np.where(np.isfinite(own), own, least[g.own])
    return least


def _ruled(scores: Scores, chosen: np.ndarray, value: Quotient, g: Grid, *, covered: bool) -> Preference:
    """Say by which rule one of the keys that can win is preferred."""
    selection = Selection(scores.relation(chosen))
    rows = _Rows.of(scores, chosen, g)
    if rows.level() or reach(feasible(selection.relation, g), g).high <= 1:
        return Preference(selection)
    orders: tuple[tuple[Rule, np.ndarray], ...] = (
        ("leftmost", -rows.key_index),
        ("rightmost", rows.key_index),
        ("closest", -(2 * np.abs(rows.key_index - rows.query_index) + (rows.key_index > rows.query_index))),
    )
    for rule, order in orders:
        if rows.ordered_by(order):
            return Preference(Selection(selection.relation, rule))
    for places in (g.indices, np.arange(len(g))):
        found = rows.heights(places, scores.table.shape[1], len(g) * scores.table.shape[2])
        if found is not None:
            break
    else:
        raise CannotDecompile("keys are preferred by no rule that is known")
    height, base = found
    known = np.isfinite(height)
    by_score = _by_score_then_left(height, known, places, g)
    if by_score is not None:
        ranks, height = by_score
        taken = chosen | _consistent(scores, height, base, places, g) if covered else chosen
        return Preference(Selection(scores.relation(taken), "largest", scores.at_key(ranks, known, places)))
    relation = scores.relation(chosen | _consistent(scores, height, base, places, g) if covered else chosen)
    steps = first_steps(np.unique(height[known]))
    ranks = np.where(known, np.searchsorted(steps, np.where(known, height, 0.0) + TIE / 2) - 1, 0)
    return _level_keys(Selection(relation, "largest", scores.at_key(ranks, known, places)), value, g)


def _consistent(
    scores: Scores, height: np.ndarray, base: np.ndarray, places: np.ndarray, g: Grid
) -> np.ndarray:
    """Which keys have the score of those that are selected, also where they lose in any case."""
    expected = base.reshape(len(g), 1, -1)[g.queries] + height[places[g.keys]][:, :, None]
    off = np.abs(np.where(np.isfinite(expected), expected, math.inf) - scores.table[scores.pair])
    found = np.zeros(scores.table.shape, bool)
    np.logical_or.at(found, scores.pair, off <= TIE)
    return found


def first_steps(numbers: np.ndarray) -> np.ndarray:
    """The lowest of each group of numbers that are equal up to a tie."""
    return numbers[np.concatenate([[True], np.diff(numbers) > TIE])]


def _level_keys(selection: Selection, value: Quotient, g: Grid) -> Preference:
    """Keys of the highest score are taken together, so they must hold one value."""
    assert selection.score is not None
    relation, score = selection.relation, selection.score
    n = int(score.codes.max()) + 1
    for r in range(n):
        level = combine(lambda c, s, r=r: c * (s == r), [relation, lifted(score, "key", g)])  # type: ignore[misc]
        if level.table.any() and not alike(level, value, g):
            raise CannotDecompile("keys of equal score, preferred to others, hold different values")
    return Preference(selection, left=False)


def _by_score_then_left(
    height: np.ndarray, known: np.ndarray, places: np.ndarray, g: Grid
) -> tuple[np.ndarray, np.ndarray] | None:
    """Heights over (place, key) as ``n * score - index`` in units of one step, if they are that; and all heights by it.

    A key whose score is the same at every place where it is known has it at the others too.
    """
    n = g.max_len
    numbers = first_steps(np.unique(height[known]))
    if len(numbers) < 2:
        return None
    index = np.zeros((len(height), 1))
    index[places, 0] = g.indices
    unit = float(np.diff(numbers).min())
    whole = (height - numbers[0]) / unit + index
    start = whole[known].min()
    score = np.where(known, np.round((whole - start) / n), 0)
    if np.abs((whole - start)[known] - n * score[known]).max() > 0.25:
        return None
    low, high = np.where(known, score, math.inf).min(0), np.where(known, score, -math.inf).max(0)
    score = np.where(~known & (low == high), low, score)
    filled = known | (low == high)
    heights = np.where(filled, (n * score + start - index) * unit + numbers[0], math.inf)
    return score.astype(np.int64), heights


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The keys that can win, one row each: the query's context, the index and class of the key, and its score."""

    context: np.ndarray
    place: np.ndarray
    key_index: np.ndarray
    query_index: np.ndarray
    key: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, scores: Scores, chosen: np.ndarray, g: Grid) -> _Rows:
        p, k, q = np.nonzero(chosen[scores.pair])
        context = g.queries[p] * chosen.shape[2] + q
        return cls(
            context,
            g.keys[p],
            g.indices[g.keys[p]],
            g.indices[g.queries[p]],
            k,
            scores.table[scores.pair[p], k, q],
        )

    def level(self) -> bool:
        """Whether all keys of a query are level."""
        order = np.lexsort((self.score, self.context))
        same = np.diff(self.context[order]) == 0
        return not (same & (np.diff(self.score[order]) > TIE)).any()

    def ordered_by(self, rank: np.ndarray) -> bool:
        """Whether scores rise with ``rank``, and are level where it is."""
        order = np.lexsort((self.score, rank, self.context))
        same = np.diff(self.context[order]) == 0
        step, rise = np.diff(self.score[order]), np.diff(rank[order])
        return bool((np.where(rise == 0, np.abs(step) <= TIE, step > TIE) | ~same).all())

    def heights(
        self, places: np.ndarray, keys: int, contexts: int
    ) -> tuple[Float[np.ndarray, "place key"], Float[np.ndarray, " context"]] | None:
        """Return scores as a sum of a term of the key and one of the query's context, infinite where unknown.

        Places are told apart as ``places`` says. None where scores are no such sum.
        """
        n = int(places.max()) + 1
        state = places[self.place] * keys + self.key
        height, bases = np.full(n * keys, math.inf), np.full(contexts, math.inf)
        order = np.argsort(self.context, kind="stable")
        bounds = np.flatnonzero(np.diff(self.context[order], prepend=-1))
        waiting = [order[a:b] for a, b in zip(bounds, [*bounds[1:], len(order)])]
        waiting.sort(key=len, reverse=True)
        while waiting:
            left = []
            for rows in waiting:
                known = np.isfinite(height[state[rows]])
                if not known.any():
                    left.append(rows)
                    continue
                offsets = self.score[rows][known] - height[state[rows]][known]
                if np.ptp(offsets) > TIE:
                    return None
                base = float(np.median(offsets))
                fresh = rows[~known]
                height[state[fresh]] = self.score[fresh] - base
                bases[self.context[rows[0]]] = base
            if len(left) == len(waiting):
                height[state[left[0][0]]] = 0.0
            waiting = left
        return height.reshape(n, keys), bases
