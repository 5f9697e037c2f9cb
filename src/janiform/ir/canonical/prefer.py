"""Which of several keys is taken: every preference as one of the plain rules where it is one, else as ranks of what keys hold.

What is never compared has no order, and what holds the same value needs none: so only keys that one query can select are ranked
against each other, neighbors of one value share a rank, and any rule that always comes to the same value is that rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from janiform.ir.canonical.mechanism import PLACE, Grid, Rule, Selection, lifted
from janiform.ir.canonical.reach import Spread, over_what_is_met, reach, refined, surviving, widened
from janiform.ir.quotient import Quotient, aligned, combine

PLAIN: tuple[Rule, ...] = ("leftmost", "rightmost", "closest")


def by_rule(rule: Rule, g: Grid) -> np.ndarray:
    """Return how much a rule of places prefers each pair.

    >>> from janiform.ir.canonical.mechanism import grid
    >>> by_rule("rightmost", grid(2, False)).tolist()
    [0, 0, 1, 0, 1]
    """
    k, q = g.indices[g.keys], g.indices[g.queries]
    if rule == "closest":
        return -(2 * np.abs(k - q) + (k > q))
    return k if rule == "rightmost" else -k


def preferred(selection: Selection, value: Quotient, g: Grid) -> Selection:
    """Return a selection with a rule in its plainest form, for what is brought over by it."""
    rule, relation, score = selection.rule, selection.relation, selection.score
    r = reach(relation, g)
    if rule is None or r.high <= 1:
        return Selection(relation)
    if rule == "closest":
        rule = "rightmost" if not r.after else "leftmost" if not r.before else rule
    if rule in ("leftmost", "rightmost"):
        score = Quotient.of([PLACE], g.indices if rule == "rightmost" else g.max_len - 1 - g.indices)
    if score is not None:
        return _by_score(relation, score, value, g)
    relation = surviving(relation, by_rule(rule, g), g)
    if reach(relation, g).high <= 1:
        return Selection(relation)
    rows = _Rows.of(relation, value, None, g)
    return _plain(relation, rows, by_rule(rule, g)[rows.pair], g) or Selection(relation, rule)


def _by_score(relation: Quotient, score: Quotient, value: Quotient, g: Grid) -> Selection:
    """Rank what is compared and leave out what loses in any case, until neither changes anything."""
    while True:
        score = widened(refined(score, relation, g), relation)
        rows = _Rows.of(relation, value, score, g)
        ranks = rows.ranks(score)
        rows = replace(rows, rank=ranks[rows.cell])
        met = np.zeros(len(ranks), bool)
        met[rows.cell] = True
        ranked = over_what_is_met(
            Quotient(score.keys, score.maps, ranks.reshape(score.table.shape)),
            met.reshape(score.table.shape),
            0,
        )
        ties = not rows.one_value_a_rank()
        kept = surviving(relation, _then_left(ranked, g) if ties else ranked, g)
        if kept is relation:
            break
        relation, score = kept, ranked
    if reach(relation, g).high <= 1:
        return Selection(relation)
    height = rows.rank * g.max_len - g.indices[g.keys[rows.pair]] if ties else rows.rank
    return _plain(relation, rows, height, g) or Selection(relation, "largest", ranked)


def _plain(relation: Quotient, rows: _Rows, height: np.ndarray, g: Grid) -> Selection | None:
    """A rule of places that always comes to the same value, if there is one."""
    for rule in PLAIN:
        if rows.same_choice(by_rule(rule, g)[rows.pair], height):
            return Selection(surviving(relation, by_rule(rule, g), g), rule)
    return None


def _then_left(score: Quotient, g: Grid) -> Quotient:
    """A score and, of equal ones, the place further left."""
    index = Quotient.of([PLACE], -g.indices)
    return combine(lambda s, i: s * g.max_len + i, [score, index])


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The keys that queries can select, one row each: the query's context, the pair of places, the cell of the score, its
    rank, and the value that is held there."""

    context: np.ndarray
    pair: np.ndarray
    cell: np.ndarray
    rank: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, relation: Quotient, value: Quotient, score: Quotient | None, g: Grid) -> _Rows:
        parts = [relation, lifted(value, "key", g)]
        if score is not None:
            cells = np.arange(score.table.size).reshape(score.table.shape)
            parts.append(lifted(Quotient(score.keys, score.maps, cells), "key", g))
        keys, maps, columns = aligned(parts)
        spread = [Spread.of(Quotient(keys, maps, np.asarray(c)), g) for c in columns]
        s = spread[0]
        where = np.nonzero(s.selected(g))
        at = (s.pair[where[0]], *where[1:])
        queries = [i for i in range(1, s.table.ndim) if i not in s.at_key]
        context = g.queries[where[0]]
        for i in queries:
            context = context * s.table.shape[i] + where[i]
        cell = spread[2].table[at] if score is not None else np.zeros(len(context), np.int64)
        return cls(context, where[0], cell, np.zeros(len(context), np.int64), spread[1].table[at])

    def ranks(self, score: Quotient) -> np.ndarray:
        """Rank the cells of a score, from 0 up within those that are compared; neighbors of one value are one."""
        heights = score.table.ravel()
        ranks = np.zeros(len(heights), np.int64)
        group = self.compared(len(heights))
        order = np.lexsort((heights[self.cell], group[self.cell]))
        cells, values = self.cell[order], self.value[order]
        groups, levels = group[cells], heights[cells]
        new = np.concatenate([[True], (np.diff(groups) != 0) | (np.diff(levels) != 0)])
        at = np.flatnonzero(new)
        low, high = np.minimum.reduceat(values, at), np.maximum.reduceat(values, at)
        single, first = low == high, np.concatenate([[True], np.diff(groups[at]) != 0])
        rank = 0
        of_level = np.empty(len(at), np.int64)
        for i in range(len(at)):
            if first[i]:
                rank = 0
            elif not (single[i] and single[i - 1] and low[i] == low[i - 1]):
                rank += 1
            of_level[i] = rank
        ranks[cells] = of_level[np.cumsum(new) - 1]
        return ranks

    def compared(self, cells: int) -> np.ndarray:
        """Number the cells so that those compared with each other, directly or through others, share a number."""
        group = np.arange(cells)
        order = np.argsort(self.context, kind="stable")
        starts = np.flatnonzero(np.diff(self.context[order], prepend=-1))
        where = self.cell[order]
        sizes = np.diff(np.append(starts, len(order)))
        while True:
            lowest = np.repeat(np.minimum.reduceat(group[where], starts), sizes)
            new = group.copy()
            np.minimum.at(new, where, lowest)
            if (new == group).all():
                return group
            group = new

    def one_value_a_rank(self) -> bool:
        """Whether keys of one rank, for one query, hold one value."""
        order = np.lexsort((self.rank, self.context))
        same = (np.diff(self.context[order]) == 0) & (np.diff(self.rank[order]) == 0)
        return not (same & (np.diff(self.value[order]) != 0)).any()

    def same_choice(self, rule: np.ndarray, height: np.ndarray) -> bool:
        """Whether the best by a rule of places holds what the highest holds, whatever keys are there."""
        order = np.lexsort((rule, self.context))
        context, rule = self.context[order], rule[order]
        height, value = height[order], self.value[order]
        at = np.flatnonzero(np.concatenate([[True], (np.diff(context) != 0) | (np.diff(rule) != 0)]))
        low, high = np.minimum.reduceat(height, at), np.maximum.reduceat(height, at)
        least, most = np.minimum.reduceat(value, at), np.maximum.reduceat(value, at)
        follows = np.diff(context[at]) == 0
        level = (least[1:] == most[1:]) & (least[:-1] == most[:-1]) & (least[1:] == least[:-1])
        fine = (high[:-1] < low[1:]) | ((high[:-1] <= low[1:]) & level)
        return bool((fine | ~follows).all())
