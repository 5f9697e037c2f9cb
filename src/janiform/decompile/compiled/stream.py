"""The residual stream as a sum of writers: fields of sources, and means whose sources depend on how they are read.

A head that averages vectors writes a mean vector; what is a variable there is decided by its readers, because only along the
directions that are read do numbers exist. Along each such direction the values are brought to whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.fields import Field, alike, nested, tidy, together
from janiform.decompile.compiled.joins import Averaged, join_counts
from janiform.decompile.compiled.levels import NOISY
from janiform.decompile.compiled.numbers import wholes
from janiform.ir.canonical.attend import attend
from janiform.ir.canonical.mechanism import Grid, Selection, Source, View
from janiform.ir.functions import canonical
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient


@dataclass(eq=False, slots=True)
class Average:
    """A head that writes the mean of ``vectors[value]`` over what it selects, ``default`` where that is nothing."""

    selection: Selection
    value: Quotient
    vectors: Float[np.ndarray, "class d_model"]
    default: Float[np.ndarray, " d_model"]
    grid: Grid
    tolerance: float
    averaged: dict[Source, Averaged]
    known: dict[tuple[Value, ...], View] = field(default_factory=dict)

    def rows(self, matrix: np.ndarray) -> Float[np.ndarray, "class column"]:
        """Return what a reader gets of each vector, and of the default, beyond what it gets in any case."""
        return (np.concatenate([self.vectors, self.default[None]]) - self.vectors[0]) @ matrix

    def read(self, matrix: np.ndarray, floor: np.ndarray) -> list[Field]:
        """Return what a reader of several coordinates gets: a field for each direction that it tells apart.

        What a coordinate gets of no more than ``floor`` is rounding.
        """
        rows = self.rows(matrix)
        rows = np.where(np.abs(rows).max(0) > floor, rows, 0.0)
        scale = np.abs(rows).max(initial=0.0)
        if not scale:
            return []
        fields = []
        for columns in self.directions(rows, self.tolerance * scale):
            found = self.along(rows[:, columns])
            if found is not None:
                wide = np.zeros((*found.table.shape[:-1], matrix.shape[1]))
                wide[..., columns] = found.table
                fields.append(Field(found.keys, found.maps, wide))
        return fields

    def base(self, matrix: np.ndarray) -> np.ndarray:
        """What is read whatever is selected."""
        return self.vectors[0] @ matrix

    def directions(self, rows: np.ndarray, tolerance: float) -> list[np.ndarray]:
        """Group columns that are multiples of one another."""
        size = np.abs(rows).max(0)
        moving = np.flatnonzero(size > tolerance)
        if not len(moving):
            return []
        unit = rows[:, moving] / size[moving]
        lead = np.abs(unit).argmax(0)
        unit = unit * np.sign(unit[lead, np.arange(len(moving))])
        which = alike(unit.T, max(1e-3, 3 * self.tolerance))
        return [moving[which == i] for i in range(int(which.max()) + 1)]

    def along(self, rows: np.ndarray) -> Field | None:
        """Return the field along one direction; the last row is the default's."""
        strongest = int(np.abs(rows).max(0).argmax())
        g = rows[:-1, strongest]
        low, top, offered = float(g.min()), float(g.max()), float(rows[-1, strongest])
        if top - low <= self.tolerance * max(abs(top), abs(low), abs(offered)):
            view = self.view((0,) * len(g), 1)
            return Field.of(view.function, np.array([float(v) * rows[-1] for v in view.values]))  # type: ignore[arg-type]
        numbers = wholes((g - low) / (top - low), self.tolerance)
        unit = (top - low) / max(numbers)
        view = self.view(tuple(numbers), self.offered((offered - low) / unit))
        start = rows[int(g.argmin())]
        slope = (rows[:-1] - start).T @ (g - low) / ((g - low) @ (g - low)) * unit
        return Field.of(view.function, np.array([start + float(v) * slope for v in view.values]))  # type: ignore[arg-type]

    def offered(self, at: float) -> Value:
        """The default as a number of the same scale, one with a small denominator where it is that near."""
        near = round(at * 60) / 60
        return canonical(near if abs(at - near) < 1e-3 + 10 * self.tolerance * abs(at) else at)

    def view(self, numbers: tuple[Value, ...], default: Value) -> View:
        """Return the mean of numbers as a function of sources."""
        key = (*numbers, default)
        if key not in self.known:
            view = attend(self.selection, self.value, numbers, default, "mean", self.grid)
            self.known[key] = view
            for s in view.function.keys:
                self.averaged[s] = Averaged(self.selection, self.value, numbers)
        return self.known[key]

    def with_holes(self, source: Source) -> tuple[View, float] | None:
        """The mean in which the lowest value is undefined, where all others lie so far above it that they can be told.

        Also returns the number that only means without it reach.
        """
        plain = next(
            (k for k, v in self.known.items() if v.function.keys == (source,) and None not in k), None
        )
        if plain is None:
            return None
        *numbers, default = plain
        others = [float(x) for x in numbers if x != 0]  # type: ignore[arg-type]
        if (
            0 not in numbers
            or not others
            or min(others) <= self.grid.max_len * (max(others) - min(others) + 1)
        ):
            return None
        n = self.grid.max_len
        named = tuple(None if x == 0 else x for x in numbers)
        view = self.view(named, None if default == 0 else default)
        return view, min(others) * (1 - 0.5 / n) if n > 1 else min(others)


