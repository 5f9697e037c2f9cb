"""The output over the fewest variables that say as much: what a draft found on its way, but no longer needs, goes.

A search adds variables and keeps their weights, so that what was an approximation stays beside what replaced it. Here the
variables are chosen anew, that first which tells most of the labels, then that which tells most beside it, and so on.
"""

from __future__ import annotations

import numpy as np

from janiform.learn.climb import score
from janiform.learn.draft import Bench, Draft
from janiform.learn.output import WIDEST, fit_output
from janiform.learn.residuals import Residuals
from janiform.learn.search import Search
from janiform.tasks.examples import Examples

FITTED = 4000
"""How many inputs weights are fitted to."""

LOST = 2e-4
"""The share of labels that a draft which errs may give up for fewer variables."""

BESIDE = 6
"""How many more variables are tried, after the best accuracy so far, before it is given up."""


def thin(draft: Draft, data: Examples, *, seed: int = 0) -> Draft:
    """Return the draft with weights for as few variables as say as much on ``data``; one that is right stays right.

    >>> from janiform.learn.climb import empty
    >>> from janiform.learn.draft import Frame
    >>> d = empty(Frame(2, 1, 2)).with_output((np.array([[0.3, 0.1], [0.2, 0.4]]), np.ones((1, 2))), np.zeros(2))
    >>> x = np.array([[0], [1]])
    >>> [bool(w.any()) for w in thin(d, Examples(x, x)).weights]
    [True, False]
    """
    rng = np.random.default_rng(seed)
    goal = score(draft, data)[0]
    goal -= 0 if goal == 1 else LOST
    few = data.take(rng.permutation(len(data))[:FITTED])
    bench = Bench(draft.frame, few.x)
    search, sizes = Search(bench, few.y, rng), draft.sizes()
    at = search.state(
        draft.with_output(tuple(np.zeros_like(w) for w in draft.weights), np.zeros_like(draft.bias))
    )
    values = [v[few.y >= 0] for v in at.values]
    left = [v for v, size in enumerate(sizes) if 0 < size <= WIDEST]
    chosen: list[int] = []
    best, since = 0.0, 0
    while left and since < BESIDE:
        residuals = Residuals(at, few.y, np.ones(len(few)))
        v = max(left, key=lambda v: residuals.gain(values[v], sizes[v]))
        chosen.append(v)
        left.remove(v)
        fitted = fit_output(at.draft, at.values, few.y, only=sorted(chosen))
        now = score(thinned := fitted.pruned(), data)[0]
        if now >= goal:
            return thinned
        since = 0 if now > best + LOST else since + 1
        best, at = max(best, now), search.state(fitted)
    return draft
