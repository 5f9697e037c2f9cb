"""Which terms of a sum of scores fix its winner, whatever the others hold.

Scores are sums, so the worst that free terms can do to the winner against one rival is a sum too, of the worst of each:
a set of terms is tried in linear time, and exactly where terms vary freely and weights are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-9
"""What sums of weights that are not whole may be off by, relative to their size."""


def deciding_terms(
    held: Sequence[np.ndarray],
    possible: Sequence[np.ndarray | None],
    bias: np.ndarray,
    kept_longest: Sequence[bool],
) -> tuple[int, ...]:
    """Return the terms that fix the winner: those of least effect are left out first, as long as no rival can win.

    ``held[i]`` are the scores that term ``i`` adds to each label, ``possible[i]`` a row for each value it could have.

    >>> held = [np.array([5.0, 0.0]), np.array([0.0, 1.0]), np.array([2.0, 0.0])]
    >>> deciding_terms(held, [np.array([h, h[::-1]]) for h in held], np.zeros(2), [False] * 3)
    (0,)
    """
    scores = bias + np.sum(held, axis=0) if len(held) else bias
    winner = int(scores.argmax())
    whole = all((a == np.rint(a)).all() for a in (bias, *held, *(p for p in possible if p is not None)))
    slack = 0.0 if whole else ROUNDING * float(np.abs(bias).sum() + sum(np.abs(h).sum() for h in held))
    margin = scores[winner] - scores
    losses = [
        None if p is None else (h[winner] - h) - (p[:, [winner]] - p).min(0)
        for h, p in zip(held, possible, strict=True)
    ]
    known = [i for i, loss in enumerate(losses) if loss is not None]
    after = np.arange(len(bias)) > winner
    free: set[int] = set()
    for i in sorted(known, key=lambda i: (kept_longest[i], np.max(losses[i]))):  # type: ignore[arg-type]
        left = margin - losses[i]
        safe = (left > slack) | ((left == 0) & after & whole)
        safe[winner] = True
        if safe.all():
            free.add(i)
            margin = left
    return tuple(i for i in range(len(held)) if i not in free)
