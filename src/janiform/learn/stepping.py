"""Simpler numbers with the same labels: tables as numerical MLPs, fewer steps, whole numbers.

A table of two numbers that is a function of a weighted sum of them, in a few steps, is shorter as that, and says why it
is what it is: ``2 * count == position`` in place of eight cells.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from janiform.learn.draft import Draft, Number, Steps, Table, Tally
from janiform.learn.trial import Trial, in_parts

SLOPES = ((1, 0), (0, 1), (1, -1), (1, 1), (2, -1), (1, -2), (2, 1), (1, 2))
"""The weighted sums that a table may be a function of."""

MOST = 4
"""The most categories in a row that are simpler than a table."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 1024)
"""The largest whole numbers that are tried for others, in order."""


def step_table(trial: Trial, i: int) -> bool:
    """Write a table of two numbers as a numerical MLP if that is simple and changes no label."""
    u = trial.draft.units[i]
    assert isinstance(u, Table)
    numeric = trial.draft.numeric()
    if not (numeric[u.left] and numeric[u.right]):
        return False
    valid = trial.bench.valid
    x, y, codes = (trial.values[v][valid] for v in (u.left, u.right, i + trial.draft.inputs))
    for slopes in SLOPES:
        sums = slopes[0] * x + slopes[1] * y
        starts, places = np.unique(sums, return_inverse=True)
        counts = np.zeros((len(starts), u.size), int)
        np.add.at(counts, (places, codes), 1)
        new = joined(Steps(u.left, u.right, slopes, tuple(starts[1:] - 0.5), counts.argmax(1), u.size))
        if len(new.cells) <= MOST and trial.unit(i, alone(new)):
            return True
    return False


def joined(u: Steps) -> Steps:
    """The same without steps between equal categories."""
    apart = np.flatnonzero(np.diff(u.cells))
    return replace(u, edges=tuple(u.edges[e] for e in apart), cells=u.cells[[0, *(apart + 1)]])


def alone(u: Steps) -> Steps:
    """The same reading nothing that counts for nothing."""
    if u.slopes[0] == 0:
        u = replace(u, left=u.right, slopes=(u.slopes[1], 0.0))
    return u if u.slopes[1] else replace(u, right=u.left)


def fewer_steps(trial: Trial) -> None:
    """Let numerical MLPs read one number where one serves, and take away steps that decide nothing."""
    for i, u in enumerate(trial.draft.units):
        if isinstance(u, Steps):
            for slopes in ((u.slopes[0], 0.0), (0.0, u.slopes[1])) if all(u.slopes) else ():
                if trial.unit(i, alone(replace(u, slopes=slopes))):
                    break
            in_parts(np.arange(len(u.edges)), partial(without_steps, trial, i, u))


def without_steps(trial: Trial, i: int, u: Steps, edges: np.ndarray) -> bool:
    """Take away some of the edges of ``u`` that are left; what they part becomes the most frequent category of it."""
    now = trial.draft.units[i]
    assert isinstance(now, Steps)
    gone = {u.edges[e] for e in edges}
    kept = np.array([e not in gone for e in now.edges], bool)
    place = now.step(*(trial.values[v][trial.bench.valid] for v in now.reads))
    often = np.bincount(place, minlength=len(now.cells))
    run = np.concatenate([[0], np.cumsum(kept)])
    counts = np.zeros((int(run[-1]) + 1, now.size), int)
    np.add.at(counts, (run, now.cells), often + 1)
    return trial.unit(
        i, replace(now, edges=tuple(np.array(now.edges)[kept].tolist()), cells=counts.argmax(1))
    )


def whole_numbers(trial: Trial) -> None:
    """Make numeric embeddings and the slopes of numerical MLPs whole, the smallest that serve."""
    for i, u in enumerate(trial.draft.units):
        if isinstance(u, Number) and (u.numbers % 1).any():
            any(trial.another(rescaled(trial, i, size / np.abs(u.numbers).max())) for size in SIZES)
    for i, u in enumerate(trial.draft.units):
        if isinstance(u, Steps) and any(a % 1 for a in u.slopes):
            any(trial.unit(i, whole_slopes(trial, i, size)) for size in SIZES)


def whole_slopes(trial: Trial, i: int, size: int) -> Steps:
    """A numerical MLP with whole slopes up to a size, that parts the sample as it did."""
    u = trial.draft.units[i]
    assert isinstance(u, Steps)
    a, b = np.round(np.array(u.slopes) * size / max(map(abs, u.slopes))).tolist()
    return alone(parted(trial, i, replace(u, slopes=(a, b)), trial.values))


def rescaled(trial: Trial, i: int, times: float) -> Draft:
    """The draft with a multiple of a numeric embedding, rounded, where all that reads it or sums of it is adapted."""
    draft, n = trial.draft, trial.draft.inputs
    units, values, scaled = list(draft.units), list(trial.bench.inputs), {i + n}
    for k, u in enumerate(units):
        match u:
            case Number() if k == i:
                u = replace(u, numbers=np.round(u.numbers * times) + 0.0)
            case Tally(amounts=int(amounts)) if amounts in scaled:
                scaled.add(k + n)
            case Steps() if not scaled.isdisjoint(u.reads):
                a, b = (s / times if v in scaled else s for v, s in zip(u.reads, u.slopes, strict=True))
                u = parted(trial, k, replace(u, slopes=(a, b)), values)
        units[k] = u
        values.append(trial.bench.unit(u, values))
    weights = tuple(w / times if v in scaled else w for v, w in enumerate(draft.weights))
    return replace(draft, units=tuple(units), weights=weights)


def parted(trial: Trial, i: int, u: Steps, values: list[np.ndarray]) -> Steps:
    """Numerical MLP ``i`` with other slopes, on other values: edges that part the sample as it did, as far as they can."""
    old = trial.draft.units[i]
    assert isinstance(old, Steps)
    valid = trial.bench.valid
    place = old.step(*(trial.values[v][valid] for v in old.reads))
    x, y = (values[v][valid] for v in u.reads)
    sums = u.slopes[0] * x + u.slopes[1] * y
    edges = []
    for e in range(len(old.edges)):
        below, above = sums[place <= e], sums[place > e]
        low = below.max() if len(below) else sums.min() - 1
        edges.append(float(low + (above.min() if len(above) else sums.max() + 1)) / 2)
    return replace(u, edges=tuple(np.maximum.accumulate(edges).tolist()))
