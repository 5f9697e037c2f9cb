"""Making a learned draft small and readable, with the same labels on every input that it is asked about.

Passes try something simpler and keep it where no label changes on a sample; at the end all inputs are compared, and where
one differs it joins the sample and the passes start again from the draft that was given. So what comes out is proved equal
on the inputs given, which are the whole domain where that can be listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from janiform.learn.climb import predicted
from janiform.learn.draft import Bench, Copy, Draft, Table, Tally, Unit, logits
from janiform.learn.grow import arithmetic
from janiform.learn.output import fit_output
from janiform.learn.search import forms
from janiform.tasks.examples import Examples

SAMPLE = 3_000
SCALES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 1024, 4096, 65536)


def condense(draft: Draft, data: Examples, *, seed: int = 0, passes: Iterable[Pass] | None = None) -> Draft:
    """Return a shorter draft with whole weights that says the same on ``data``, wherever a label is asked.

    >>> from janiform.learn.climb import empty
    >>> from janiform.learn.draft import Frame
    >>> d = empty(Frame(2, 1, 2)).with_output((np.array([[0.3, 0.1], [0.2, 0.4]]), np.zeros((1, 2))), np.zeros(2))
    >>> x = np.array([[0], [1]])
    >>> [w.tolist() for w in condense(d, Examples(x, x)).weights], condense(d, Examples(x, x)).bias.tolist()
    ([[[0.0, -1.0], [0.0, 0.0]], [[0.0, 0.0]]], [0.0, 1.0])
    """
    rng = np.random.default_rng(seed)
    asked = data.y >= 0
    wanted = np.where(asked, _said(draft, data.x), -1)
    rows = rng.choice(len(data), min(SAMPLE, len(data)), replace=False)
    while True:
        trial = Trial(draft, data.x[rows], wanted[rows])
        for condensing in PASSES if passes is None else passes:
            condensing(trial)
        wrong = np.flatnonzero(((_said(trial.draft, data.x) != wanted) & asked).reshape(len(data), -1).any(1))
        if not len(wrong):
            return trial.draft
        rows = np.union1d(rows, wrong[:1000])


def _said(draft: Draft, x: np.ndarray) -> np.ndarray:
    return np.concatenate([predicted(draft, part) for part in np.array_split(x, max(1, len(x) // 4000))])


Pass = Callable[["Trial"], None]


class Trial:
    """A draft that is being condensed, on a sample where its labels must stay."""

    def __init__(self, draft: Draft, x: np.ndarray, wanted: np.ndarray) -> None:
        self.bench = Bench(draft.frame, x)
        self.wanted = wanted
        self.accept(draft.pruned())

    def accept(self, draft: Draft) -> None:
        """Go on with this draft."""
        self.draft = draft
        self.values = self.bench.run(draft)

    def keeps(self, draft: Draft, values: list[np.ndarray]) -> bool:
        """Whether a draft, whose variables are ``values``, says what is wanted."""
        scores = logits(draft, values)
        if draft.frame.pooled:
            said = (scores * self.bench.valid[:, :, None]).sum(1).argmax(1)
        else:
            said = scores.argmax(2)
        return bool(((said == self.wanted) | (self.wanted < 0)).all())

    def unit(self, i: int, unit: Unit) -> bool:
        """Put a simpler unit in the place of unit ``i`` if that changes no label."""
        draft = self.draft.with_unit(i, unit)
        values = self.bench.rerun(draft, self.values, i)
        if not self.keeps(draft, values):
            return False
        self.draft, self.values = draft, values
        return True

    def output(self, weights: tuple[np.ndarray, ...], bias: np.ndarray) -> bool:
        """Take other weights if that changes no label."""
        draft = self.draft.with_output(weights, bias)
        if self.keeps(draft, self.values):
            self.draft = draft
            return True
        return False

    def met(self, v: int) -> np.ndarray:
        """Which codes of a variable occur."""
        size = self.draft.sizes()[v]
        return np.bincount(self.values[v][self.bench.valid], minlength=size) > 0


def drop_terms(trial: Trial) -> None:
    """Take variables out of the output, those of most codes first, and fit the others again."""
    if trial.draft.frame.pooled or 0 in trial.draft.sizes():
        return
    for v in sorted(range(len(trial.values)), key=lambda v: -trial.draft.weights[v].size):
        if not trial.draft.weights[v].any():
            continue
        weights = tuple(w * (i != v) for i, w in enumerate(trial.draft.weights))
        without = trial.draft.with_output(weights, trial.draft.bias)
        used = [i for i, w in enumerate(weights) if w.any()]
        if not used:
            continue
        fitted = fit_output(without, trial.values, trial.wanted, steps=60, penalty=1e-6, only=used)
        if trial.keeps(fitted, trial.values):
            trial.draft = fitted
    trial.accept(trial.draft.pruned())


def simplify_relations(trial: Trial) -> None:
    """Give heads the simplest mask and relation that serve."""
    for i in range(len(trial.draft.units)):
        u = trial.draft.units[i]
        if isinstance(u, Copy | Tally):
            if u.mask != "all":
                trial.unit(i, replace(u, mask="all"))
            u = trial.draft.units[i]
            assert isinstance(u, Copy | Tally)
            for relation in _simplest(u, trial):
                if (relation == u.relation).all() or trial.unit(i, replace(u, relation=relation)):
                    break


def _simplest(u: Copy | Tally, trial: Trial) -> Iterator[np.ndarray]:
    """Relations from the simplest: all, comparisons, and the unit's own with the fewest pairs."""
    queries, keys = u.relation.shape
    yield np.ones_like(u.relation)
    yield from forms(queries, keys)
    apart = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    for c in range(-max(queries, keys), max(queries, keys)):
        yield apart == c
        yield apart <= c
        yield apart >= c
    yield u.relation & trial.met(u.query)[:, None] & trial.met(u.key)[None, :]


