"""Hidden units: how an MLP turns one coordinate into functions of its value.

There are two ways. A *step* is two rectified lines whose difference is flat on both sides of a ramp: what happens to the
coordinate near a point does not pass, but both lines grow with the distance, and with them their rounding. *Hinges*, one
unit a point, draw the straight lines between the points: half as many units, less rounding, but errors of the
coordinate pass with the slope. For each column the way with the smaller error bound is taken.

Every line can face up or down the coordinate; the side on which it stays smaller is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janiform.errors import CompileError

ROUNDINGS = 4
"""Roundings on the way of one unit: its product and sum before, its product and sum after."""

GATE = 1.25
"""How far beyond what it holds back a gate reaches when it is shut; up to the next power of two."""

STRAIGHT = 10.0
"""Beyond this, GELU is a rectifier in either format: gelu(-10) is less than 1e-22."""

BENT = 0.17
"""The most by which GELU falls short of a rectifier."""

FEW = 2
"""Up to this many steps are taken as they are."""


class Imprecise(CompileError):
    """The error bound exceeds what the program can bear at this precision."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Unit i is ``relu(slope[i] * s + offset[i])`` and adds ``out[i]``; ``base`` is added once. ``error`` bounds each column."""

    slope: np.ndarray
    offset: np.ndarray
    out: np.ndarray
    base: np.ndarray
    error: np.ndarray

    def __len__(self) -> int:
        return len(self.slope)

    @staticmethod
    def none() -> Units:
        """No units and no columns."""
        return Units(np.zeros(0), np.zeros(0), np.zeros((0, 0)), np.zeros(0), np.zeros(0))


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # points that coincide are refused below
def realize(
    name: str,
    points: np.ndarray,
    height: np.ndarray,
    noise: np.ndarray,
    unit: float,
    *,
    bent: bool = False,
) -> Units:
    """Return units for columns ``height[r, i]`` at ascending ``points[i]``, each known up to ``noise[i]``.

    With ``bent`` they are steep enough to be GELUs as well. Raises Imprecise where two points that must be told apart
    lie too close for their noise.
    """
    if height.shape[1] < 2 or not len(height):
        start = height[:, 0] if height.shape[1] else np.zeros(len(height))
        return Units(np.zeros(0), np.zeros(0), np.zeros((0, len(height))), start, unit * np.abs(start))
    points, height, noise = _apart(name, points, height, noise)
    if height.shape[1] < 2:
        return realize(name, points, height, noise, unit, bent=bent)
    step, sure = _steps(points, height, noise, unit)
    if bent:
        step = _steep(step, points, noise, unit)
    if sure.all() and len(step) <= 2 * FEW:
        return step
    hinges = _hinges(points, height, noise, unit)
    if bent:
        hinges = _steep(hinges, points, noise, unit)
    use_hinges = (hinges.error < step.error) | ~sure
    use_hinges &= hinges.error < np.where(sure, np.inf, _spread(height) / 16)
    if not (sure | use_hinges).all():
        raise _too_close(name, points, height, noise)
    if use_hinges.all():
        return _compact(hinges)
    if not use_hinges.any():
        return _compact(step)
    out = np.concatenate([np.where(use_hinges, hinges.out, 0.0), np.where(use_hinges, 0.0, step.out)])
    return _compact(
        Units(
            np.concatenate([hinges.slope, step.slope]),
            np.concatenate([hinges.offset, step.offset]),
            out,
            np.where(use_hinges, hinges.base, step.base),
            np.where(use_hinges, hinges.error, step.error),
        )
    )


