"""Scores under noise: what was one level of attention becomes one number again.

Compiled scores stand at levels with a common step, tens of logits apart; noise in the weights spreads each level. Levels
are told by the gaps between them, and brought back to whole steps beside BOS where they have one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

NOISY = 1e-3
"""From this tolerance on weights hold more than rounding."""

LEAST = 8.0
"""Levels closer than this, in logits, are no levels: a softmax would mix them."""

SHARE = 0.25
"""How much of a step noise may move a level."""


def leveled(above: Float[np.ndarray, "*scores"]) -> Float[np.ndarray, "*scores"]:
    """Return scores, of which BOS's is taken away, with equal numbers for equal levels; as they are where there are none.

    >>> np.round(leveled(np.array([-51.0, -49.0, 0.4, -0.4, 100.0]))).tolist()
    [-50.0, -50.0, 0.0, 0.0, 100.0]
    """
    flat = above.ravel()
    order = np.argsort(flat, kind="stable")
    steps = np.diff(flat[order])
    gap = _gap(steps)
    if gap is None:
        return above
    which = np.concatenate([[0], np.cumsum(steps > gap)])
    sizes = np.bincount(which)
    means = np.bincount(which, weights=flat[order]) / sizes
    found = np.empty_like(flat)
    found[order] = _whole_steps(means)[which]
    return found.reshape(above.shape)


def _gap(steps: np.ndarray) -> float | None:
    """What parts steps within a level from steps between levels, None where nothing does."""
    wide = np.sort(steps[steps > LEAST])
    narrow = float(steps[steps <= LEAST].max(initial=0.0))
    return None if len(steps) and not len(wide) and narrow > LEAST / 2 else LEAST


def _whole_steps(means: np.ndarray) -> np.ndarray:
    """Bring levels to whole multiples of their common step."""
    if len(means) == 1:
        return means if abs(float(means[0])) > LEAST else np.zeros(1)
    least = float(np.diff(means).min())
    middle = means[int(np.abs(means).argmin())]
    for parts in (1, 2, 3, 4):
        step = least / parts
        if step < LEAST / 2:
            break
        for _ in range(3):
            whole = np.round((means - middle) / step)
            step = float(whole @ (means - middle) / (whole @ whole))
        if np.abs(means - middle - whole * step).max() <= SHARE * step:
            offset = float((means - whole * step).mean())
            near = np.round(offset / (step / 2)) * step / 2
            return whole * step + (near if abs(offset - near) <= SHARE * step / 2 else offset)
    return means
