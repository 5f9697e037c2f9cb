"""Making a learned draft small and readable, with the same labels on every input that it is asked about.

Passes try something simpler and keep it where no label changes on a sample. After each the draft is compared on many more
inputs, at the end on all; those where it differs join the sample, and the passes go on from the last draft that was right
on them. So what comes out is proved equal on the inputs given, which are the whole domain where that can be listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from janiform.learn.draft import Bench, Draft
from janiform.learn.rounding import drop_terms, in_floats, round_weights, shift_rows, zero_rows
from janiform.learn.simplify import follow_one, simplify_relations, simplify_tables
from janiform.learn.trial import Trial, labels_of
from janiform.tasks.examples import Examples

Pass = Callable[[Trial], None]

SAMPLE, WIDE = 2_000, 16_000
"""How many inputs changes are tried on, and how many each pass is checked on."""

ROUNDS = 6
"""How often the passes go on after a difference before only weights are rounded."""

PASSES: tuple[Pass, ...] = (
    follow_one,
    drop_terms,
    simplify_relations,
    simplify_tables,
    drop_terms,
    shift_rows,
    round_weights,
    zero_rows,
    simplify_relations,
    simplify_tables,
    follow_one,
)
"""What is done, in order."""


def condense(draft: Draft, data: Examples, *, seed: int = 0, passes: Sequence[Pass] | None = None) -> Draft:
    """Return a shorter draft with whole weights that says the same on ``data``, wherever a label is asked.

    >>> from janiform.learn.climb import empty
    >>> from janiform.learn.draft import Frame
    >>> d = empty(Frame(2, 1, 2)).with_output((np.array([[0.3, 0.1], [0.2, 0.4]]), np.zeros((1, 2))), np.zeros(2))
    >>> x = np.array([[0], [1]])
    >>> short = condense(d, Examples(x, x))
    >>> [w.tolist() for w in short.weights], short.bias.tolist()
    ([[[0.0, 0.0], [-1.0, 0.0]], [[0.0, 0.0]]], [0.0, 0.0])
    """
    passes = PASSES if passes is None else tuple(passes)
    rng = np.random.default_rng(seed)
    start = in_floats(draft)
    wanted = np.where(data.y >= 0, said(start, data.x), -1)
    order = rng.permutation(len(data))
    rows, wide = order[:SAMPLE], order[:WIDE]
    steps = [start]
    for attempt in range(ROUNDS * 4):
        while len(steps) <= len(passes):
            trial = Trial(steps[-1], data.x[rows], wanted[rows])
            passes[len(steps) - 1](trial)
            steps.append(trial.draft)
            wrong = wide[differing(trial.draft, data.x[wide], wanted[wide])]
            if len(wrong):
                break
        else:
            wrong = differing(steps[-1], data.x, wanted)
            if not len(wrong):
                return steps[-1]
        new = rng.permutation(wrong)[:400]
        rows, wide = np.union1d(new, rows), np.union1d(new, wide)
        while len(steps) > 1 and len(differing(steps[-1], data.x[new], wanted[new])):
            steps.pop()
        if attempt >= ROUNDS:
            passes, steps = (round_weights,), [start]
    return steps[-1]


def differing(draft: Draft, x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The inputs on which a draft does not say what is wanted."""
    differs = (said(draft, x) != wanted) & (wanted >= 0)
    return np.flatnonzero(differs.reshape(len(x), -1).any(1))


def said(draft: Draft, x: np.ndarray) -> np.ndarray:
    """The labels of a draft, a few thousand inputs at a time."""
    benches = (Bench(draft.frame, part) for part in np.array_split(x, max(1, len(x) // 2000)))
    return np.concatenate([labels_of(draft, bench, bench.run(draft)) for bench in benches])


__all__ = ["PASSES", "Pass", "condense", "round_weights"]
