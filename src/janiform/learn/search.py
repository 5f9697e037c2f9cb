"""Local search over drafts: change one thing, compute again only what reads it, keep what lowers the loss.

All rows of a relation (and all cells of a table) are tried at once: each position's loss belongs to the row that its own
query names, so ``codes`` evaluations rank ``rows x codes`` changes; what looks best is then checked by a true evaluation.
Gates, masks and whole relations of a printable form (==, <, offset, ...) are tried one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from janiform.learn.draft import Bench, Copy, Draft, Number, Recode, Steps, Table, Tally, Unit, logits, term

WIDTH = 16
"""How many of the codes of a wide variable one step tries."""


@dataclass(slots=True)
class State:
    """A draft with everything about it that a change needs: values, scores and the loss at each position."""

    draft: Draft
    values: list[np.ndarray]
    scores: np.ndarray
    losses: np.ndarray

    @property
    def loss(self) -> float:
        return float(self.losses.sum())


class Search:
    """Coordinate descent on the cross entropy of ``y`` under a fixed output."""

    def __init__(self, bench: Bench, y: np.ndarray, rng: np.random.Generator) -> None:
        self.bench, self.y, self.rng = bench, y, rng
        self.asked = y >= 0
        self.target = np.where(self.asked, y, 0)
        self.tried = 0

    def state(self, draft: Draft) -> State:
        values = self.bench.run(draft)
        scores = logits(draft, values)
        return State(draft, values, scores, self.losses(scores))

    def losses(self, scores: np.ndarray) -> np.ndarray:
        top = scores.max(2, keepdims=True)
        total = np.log(np.exp(scores - top).sum(2)) + top[:, :, 0]
        return (total - np.take_along_axis(scores, self.target[:, :, None], 2)[:, :, 0]) * self.asked

    def changed(self, at: State, i: int, unit: Unit) -> State:
        """The state after unit ``i`` became ``unit``."""
        self.tried += 1
        draft = at.draft.with_unit(i, unit)
        values = self.bench.rerun(draft, at.values, i)
        scores = at.scores
        for w, old, new, size in zip(draft.weights, at.values, values, draft.sizes(), strict=True):
            if new is not old and w.any():
                scores = scores + (term(w, new, size) - term(w, old, size))
        return State(draft, values, scores, at.losses if scores is at.scores else self.losses(scores))

    def sweep(self, at: State, units: Iterable[int]) -> State:
        """Try every kind of change on each of ``units`` once, in random order."""
        for i in self.rng.permutation(list(units)):
            for step in (self.whole, self.rows, self.cells):
                at = step(at, int(i))
        return at

    def some(self, codes: np.ndarray) -> np.ndarray:
        """At most ``WIDTH`` of the codes, in random order."""
        return self.rng.permutation(codes)[:WIDTH]

    # --- whole-unit changes -------------------------------------------------------------------------------------------

    def whole(self, at: State, i: int) -> State:
        """Try gates, masks, defaults and whole relations, one by one."""
        for unit in self.variants(at.draft, i):
            new = self.changed(at, i, unit)
            if new.loss < at.loss - 1e-6:
                at = new
        return at

    def variants(self, draft: Draft, i: int) -> Iterator[Unit]:
        u, sizes = draft.units[i], draft.sizes()
        earlier = [v for v in range(i + draft.inputs) if sizes[v]]
        match u:
            case Copy() | Tally():
                for mask in draft.frame.masks():
                    if mask != u.mask:
                        yield replace(u, mask=mask)
                several = list(forms(sizes[u.query], sizes[u.key]))
                for f in self.some(np.arange(len(several))):
                    yield replace(u, relation=several[f])
                for v in earlier:
                    if v != u.key:
                        yield replace(u, key=v, relation=fitted(u.relation, sizes[u.query], sizes[v]))
                    if v != u.query:
                        yield replace(u, query=v, relation=fitted(u.relation, sizes[v], sizes[u.key]))
                if isinstance(u, Copy):
                    for v in earlier:
                        if v != u.value and sizes[v] == sizes[u.value] and draft.stands_in(v, u.value):
                            yield replace(u, value=v)
                    for d in self.some(np.arange(sizes[u.value])):
                        if d != u.default:
                            yield replace(u, default=d)
                elif u.amounts is not None:
                    for v in range(i + draft.inputs):
                        if v != u.amounts and not sizes[v]:
                            yield replace(u, amounts=v)
            case Number():
                for c in self.some(np.arange(len(u.numbers))):
                    for less in (-1, 1):
                        yield replace(u, numbers=u.numbers + less * (np.arange(len(u.numbers)) == c))
            case Steps():
                numeric = draft.numeric()
                for v in range(i + draft.inputs):
                    if numeric[v] and v != u.left:
                        yield replace(u, left=v)
                    if numeric[v] and v != u.right and u.slopes[1]:
                        yield replace(u, right=v)
                for less in (-1, 1):
                    yield replace(u, edges=tuple(e + less for e in u.edges))
            case Table():
                for v in earlier:
                    if v != u.left:
                        yield replace(u, left=v, cells=resized(u.cells, sizes[v], sizes[u.right]))
                    if v != u.right:
                        yield replace(u, right=v, cells=resized(u.cells, sizes[u.left], sizes[v]))

    # --- all rows, all cells at once ----------------------------------------------------------------------------------

    def rows(self, at: State, i: int) -> State:
        """Flip single cells of a relation, and make rows name one key; every row at once."""
        u = at.draft.units[i]
        if not isinstance(u, Copy | Tally):
            return at
        queries, keys = u.relation.shape
        query = at.values[u.query]
        proposals = []
        for c in self.some(np.unique(at.values[u.key][self.bench.valid])):
            flipped = u.relation.copy()
            flipped[:, c] ^= True
            only = np.zeros_like(u.relation)
            only[:, c] = True
            for relation in (flipped, only) if isinstance(u, Copy) else (flipped,):
                new = self.changed(at, i, replace(u, relation=relation))
                gains = np.bincount(query.ravel(), (at.losses - new.losses).ravel(), queries)
                proposals += [(float(gains[q]), int(q), relation[q]) for q in np.flatnonzero(gains > 1e-6)]
        return self.combine(
            at, i, proposals, lambda u, q, row: replace(u, relation=_with_row(u.relation, q, row))
        )

    def cells(self, at: State, i: int) -> State:
        """Give each cell of a table the code that lowers the loss of the positions that read it."""
        u = at.draft.units[i]
        match u:
            case Recode():
                place = at.values[u.of]
            case Table():
                place = at.values[u.left] * u.cells.shape[1] + at.values[u.right]
            case Steps():
                place = u.step(at.values[u.left], at.values[u.right])
            case _:
                return at
        proposals = []
        for c in self.some(np.arange(u.size)):
            new = self.changed(at, i, replace(u, cells=np.full_like(u.cells, c)))
            gains = np.bincount(place.ravel(), (at.losses - new.losses).ravel(), u.cells.size)
            proposals += [(float(gains[p]), int(p), int(c)) for p in np.flatnonzero(gains > 1e-6)]
        return self.combine(at, i, proposals, lambda u, p, c: replace(u, cells=_with_cell(u.cells, p, c)))

    def combine(self, at: State, i: int, proposals: list, apply) -> State:  # type: ignore[no-untyped-def,type-arg]
        """Apply the best proposal for each row together; where that does not help, one by one."""
        best: dict[int, tuple[float, int, object]] = {}
        for p in proposals:
            if p[1] not in best or p[0] > best[p[1]][0]:
                best[p[1]] = p
        ranked = sorted(best.values(), key=lambda p: -p[0])
        if not ranked:
            return at
        together = at.draft.units[i]
        for _, row, change in ranked:
            together = apply(together, row, change)
        new = self.changed(at, i, together)
        if new.loss < at.loss - 1e-6:
            return new
        for _, row, change in ranked[:8]:
            new = self.changed(at, i, apply(at.draft.units[i], row, change))
            if new.loss < at.loss - 1e-6:
                at = new
        return at


def forms(queries: int, keys: int) -> Iterator[np.ndarray]:
    """Relations that print as a comparison: key == query + c for small c, <, <=, >, >=, and key == c, key != c."""
    apart = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    for c in (0, -1, 1, -2, 2):
        yield apart == c
    yield apart < 0
    yield apart <= 0
    yield apart > 0
    yield apart >= 0
    yield apart != 0
    for c in range(keys):
        yield np.broadcast_to(np.arange(keys) == c, apart.shape).copy()
    for c in range(1, keys - 2):
        yield np.broadcast_to(np.arange(keys) <= c, apart.shape).copy()


def resized(cells: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Crop or pad (by repeating the edge) to another shape."""
    return cells[np.minimum(np.arange(rows), cells.shape[0] - 1)][
        :, np.minimum(np.arange(columns), cells.shape[1] - 1)
    ]


def fitted(relation: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Crop or pad with *unrelated* to another shape."""
    new = np.zeros((rows, columns), bool)
    r, c = min(rows, relation.shape[0]), min(columns, relation.shape[1])
    new[:r, :c] = relation[:r, :c]
    return new


def _with_row(relation: np.ndarray, q: int, row: np.ndarray) -> np.ndarray:
    new = relation.copy()
    new[q] = row
    return new


def _with_cell(cells: np.ndarray, place: int, code: int) -> np.ndarray:
    new = cells.copy()
    new.ravel()[place] = code
    return new
