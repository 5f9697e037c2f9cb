"""Making a learned draft small and readable, with the same labels on every input that it is asked about.

Passes try something simpler and keep it where no label changes on a sample. After each the draft is compared on many more
inputs, at the end on all; those where it differs join the sample, and the passes go on from the last draft that was right
on them. So what comes out is proved equal on the inputs given, which are the whole domain where that can be listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from janiform.learn.climb import predicted
from janiform.learn.deciding import decide
from janiform.learn.draft import Bench, Draft, logits
from janiform.learn.rounding import drop_terms, in_floats, round_weights, shift_rows, widen_margins, zero_rows
from janiform.learn.simplify import follow_one, simplify_relations, simplify_tables
from janiform.learn.stepping import fewer_steps, whole_numbers
from janiform.learn.trial import Trial
from janiform.tasks.examples import Examples

Pass = Callable[[Trial], None]

SAMPLE, WIDE, NEW = 12_000, 20_000, 500
"""Positions that changes are tried on at first (as many at random as of close calls), inputs that passes are checked on,
and inputs that join where they differ."""

TRIES = 4
"""How often a pass is tried before the draft goes on without it; weights are rounded in any case."""

PASSES: tuple[Pass, ...] = (
    follow_one,
    drop_terms,
    whole_numbers,
    simplify_relations,
    simplify_tables,
    fewer_steps,
    drop_terms,
    decide,
    widen_margins,
    shift_rows,
    round_weights,
    zero_rows,
    simplify_relations,
    simplify_tables,
    fewer_steps,
    follow_one,
    round_weights,
    zero_rows,
)
"""What is done, in order."""


def condense(
    draft: Draft,
    data: Examples,
    *,
    seed: int = 0,
    passes: Sequence[Pass] | None = None,
    slack: float = 0.0,
    tell: Callable[[int, int], None] | None = None,
) -> Draft:
    """Return a shorter draft with whole weights that says the same on ``data``, wherever a label is asked.

    ``slack`` is the share of labels that may become others: 0 for a draft that is right everywhere. ``tell`` hears how
    many passes of how many are done; some may be undone.

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
    wide = rng.permutation(len(data))[:WIDE]
    few = SAMPLE // draft.frame.length
    rows = np.union1d(wide[:few], wide[closest_calls(start, data.x[wide], wanted[wide])[:few]])
    steps, tries = [start], [0] * (len(passes) + 1)
    while True:
        while len(steps) <= len(passes):
            trial = Trial(steps[-1], data.x[rows], wanted[rows])
            condensing = passes[len(steps) - 1]
            if tries[len(steps)] < TRIES or condensing is round_weights:
                condensing(trial)
            tries[len(steps)] += 1
            steps.append(trial.draft)
            if tell:
                tell(len(steps) - 1, len(passes))
            wrong = wide[differing(trial.draft, data.x[wide], wanted[wide], slack)]
            if len(wrong):
                break
        else:
            wrong = differing(steps[-1], data.x, wanted, slack)
            if not len(wrong):
                return steps[-1]
        new = rng.permutation(wrong)[:NEW]
        rows, wide = np.union1d(new, rows), np.union1d(new, wide)
        while len(steps) > 1 and len(differing(steps[-1], data.x[new], wanted[new])):
            steps.pop()
        if sum(tries) > len(tries) * TRIES:
            passes, steps, tries = (round_weights,), [start], [-1000, -1000]


def closest_calls(draft: Draft, x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The inputs in order of how clear the labels are, the least clear first."""
    if len(draft.bias) < 2:
        return np.arange(0)
    margins = []
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // 2000)):
        bench = Bench(draft.frame, x[part])
        two = np.partition(logits(draft, bench.run(draft)), -2, axis=2)[:, :, -2:]
        asked = (wanted[part] >= 0).reshape(len(part), -1)
        margins.append(np.where(asked, two[:, :, 1] - two[:, :, 0], np.inf).min(1))
    return np.argsort(np.concatenate(margins), kind="stable")


def differing(draft: Draft, x: np.ndarray, wanted: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """The inputs on which a draft does not say what is wanted; none where that is no more than ``slack`` of the labels."""
    differs = (said(draft, x) != wanted) & (wanted >= 0)
    if differs.sum() <= slack * (wanted >= 0).sum():
        return np.arange(0)
    return np.flatnonzero(differs.reshape(len(x), -1).any(1))


def said(draft: Draft, x: np.ndarray) -> np.ndarray:
    """The labels of a draft, a few thousand inputs at a time."""
    return np.concatenate([predicted(draft, part) for part in np.array_split(x, max(1, len(x) // 2000))])


__all__ = ["PASSES", "Pass", "condense", "round_weights"]