def _apart(
    name: str, points: np.ndarray, height: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make one point of those at one place, where their columns agree."""
    again = np.flatnonzero(np.diff(points) == 0)
    if not again.size:
        return points, height, noise
    if (height[:, again] != height[:, again + 1]).any():
        raise Imprecise(f"{name} must tell two values apart that are one number, such as 0 and False")
    keep = np.delete(np.arange(len(points)), again)
    return points[keep], height[:, keep], noise[keep]


def _compact(u: Units) -> Units:
    """Drop units that add nothing."""
    used = u.out.any(1)
    return u if used.all() else Units(u.slope[used], u.offset[used], u.out[used], u.base, u.error)


def _steps(
    points: np.ndarray, height: np.ndarray, noise: np.ndarray, unit: float
) -> tuple[Units, np.ndarray]:
    """Steps wherever a column changes, and for which columns all gaps are wide enough for the noise."""
    change = np.diff(height, axis=1)
    at = np.flatnonzero(change.any(0))
    delta = change[:, at].T
    left, gap = points[at], points[at + 1] - points[at]
    low, high, scale = left + gap / 4, left + 3 * gap / 4, 2.0 / gap
    up = points[-1] - low <= high - points[0]
    sign = np.where(up, 1.0, -1.0)
    first, second = np.where(up, low, high), np.where(up, high, low)
    slope, offset = np.tile(sign * scale, 2), np.concatenate([-sign * scale * first, -sign * scale * second])
    out = np.concatenate([sign[:, None] * delta, -sign[:, None] * delta])
    base = height[:, 0] + delta[~up].sum(0)
    close = np.maximum(noise[at], noise[at + 1]) >= gap / 4
    sure = ~(close[:, None] & (delta != 0)).any(0)
    return Units(slope, offset, out, base, _rounding(points, slope, offset, out, base, noise, unit)), sure


def _hinges(points: np.ndarray, height: np.ndarray, noise: np.ndarray, unit: float) -> Units:
    """Straight lines between the points, bent away from a pivot: an end or the middle."""
    gaps = np.diff(points)
    lines = np.diff(height, axis=1) / gaps
    passed = np.abs(lines) @ np.zeros(len(gaps)) if not noise.any() else _passed(lines, noise)
    best: Units | None = None
    for pivot in dict.fromkeys((0, len(points) // 2, len(points) - 1)):
        right = np.diff(lines[:, pivot:], axis=1, prepend=0.0).T
        left = np.diff(-lines[:, :pivot][:, ::-1], axis=1, prepend=0.0).T
        slope = np.concatenate([np.ones(len(right)), -np.ones(len(left))])
        knots = np.concatenate(
            [points[pivot : pivot + len(right)], points[pivot : pivot - len(left) : -1] if len(left) else []]
        )
        out, offset = np.concatenate([right, left]), -slope * knots
        error = passed + _rounding(points, slope, offset, out, height[:, pivot], noise, unit)
        found = Units(slope, offset, out, height[:, pivot], error)
        if best is None or found.error.sum() < best.error.sum():
            best = found
    assert best is not None
    return best


def _passed(lines: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """What noise at each point becomes through the steeper of the lines beside it."""
    steep = np.abs(lines)
    beside = np.maximum(np.pad(steep, ((0, 0), (1, 0))), np.pad(steep, ((0, 0), (0, 1))))
    return (beside * noise).max(1)


def _steep(u: Units, points: np.ndarray, noise: np.ndarray, unit: float) -> Units:
    """Scale what enters each unit by a power of two, and what leaves it back, until a GELU does as well.

    Where no point comes near the break, all lie in the straight parts. Where one lies on it, the bend is made as small as
    the rounding of the largest value.
    """
    at = np.outer(u.slope, points) + u.offset[:, None]
    off = np.abs(u.slope[:, None]) * noise + ROUNDINGS * unit * (
        np.abs(np.outer(u.slope, points)) + np.abs(u.offset[:, None])
    )
    clear, reach = (np.abs(at) - off).min(1), (np.abs(at) + off).max(1)
    scale = np.minimum(np.where(clear > 0, power_above(STRAIGHT / clear), np.inf), steepness(reach, unit))
    bend = np.where(scale * clear >= STRAIGHT, 0.0, BENT / scale)
    return Units(
        u.slope * scale,
        u.offset * scale,
        u.out / scale[:, None],
        u.base,
        u.error + bend @ np.abs(u.out),
    )


def steepness(reach: np.ndarray | float, unit: float) -> np.ndarray:
    """Return by how much to scale what enters a GELU, at most ``reach``, so that its bend is lost in rounding."""
    return power_above(BENT / (unit * np.maximum(reach, 2.0**-40)))


def power_above(x: np.ndarray | float) -> np.ndarray:
    """Return the least power of two, from 1 up, that is not below ``x``."""
    return 2.0 ** np.ceil(np.log2(np.maximum(x, 1.0)))


def _rounding(
    points: np.ndarray,
    slope: np.ndarray,
    offset: np.ndarray,
    out: np.ndarray,
    base: np.ndarray,
    noise: np.ndarray,
    unit: float,
) -> np.ndarray:
    """Bound the rounding of a sum of units: convex in the coordinate, so largest at an end; none if all is dyadic."""
    ends = points[[0, -1]]
    size = (np.maximum(0.0, np.outer(ends, slope) + offset) @ np.abs(out)).max(0)
    error = ROUNDINGS * unit * size + 2 * unit * np.abs(base)
    if not noise.any() and all(dyadic(x, unit) for x in (points, slope, offset, base)):
        whole = np.array([dyadic(column, unit) for column in out.T], bool)
        return np.where(whole & (size < 0.01 / unit), 0.0, error)
    return error


def _spread(height: np.ndarray) -> np.ndarray:
    """The least difference between two heights of a column: what an error must stay well below."""
    ordered = np.diff(np.sort(height, axis=1), axis=1)
    return np.where(ordered > 0, ordered, np.inf).min(1)


def _too_close(name: str, points: np.ndarray, height: np.ndarray, noise: np.ndarray) -> Imprecise:
    at = np.flatnonzero(np.diff(height, axis=1).any(0))
    worst = np.maximum(noise[at], noise[at + 1])
    i = int((worst / (points[at + 1] - points[at])).argmax())
    return Imprecise(
        f"{name} must tell {points[at[i]]:.6g} from {points[at[i] + 1]:.6g}, and errs by up to {worst[i]:.2g}"
    )


def dyadic(x: np.ndarray | list[float], unit: float) -> bool:
    """Whether numbers are multiples of 1/16 small enough that sums and products of a few stay exact."""
    scaled = np.asarray(x) * 16.0
    return bool((scaled == np.round(scaled)).all() and (np.abs(scaled) < 0.01 / unit).all())
