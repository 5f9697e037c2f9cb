"""Measured shares as whole numbers: weights hold numbers up to scale, and programs hold them as they are."""

from __future__ import annotations

import numpy as np

from janiform.decompile.compiled.failure import CannotDecompile

FINEST = 5_000
"""Numbers are multiples of at least this part of the largest."""

PLAIN = 0.02
"""How far from a whole number a multiple may be at most, whatever the tolerance."""


def wholes(shares: np.ndarray, tolerance: float) -> list[int]:
    """Return numbers from 0 to 1 as whole numbers with the smallest common unit that fits.

    >>> wholes(np.array([0.0, 0.25, 1.0]), 1e-6)
    [0, 1, 4]
    """
    finest = min(FINEST, int(PLAIN / max(tolerance, 1e-12)))
    for q in range(1, max(finest, 1) + 1):
        near = shares * q
        off = float(np.abs(near - np.round(near)).max())
        if off <= min(PLAIN, 2 * tolerance * q + 1e-9):
            return [int(x) for x in np.round(near)]
    raise CannotDecompile(
        "numbers that are averaged have no common unit", float(np.diff(np.sort(shares)).min())
    )
