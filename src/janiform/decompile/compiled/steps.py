"""What hidden units make of one coordinate, under noise: steps stay steps.

A step is two rectified lines whose difference is flat on both sides of a ramp. Noise of a thousandth in lines that have grown a
thousand times as high as the step leaves nothing of it, though the lines say as clearly as before where it is and how high.
Units that read along one direction are therefore read together: their common coordinate is what they read on average,
its levels lie on a grid where they can, and between two levels lines that end each other's rise are a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

ALONG = 4.0
"""Units read along one direction where the angle between what they read is no more than this many tolerances."""

GRID = 0.25
"""How far from a grid, in its steps, a level may lie."""

CHANCE = 1e-3
"""How likely levels may be to lie that near a grid by chance."""

LONGEST = 400
"""A grid has at most so many steps."""

OPPOSITE = 0.1
"""Lines end each other's rise where no more than this share of it is left."""

QUARTER = 0.06
"""How far knots may be from the quarters of a gap, in gaps, to be there."""

WITHIN = 0.75
"""Two knots of a step are no further apart than this share of the gap that they lie in."""

SPAN = 3
"""Levels of which so few lie in the gap of a step are cells that no input meets."""

INSIDE = 0.1
"""A knot no further than this share of a gap from a level is at the level."""


def written(
    read: Float[np.ndarray, "cell unit"], out: Float[np.ndarray, "unit d_model"], tolerance: float
) -> tuple[Float[np.ndarray, "cell d_model"], float]:
    """Return what rectified units write in each cell, of what they read in it, without what noise makes of steps.

    Also returns how far from lines of one coordinate units read, as a share of how far they go.

    >>> s = np.arange(4.0)[:, None]
    >>> two = 2.002 * s - np.array([[2.5, 3.5]])  # a step of 1 between the second and the third level
    >>> table, noise = written(two, np.array([[1.0], [-0.998]]), 1e-2)
    >>> table.round(2).ravel().tolist(), noise < 1e-9
    ([0.0, 0.0, 1.0, 1.0], True)
    """
    total, noise = np.zeros((len(read), out.shape[1])), 0.0
    for units in directions(read, tolerance):
        if len(units) == 1:
            total += np.maximum(read[:, units], 0.0) @ out[units]
            continue
        found, off = _steps(read[:, units], out[units], tolerance)
        total, noise = total + found, max(noise, off)
    return total, noise


