"""The output as one variable's table, where one or two variables decide every label: no weights, no argmax.

Sums of scores are how a program is found; ``{"(": "P"}[latest_bracket else "T"]`` is how it is read.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from janiform.learn.draft import Draft, Table
from janiform.learn.trial import Trial

CELLS = 400
"""The largest table of two variables that may decide."""

LISTED = 36
"""The most cells of it that may say something else than most do: what is longer reads no better than weights."""


def decide(trial: Trial) -> None:
    """Let one variable say the label where one does, else a table of two that have weights."""
    draft = trial.draft
    used = [v for v, w in enumerate(draft.weights) if w.any()]
    if draft.frame.pooled or len(used) < 2:
        return
    sizes = draft.sizes()
    for v in sorted((v for v, size in enumerate(sizes) if size), key=lambda v: sizes[v]):
        said = told(trial, trial.values[v], sizes[v])
        if said is not None and trial.output(*only(draft, v, said)):
            trial.accept(trial.draft.pruned())
            return
    pairs = [(a, b) for a, b in combinations(used, 2) if 0 < sizes[a] * sizes[b] <= CELLS]
    for a, b in sorted(pairs, key=lambda pair: sizes[pair[0]] * sizes[pair[1]]):
        said = told(trial, trial.values[a] * sizes[b] + trial.values[b], sizes[a] * sizes[b])
        if said is None or (said != np.bincount(said).argmax()).sum() > LISTED:
            continue
        table = Table(a, b, said.reshape(sizes[a], sizes[b]), draft.frame.labels)
        weights = (*draft.weights, np.zeros((draft.frame.labels, draft.frame.labels)))
        grown = replace(draft, units=(*draft.units, table), weights=weights)
        if trial.another(grown.with_output(*only(grown, len(sizes), np.arange(draft.frame.labels)))):
            trial.accept(trial.draft.pruned())
            return


def told(trial: Trial, codes: np.ndarray, size: int) -> np.ndarray | None:
    """The label that each code stands for, for what does not occur the most frequent; None where one stands for two."""
    asked = trial.wanted >= 0
    labels = trial.draft.frame.labels
    met = np.zeros((size, labels), int)
    np.add.at(met, (codes[asked], trial.wanted[asked]), 1)
    if ((met > 0).sum(1) > 1).any():
        return None
    return np.where(met.any(1), met.argmax(1), met.sum(0).argmax())


def only(draft: Draft, v: int, said: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The output in which one variable says the label of each of its codes."""
    weights = [np.zeros_like(w, dtype=float) for w in draft.weights]
    weights[v][np.arange(len(said)), said] = 1.0
    return tuple(weights), np.zeros(draft.frame.labels)
