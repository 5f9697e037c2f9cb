"""What a model says where what a part holds is that of other positions, and what of this a variable foretells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

ALIKE = 0.03
"""Sources that differ in fewer places than this are of one class."""


@dataclass(frozen=True, slots=True)
class Part:
    """Heads of one layer, and all of its hidden units or none."""

    layer: int
    heads: tuple[int, ...]
    units: bool = False

    def __str__(self) -> str:
        names = [f"a{self.layer}.h{h}" for h in self.heads] + [f"m{self.layer}"] * self.units
        return " and ".join(names)


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """What is said at ``places`` [place] where what a part holds is that of each of ``sources``; places that hear nothing are left out."""

    part: Part
    sources: Int[np.ndarray, " source"]
    places: Int[np.ndarray, " place"]
    said: Int[np.ndarray, "place source"]

    def classes(self) -> Int[np.ndarray, " source"]:
        """Return which sources give the same answers wherever they are put, but for a few places."""
        if not len(self.places):
            return np.zeros(len(self.sources), np.int64)
        unique, inverse, often = np.unique(self.said, axis=1, return_inverse=True, return_counts=True)
        centers: list[int] = []
        place = np.zeros(unique.shape[1], np.int64)
        for i in np.argsort(-often, kind="stable").tolist():
            apart = [float((unique[:, i] != unique[:, c]).mean()) for c in centers]
            if apart and min(apart) < ALIKE:
                place[i] = int(np.argmin(apart))
            else:
                place[i] = len(centers)
                centers.append(i)
        return place[inverse.ravel()]

    def foretold(
        self, held: Int[np.ndarray, " where"], grid: Int[np.ndarray, " where"], most: int | None = None
    ) -> float:
        """Return the share of answers that what positions hold foretells, if exchanged where some input has it.

        ``held`` has a code for each position, ``grid`` the place of each: its input's length and index. What no input
        holds at a place need not be understood there. With ``most``, only so many places are looked at, evenly spread.
        """
        every = slice(None, None, 1 if most is None else max(1, len(self.places) // most))
        places, said = self.places[every], self.said[every]
        some = np.zeros((int(grid.max()) + 1, int(held.max()) + 1), bool)
        some[grid, held] = True
        given = held[self.sources]
        natural = some[grid[places]][:, given]
        kinds = int(said.max()) + 1
        cell = (np.arange(len(places))[:, None] * some.shape[1] + given) * kinds + said
        counts = np.bincount(cell[natural], minlength=len(places) * some.shape[1] * kinds)
        return float(counts.reshape(-1, kinds).max(1).sum() / max(1, int(natural.sum())))