def directions(read: np.ndarray, tolerance: float) -> list[Int[np.ndarray, " unit"]]:
    """Group units whose readings are lines of one another.

    >>> [g.tolist() for g in directions(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [2.0, -1.0, 1.0]]), 1e-3)]
    [[0, 1], [2]]
    """
    moved = read - read.mean(0)
    size = np.linalg.norm(moved, axis=0)
    left = np.argsort(-size, kind="stable")
    unit = moved / np.maximum(size, 1e-300)
    groups = []
    while len(left):
        along = np.abs(unit[:, left[0]] @ unit[:, left])
        near = np.sqrt(np.maximum(0.0, 1.0 - along**2)) <= ALONG * tolerance
        near[0] = True
        groups.append(np.sort(left[near]))
        left = left[~near]
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Rectified lines of a coordinate: ``rise[u]`` is added per step beyond ``knot[u]``, upwards or downwards."""

    knot: Float[np.ndarray, " unit"]
    up: np.ndarray
    rise: Float[np.ndarray, "unit d_model"]


def _steps(read: np.ndarray, out: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
    """What units along one direction write: steps where two of them make one, else lines that begin at levels."""
    c = coordinate(read, tolerance)
    if len(c.levels) < 2:
        return np.maximum(read, 0.0) @ out, c.noise
    levels, lines = c.levels, _lines(read, c.levels[c.where], out)
    total = np.zeros((len(levels), out.shape[1]))
    alone = []
    for up in (True, False):
        pairs, single = _paired(np.flatnonzero(lines.up == up), lines, levels, tolerance)
        alone += single
        for pair in pairs:
            middle = float(lines.knot[pair].mean())
            height = (lines.rise[pair[0]] - lines.rise[pair[1]]) / 2 * (1 if up else -1)
            ramp = _ramp(np.sort(lines.knot[pair]), levels, c.grid, tolerance)
            total[levels > middle if up else levels < middle] += height * ramp
    for u in alone:
        knot = _at_level(float(lines.knot[u]), levels)
        far = levels - knot if lines.up[u] else knot - levels
        total += np.maximum(far, 0.0)[:, None] * lines.rise[u]
    return total[c.where], c.noise


def _lines(read: np.ndarray, s: np.ndarray, out: np.ndarray) -> Lines:
    """Fit a line of the coordinate to what each unit reads."""
    moved = s - s.mean()
    slope = moved @ read / (moved @ moved)
    knot = s.mean() - read.mean(0) / slope
    return Lines(knot, slope > 0, out * np.abs(slope)[:, None])


def _paired(
    some: np.ndarray, lines: Lines, levels: np.ndarray, tolerance: float
) -> tuple[list[np.ndarray], list[int]]:
    """Pair each line with the next that ends its rise; what is left stands alone."""
    left = some[np.argsort(lines.knot[some])].tolist()
    pairs, alone = [], []
    while left:
        u = left.pop(0)
        for v in left:
            size = float(np.linalg.norm(lines.rise[[u, v]], axis=1).max())
            if float(np.linalg.norm(lines.rise[u] + lines.rise[v])) <= OPPOSITE * size:
                apart = float(lines.knot[v] - lines.knot[u])
                low, high = _around(float(lines.knot[[u, v]].mean()), levels)
                if apart <= max(WITHIN * (high - low), 2 * tolerance):
                    pairs.append(np.array([u, v]))
                    left.remove(v)
                    break
        else:
            alone.append(u)
    return pairs, alone


def _around(s: float, levels: np.ndarray) -> tuple[float, float]:
    """The levels on both sides."""
    g = int(np.clip(np.searchsorted(levels, s), 1, len(levels) - 1))
    return float(levels[g - 1]), float(levels[g])


def _at_level(knot: float, levels: np.ndarray) -> float:
    """A knot, or the level that it is at."""
    low, high = _around(knot, levels)
    near = low if knot - low < high - knot else high
    return near if abs(knot - near) <= INSIDE * (high - low) else knot


def _ramp(knots: np.ndarray, levels: np.ndarray, grid: int, tolerance: float) -> float:
    """How long the ramp of a step is.

    Compilers leave half of the gap between two levels for it; cells that no input meets may lie between, or be missing.
    """
    first, last = map(float, knots)
    if grid:
        return max(1, round(2 * (last - first) * grid)) / (2 * grid)
    g = int(np.clip(np.searchsorted(levels, (first + last) / 2), 1, len(levels) - 1))
    for more in range(SPAN):
        for i in range(max(0, g - 1 - more), g):
            j = i + 1 + more
            if g <= j < len(levels):
                gap = float(levels[j] - levels[i])
                off = max(abs(first - levels[i] - gap / 4), abs(levels[j] - gap / 4 - last))
                if off <= max(QUARTER * gap, min(tolerance, gap / 4)):
                    return gap / 2
    return last - first


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """What units along one direction read, on average: the level of each cell, and the levels, ascending from 0 to 1.

    ``grid`` is how many steps of a grid they lie on, 0 where that is none; then each cell is a level: what should be one
    level is a little apart, and no step lies there. ``noise`` is how far from it units are, as a share of how far they go.
    """

    where: Int[np.ndarray, " cell"]
    levels: Float[np.ndarray, " level"]
    grid: int
    noise: float


def coordinate(read: Float[np.ndarray, "cell unit"], tolerance: float) -> Coordinate:
    """Return the coordinate of units along one direction.

    >>> found = coordinate(np.array([[0.0, 8.0], [1.0, 6.0], [4.0, 0.0]]), 1e-2)
    >>> found.levels.tolist(), found.grid
    ([0.0, 0.25, 1.0], 4)
    """
    moved = read - read.mean(0)
    unit = moved / np.linalg.norm(moved, axis=0)
    unit = unit * np.sign(unit[:, :1].T @ unit)
    s = unit.mean(1)
    noise = float(np.abs(unit - s[:, None]).max() / np.ptp(s))
    s = (s - s.min()) / np.ptp(s)
    for q in range(1, LONGEST + 1):
        near = s * q
        whole = np.round(near)
        off = float(np.abs(near - whole).max())
        if off <= GRID:
            levels, where = np.unique(whole, return_inverse=True)
            if q * (2 * off) ** (len(levels) - 2) <= CHANCE or off <= tolerance * 1e-3:
                return Coordinate(where, levels / q, q, noise)
    levels, where = np.unique(s, return_inverse=True)
    return Coordinate(where, levels, 0, noise)
