"""Scores under noise: what was one level of attention becomes one number again.

Compiled scores stand at levels with a common step, tens of logits apart; noise in the weights spreads each level. Keys are
compared with one another and brought back to whole steps where they have one, else to the means between wide gaps; BOS, of
which noise can be larger than a step, is at a level where it is near one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

NOISY = 1e-3
"""From this tolerance on weights hold more than rounding."""

LEAST = 8.0
"""Levels closer than this, in logits, are no levels: a softmax would mix them."""

SHARE = 0.3
"""How much of a step noise may move a level."""

MANY = 10_000
"""Of more different scores than this no common step is looked for."""

BESIDE = 0.25
"""How much of a step noise may move BOS beside the level that it shares."""


def leveled(
    scores: Float[np.ndarray, "pair key query"],
    bos: Float[np.ndarray, "pair query"],
    context: Int[np.ndarray, " pair"],
    tolerance: float,
) -> tuple[Float[np.ndarray, "pair key query"], Float[np.ndarray, "pair query"], float]:
    """Return scores of keys, and BOS's, with equal numbers for equal levels; beside the highest score of each query.

    Also returns how far keys were moved, as a share of how far apart they are.

    ``context`` says which pairs of places have the same query. BOS is at a level where it is near one, else where it was:
    what only BOS's key holds is often far larger than a level, and so is its noise.

    >>> given = np.array([[[51.0], [49.0], [0.4], [-0.4]]])
    >>> scores, bos, noise = leveled(given, np.array([[1.0]]), np.array([0]), 0.04)
    >>> scores.round().ravel().tolist(), bos.round().ravel().tolist(), round(noise, 2)
    ([0.0, -0.0, -51.0, -51.0], [-51.0], 0.04)
    """
    top = np.full((int(context.max()) + 1, scores.shape[2]), -np.inf)
    np.maximum.at(top, context, scores.max(1))
    given = scores - top[context][:, None, :]
    beside = snapped(given, tolerance)
    below = bos - top[context]
    levels = np.unique(beside)
    step = float(np.diff(levels).min()) if len(levels) > 1 else 2 * LEAST
    near = levels[np.abs(below[..., None] - levels).argmin(-1)]
    noise = float(np.abs(beside - given).max() / max(-float(given.min()), LEAST))
    return beside, np.where(np.abs(below - near) <= BESIDE * step, near, below), noise


def snapped(beside: Float[np.ndarray, "*scores"], tolerance: float) -> Float[np.ndarray, "*scores"]:
    """Return scores at whole steps where they have a common one, else the means of those between wide gaps."""
    span = float(-beside.min())
    flat = beside.ravel()
    some = np.unique(np.round(flat, 6))
    finest = min(int(span / LEAST), int(1 / tolerance)) if len(some) <= MANY else 0
    for n in range(1, finest + 1):
        step = span / n
        for _ in range(3):
            whole = np.round(some / step)
            step = float((whole * some).sum() / np.square(whole).sum())
        if np.abs(some - whole * step).max() <= min(SHARE * step, tolerance * span + 1):
            return np.asarray(np.round(beside / step) * step)
    order = np.argsort(flat, kind="stable")
    which = np.concatenate([[0], np.cumsum(np.diff(flat[order]) > LEAST)])
    means = np.bincount(which, weights=flat[order]) / np.bincount(which)
    found = np.empty_like(flat)
    found[order] = (means - means[-1])[which]
    return found.reshape(beside.shape)
