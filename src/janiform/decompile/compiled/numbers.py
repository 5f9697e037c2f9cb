"""Measured shares as whole numbers: weights hold numbers up to scale, and programs hold them as they are."""

from __future__ import annotations

import numpy as np

from janiform.decompile.compiled.failure import CannotDecompile

FINEST = 5_000
"""Numbers are multiples of at least this part of the largest."""

COARSE = 10
"""As many parts are tried whatever the tolerance."""

PLAIN = 0.02
"""How far from a whole number a multiple may be where little is taken for noise."""

ROUGH = 0.1
"""The same where the largest number is far larger than the differences that count."""


def wholes(shares: np.ndarray, tolerance: float) -> list[int]:
    """Return numbers from 0 to 1 as whole numbers with the smallest common unit that fits.

    >>> wholes(np.array([0.0, 0.25, 1.0]), 1e-6)
    [0, 1, 4]
    """
    whole = _with_unit(shares, tolerance)
    if whole is None:
        whole = _above_a_hole(shares, tolerance)
    if whole is None:
        raise CannotDecompile(
            "numbers that are averaged have no common unit", float(np.diff(np.sort(shares)).min())
        )
    return whole


def _with_unit(shares: np.ndarray, tolerance: float, plain: float = PLAIN) -> list[int] | None:
    finest = min(FINEST, max(COARSE, int(plain / max(tolerance, 1e-12))))
    for q in range(1, finest + 1):
        near = shares * q
        off = float(np.abs(near - np.round(near)).max())
        if off <= min(max(plain, 2 * tolerance), 2 * tolerance * q + 1e-9):
            return [int(x) for x in np.round(near)]
    return None


def _above_a_hole(shares: np.ndarray, tolerance: float) -> list[int] | None:
    """The unit of all but the lowest, which lies so far below that it stands for undefined and need not be exact."""
    others = shares[shares > shares.min()]
    rise = float(np.ptp(others)) if len(others) else 0.0
    if not rise or float(others.min()) < 2 * rise:
        return None
    above = _with_unit((others - others.min()) / rise, tolerance * float(shares.max()) / rise, ROUGH)
    if above is None:
        return None
    unit = rise / max(above)
    return [round(float(x) / unit) for x in shares]