@dataclass(eq=False, slots=True)
class Stream:
    """What stands in the residual stream at a position, and at BOS.

    ``lenient`` takes a head that averages one of several vectors, apart in as many directions, for a head that copies: that its
    keys always hold one value is then nothing that was read, and stands to be compared. ``unsure`` are directions in which BOS is not known; fields and averages from ``last`` on are the last component's.
    ``tokens`` is how many there are. ``noise`` is the largest share that was taken for noise.
    """

    constant: Float[np.ndarray, " d_model"]
    bos: Float[np.ndarray, " d_model"]
    tolerance: float
    grid: Grid
    fields: list[Field] = field(default_factory=list)
    averaged: dict[Source, Averaged] = field(default_factory=dict)
    averages: list[Average] = field(default_factory=list)
    placed: list[Quotient] = field(default_factory=list)
    unsure: list[np.ndarray] = field(default_factory=list)
    last: tuple[int, int] = (0, 0)
    lenient: bool = False
    tokens: int = 0
    noise: float = 0.0

    def read(self, matrix: np.ndarray, bias: np.ndarray | float = 0.0) -> tuple[list[Field], np.ndarray]:
        """Return what a reader gets as fields whose sum it is, and what it gets in any case."""
        constant = self.constant @ matrix + bias
        parts = [f.read(matrix) for f in self.fields]
        sizes = [f.table for f in parts] + [a.rows(matrix) for a in self.averages]
        floor = self.tolerance * max((float(np.abs(t).max(initial=0.0)) for t in sizes), default=0.0)
        for a in self.averages:
            parts += a.read(matrix, np.full(matrix.shape[1], floor))
            constant = constant + a.base(matrix)
        parts = together(parts)
        size = self.tolerance * max((float(np.abs(f.table).max(initial=0.0)) for f in parts), default=0.0)
        joined = join_counts([tidy(f, size) for f in parts], self.placed, self.grid, self.tolerance)
        kept = []
        for f in nested(joined):
            f = tidy(f, size)
            if f.keys:
                kept.append(f)
            else:
                constant = constant + f.table
        return kept, constant

    def at_bos(self, matrix: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
        """Return what a reader gets at BOS; CannotDecompile where that is not known."""
        for u in self.unsure:
            seen = float(np.abs(u @ matrix).max(initial=0.0))
            if seen > self.tolerance * float(np.abs(u).max() * np.abs(matrix).max()):
                raise CannotDecompile("something is read at BOS that depends on the input", seen)
        return self.bos @ matrix + bias

    @property
    def noisy(self) -> bool:
        """Whether more than rounding is taken for noise."""
        return self.tolerance >= NOISY

    @property
    def size(self) -> tuple[int, int]:
        """How many fields and averages there are."""
        return len(self.fields), len(self.averages)

    def write(self, found: Field, at_bos: np.ndarray) -> None:
        """Add what a component writes."""
        self.bos = self.bos + at_bos
        if found.keys:
            self.fields.append(found)
        else:
            self.constant = self.constant + found.table
