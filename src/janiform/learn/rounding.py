"""The output of a draft in few, small, whole weights that say the same.

A variable leaves the output where the others, fitted again, say the same without it. Weights become the smallest whole
numbers that do: rounded at a small scale, then mended by a perceptron in whole steps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from janiform.learn.draft import Draft
from janiform.learn.output import fit_output
from janiform.learn.trial import Trial, in_parts

SIZES = (
    1,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    48,
    64,
    96,
    128,
    192,
    256,
    384,
    512,
    1024,
    4096,
    2**16,
    2**20,
    2**26,
)
"""The largest weights that are tried, in order."""

FITTED = 1_000
"""How many inputs the output is fitted to again at most."""

PATIENCE = 6
"""After how many variables in a row that are needed no output is fitted again."""

MENDED, STEPS = 0.01, 60
"""The share of wrong labels that is worth mending, and the steps that it may take."""


def drop_terms(trial: Trial) -> None:
    """Take variables out of the output, those of most codes first, and fit the others again."""
    draft = trial.draft
    if draft.frame.pooled:
        return
    failed = 0
    for v in sorted(range(len(trial.values)), key=lambda v: -draft.weights[v].shape[0]):
        if trial.draft.weights[v].any():
            weights = tuple(w * (i != v) for i, w in enumerate(trial.draft.weights))
            if not trial.output(weights, trial.draft.bias) and failed < PATIENCE:
                rows = np.union1d(trial.few, np.arange(min(FITTED, len(trial.x))))
                fitted = refitted(trial, trial.draft.with_output(weights, trial.draft.bias), rows, 40)
                failed = 0 if trial.output(fitted.weights, fitted.bias) else failed + 1
    trial.accept(trial.draft.pruned())


def widen_margins(trial: Trial) -> None:
    """Fit the output to the labels that are wanted, which makes them clearer, so that smaller whole weights do."""
    if not trial.draft.frame.pooled:
        fitted = refitted(trial, trial.draft, np.arange(len(trial.x)), 150)
        trial.output(fitted.weights, fitted.bias)


def refitted(trial: Trial, draft: Draft, rows: np.ndarray, steps: int) -> Draft:
    """Fit the output again on some rows, with the variables that it has."""
    used = [v for v, w in enumerate(draft.weights) if w.any()]
    if not used:
        return draft
    fitted = fit_output(
        draft, [v[rows] for v in trial.values], trial.wanted[rows], steps=steps, penalty=1e-6, only=used
    )
    weights = tuple(w.astype(float) for w in fitted.weights)
    return fitted.with_output(weights, fitted.bias.astype(float))


def shift_rows(trial: Trial) -> None:
    """Move the scores of each variable's most frequent code into the bias, and forget codes that never occur."""
    draft, weights, bias = trial.draft, [], trial.draft.bias.astype(float)
    for v, (w, size) in enumerate(zip(draft.weights, draft.sizes(), strict=True)):
        w = w.astype(float)
        if size and w.any():
            counts = trial.met(v)
            bias = bias + w[counts.argmax()]
            w = (w - w[counts.argmax()]) * (counts > 0)[:, None]
            w = w - _middle(w)
        weights.append(w)
    trial.output(tuple(weights), bias - _middle(bias[None])[0])


def _middle(w: np.ndarray) -> np.ndarray:
    """What to take from each row, which changes no argmax: one of its middle entries, as a column."""
    return np.sort(w, axis=1)[:, w.shape[1] // 2][:, None]


def round_weights(trial: Trial) -> None:
    """Take small whole weights that keep every label."""
    weights, bias = trial.draft.weights, trial.draft.bias
    largest = max(float(np.abs(w).max(initial=0.0)) for w in (*weights, bias)) or 1.0
    for size in SIZES:
        unit = size / largest
        whole = tuple(np.round(w * unit) + 0.0 for w in weights)
        rounded = trial.draft.with_output(whole, np.round(bias * unit) + 0.0)
        if trial.output(rounded.weights, rounded.bias):
            return
        mended = mend(trial, rounded)
        if mended is not None and trial.output(mended.weights, mended.bias):
            return
    exact = 2.0**40 / largest
    trial.draft = trial.draft.with_output(
        tuple(np.round(w * exact) + 0.0 for w in weights), np.round(bias * exact) + 0.0
    )


def mend(trial: Trial, draft: Draft) -> Draft | None:
    """Correct whole weights by a perceptron until they say what is wanted; None where they are too far from it."""
    sizes = draft.sizes()
    used = [v for v, w in enumerate(draft.weights) if w.any()]
    if draft.frame.pooled or not used or not all(sizes[v] for v in used):
        return None
    asked = trial.wanted >= 0
    starts = np.cumsum([0, *(sizes[v] for v in used)])
    rows = np.stack([trial.values[v][asked] + s for v, s in zip(used, starts, strict=False)], 1)
    rows, first = np.unique(rows, axis=0, return_index=True)
    wanted = trial.wanted[asked][first]
    weights = np.concatenate([draft.weights[v] for v in used])
    bias = draft.bias.copy()
    fewest, patience = len(rows), 0
    for _ in range(STEPS):
        said = (weights[rows].sum(1) + bias).argmax(1)
        wrong = np.flatnonzero(said != wanted)
        if not len(wrong):
            parts = dict(zip(used, np.split(weights, starts[1:-1]), strict=True))
            return draft.with_output(tuple(parts.get(v, w) for v, w in enumerate(draft.weights)), bias)
        patience = 0 if len(wrong) < fewest else patience + 1
        fewest = min(fewest, len(wrong))
        if len(wrong) > MENDED * len(rows) or patience > 12:
            return None
        push = np.zeros_like(weights)
        for target, sign in ((wanted[wrong], 1), (said[wrong], -1)):
            np.add.at(push, (rows[wrong], target[:, None]), sign)
        strong = np.abs(push) >= max(1, np.abs(push).max() * 0.7)
        weights = weights + np.sign(push) * strong
    return None


def zero_rows(trial: Trial) -> None:
    """Forget rows of weights, then single weights, that decide nothing."""
    for v, w in enumerate(trial.draft.weights):
        zeroing = partial(zero, trial, v)
        in_parts(np.argwhere(w.any(1)), zeroing)
        in_parts(np.argwhere(trial.draft.weights[v]), zeroing)
    trial.accept(trial.draft.pruned())


def zero(trial: Trial, v: int, places: np.ndarray) -> bool:
    """Put zeros in some rows or places of one variable's weights if that changes no label."""
    weights = trial.draft.weights[v].copy()
    weights[tuple(places.T)] = 0
    return trial.weights(v, weights)


def in_floats(draft: Draft) -> Draft:
    """The same output in double precision, in which sums of a few such weights are exact."""
    return replace(
        draft, weights=tuple(w.astype(float) for w in draft.weights), bias=draft.bias.astype(float)
    )