def simplify_tables(trial: Trial) -> None:
    """Write tables as arithmetic or as a function of one variable where that serves, and forget cells that never occur."""
    for i in range(len(trial.draft.units)):
        u = trial.draft.units[i]
        if not isinstance(u, Table):
            continue
        rows, columns = u.cells.shape
        common = int(
            np.bincount(u.cells[trial.values[u.left], trial.values[u.right]][trial.bench.valid]).argmax()
        )
        for cells in (
            np.broadcast_to(np.minimum(np.arange(rows), u.size - 1)[:, None], u.cells.shape),
            np.broadcast_to(np.minimum(np.arange(columns), u.size - 1)[None, :], u.cells.shape),
            *(c for c in arithmetic(rows, columns) if c.max() < u.size),
        ):
            if trial.unit(i, replace(u, cells=np.ascontiguousarray(cells).astype(np.intp))):
                break
        else:
            met = np.zeros(u.cells.shape, bool)
            valid = trial.bench.valid
            met[trial.values[u.left][valid], trial.values[u.right][valid]] = True
            trial.unit(i, replace(u, cells=np.where(met, u.cells, common)))


def merge_codes(trial: Trial) -> None:
    """Let tables write fewer different codes."""
    for i in range(len(trial.draft.units)):
        u = trial.draft.units[i]
        if not isinstance(u, Table) or u.size > 32:
            continue
        for a in range(u.size):
            u = trial.draft.units[i]
            assert isinstance(u, Table)
            if (u.cells == a).any():
                common = int(np.bincount(u.cells.ravel()).argmax())
                if common != a:
                    trial.unit(i, replace(u, cells=np.where(u.cells == a, common, u.cells)))


def shift_rows(trial: Trial) -> None:
    """Move the scores of each variable's most frequent code into the bias, and forget codes that never occur."""
    draft, weights, bias = trial.draft, [], trial.draft.bias.astype(float)
    for v, (w, size) in enumerate(zip(draft.weights, draft.sizes(), strict=True)):
        w = w.astype(float)
        if size and w.any():
            counts = np.bincount(trial.values[v][trial.bench.valid], minlength=size)
            bias = bias + w[counts.argmax()]
            w = (w - w[counts.argmax()]) * (counts > 0)[:, None]
            w = w - _mode(w)
        weights.append(w)
    trial.output(tuple(weights), bias - _mode(bias[None])[0])


def _mode(w: np.ndarray) -> np.ndarray:
    """What to take from each row, which changes no argmax: its first entry among the middle ones, as a column."""
    return np.sort(w, axis=1)[:, w.shape[1] // 2][:, None]


def round_weights(trial: Trial) -> None:
    """Take the smallest whole weights that keep every label."""
    for scale in SCALES:
        largest = max(float(np.abs(w).max(initial=0.0)) for w in (*trial.draft.weights, trial.draft.bias))
        for unit in (scale, scale / max(largest, 1e-9) * 8):
            weights = tuple(np.round(w * unit) + 0.0 for w in trial.draft.weights)
            if trial.output(weights, np.round(trial.draft.bias * unit) + 0.0):
                return
    exact = 2.0**20
    trial.draft = trial.draft.with_output(
        tuple(np.round(w * exact) for w in trial.draft.weights), np.round(trial.draft.bias * exact)
    )


def zero_rows(trial: Trial) -> None:
    """Forget rows of weights that decide nothing."""
    for v in range(len(trial.draft.weights)):
        for c in np.flatnonzero(trial.draft.weights[v].any(1)):
            weights = list(trial.draft.weights)
            weights[v] = weights[v].copy()
            weights[v][c] = 0
            trial.output(tuple(weights), trial.draft.bias)
    trial.accept(trial.draft.pruned())


PASSES = (
    drop_terms,
    simplify_relations,
    simplify_tables,
    merge_codes,
    drop_terms,
    shift_rows,
    round_weights,
    zero_rows,
    simplify_relations,
    simplify_tables,
)
"""What is done, in order."""
