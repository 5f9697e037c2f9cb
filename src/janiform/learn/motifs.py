"""Motifs: chains of units that many RASP programs share, drawn whole because no part of one gains much alone.

The counting, ordering and matching idioms of the RASP paper (Weiss et al. 2021, section 4 and appendix B), each with its
variables, sets, directions and offsets left open: a balance of two sets of tokens, a match between places that are at the
same level, a gathering by rank. A motif is a proposal among others; what it is worth is judged on data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from janiform.learn.draft import Copy, Frame, Table, Tally, Unit, size_of

SET = 12
"""The most codes of which any set may be drawn."""

PAIRS = 300
"""The largest joint domain of two variables that becomes one variable."""

TOKENS, PLACES = 0, 1
"""The variables that every draft begins with."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a motif stands on: the variables before it, by their numbers of codes (0: a number, which has none)."""

    frame: Frame
    sizes: list[int]

    def variable(self, rng: np.random.Generator) -> int:
        """A variable that has codes."""
        several = [v for v, size in enumerate(self.sizes) if size]
        return several[int(rng.integers(len(several)))]

    def value(self, rng: np.random.Generator) -> int:
        """A variable to copy: the tokens most often."""
        return TOKENS if rng.random() < 0.7 else self.variable(rng)

    def mask(self, rng: np.random.Generator) -> str:
        """A mask."""
        masks = self.frame.masks()
        return masks[int(rng.integers(len(masks)))]

    def side(self, rng: np.random.Generator) -> np.ndarray:
        """For each token side 0, side 1, or 2: neither."""
        return rng.integers(3, size=self.sizes[TOKENS])

    def default(self, value: int, code: int) -> int:
        """A code of a variable to be copied, for where there is nothing to copy."""
        return code % self.sizes[value]


@dataclass(frozen=True, slots=True)
class Balance:
    """How many more tokens of side 0 than of side 1 there are."""

    side: np.ndarray
    mask: str

    @classmethod
    def drawn(cls, on: Ground, rng: np.random.Generator) -> Balance:
        return cls(on.side(rng), on.mask(rng))

    def units(self, on: Ground) -> tuple[Unit, ...]:
        n, tokens, count = len(on.sizes), on.sizes[TOKENS], on.frame.length + 1
        more, less = (
            Tally(TOKENS, TOKENS, np.broadcast_to(self.side == s, (tokens, tokens)).copy(), self.mask)
            for s in (0, 1)
        )
        cells = np.subtract.outer(np.arange(count), np.arange(count)) + on.frame.length
        return more, less, Table(n, n + 1, cells, 2 * count - 1)


@dataclass(frozen=True, slots=True)
class Match:
    """A variable copied from the closest place of the same level: a number that is one more at tokens of side 1.

    The number is a variable or, with ``balanced``, the balance of the two sides over the places that this mask allows.
    """

    side: np.ndarray
    number: int
    balanced: str | None
    mask: str
    value: int
    default: int

    @classmethod
    def drawn(cls, on: Ground, rng: np.random.Generator) -> Match:
        balanced = on.mask(rng) if rng.random() < 0.6 else None
        rest = on.mask(rng), on.value(rng), int(rng.integers(SET))
        return cls(on.side(rng), on.variable(rng), balanced, *rest)

    def units(self, on: Ground) -> tuple[Unit, ...]:
        chain: tuple[Unit, ...] = ()
        number, size = self.number, on.sizes[self.number]
        if self.balanced is not None:
            chain = Balance(self.side, self.balanced).units(on)
            number, size = len(on.sizes) + len(chain) - 1, 2 * on.frame.length + 1
        n, cells = len(on.sizes) + len(chain), np.arange(size)[:, None] + (self.side == 1)
        level, same = Table(number, TOKENS, cells, size + 1), np.eye(size + 1, dtype=bool)
        return *chain, level, Copy(n, n, self.value, same, self.mask, on.default(self.value, self.default))


@dataclass(frozen=True, slots=True)
class Order:
    """A variable gathered by rank: from places in the order of ``by`` (the larger first, or the smaller if ``up``).

    Of places that tie, the earlier come first (the later if ``late``). Left out are places where ``zero`` is not zero, which
    may be a variable or, with a mask, the count of places that hold the same of it; and, if ``skip``, the first place. What
    is left out has the rank of the very last, which no place asks for where the first place is one of those left out.
    """

    by: int
    up: bool
    late: bool
    zero: int | None
    counted: str | None
    skip: bool
    value: int
    behind: int
    default: int

    @classmethod
    def drawn(cls, on: Ground, rng: np.random.Generator) -> Order:
        by, (up, skip) = on.variable(rng), rng.random(2) < 0.5
        zero = on.variable(rng) if rng.random() < 0.5 else None
        counted = on.mask(rng) if rng.random() < 0.5 else None
        behind = int(rng.choice((0, 1, -1), p=(0.5, 0.3, 0.2)))
        late = bool(rng.random() < 0.25)
        rest = on.value(rng), behind, int(rng.integers(SET))
        return cls(by, bool(up), late, zero, counted, bool(skip), *rest)

    def units(self, on: Ground) -> tuple[Unit, ...]:
        chain: list[Unit] = []
        kept, size, length = self.by, on.sizes[self.by], on.frame.length
        if (zero := self.zero) is not None:
            left = on.sizes[zero]
            if self.counted is not None:
                chain.append(Tally(zero, zero, np.eye(left, dtype=bool), self.counted))
                zero, left = len(on.sizes), size_of(chain[-1], on.sizes, on.frame)
            cells = np.zeros((size, left), int)
            cells[:, 0] = np.arange(1, size + 1)
            chain.append(Table(self.by, zero, cells, size + 1))
            kept, size = len(on.sizes) + len(chain) - 1, size + 1
        code = self.coded(kept, size, length)
        chain.append(code)
        n, codes = len(on.sizes) + len(chain), np.arange(code.size)
        chain.append(Tally(n - 1, n - 1, codes[None, :] >= codes[:, None], "all"))
        rank = np.arange(length + 1)[None, :] == np.arange(length)[:, None] + self.behind
        chain.append(Copy(n, PLACES, self.value, rank, "all", on.default(self.value, self.default)))
        return tuple(chain)

    def coded(self, kept: int, size: int, length: int) -> Table:
        """The larger, the earlier a place comes in the order; 0 for places that are left out, which come after all."""
        x, y = np.arange(size)[:, None], np.arange(length)[None, :]
        x = size - x if self.up else x + 1
        cells = x * length + (y if self.late else length - 1 - y)
        if self.zero is not None:
            cells[0] = 0
        if self.skip:
            cells[:, 0] = 0
        cells = np.unique(cells, return_inverse=True)[1].reshape(cells.shape)
        return Table(kept, PLACES, cells, int(cells.max()) + 1)


Motif = Balance | Match | Order


def drawn(on: Ground, rng: np.random.Generator) -> Motif | None:
    """Draw a motif; none where none fits what is learned."""
    several: list[type[Motif]] = [Balance, Match] if on.sizes[TOKENS] <= SET else []
    several += [] if on.frame.pooled else [Order]
    return several[int(rng.integers(len(several)))].drawn(on, rng) if several else None


def varied(motif: Motif, on: Ground, rng: np.random.Generator) -> Motif:
    """Draw one part of a motif again."""
    part = fields(motif)[int(rng.integers(len(fields(motif))))].name
    return replace(motif, **{part: getattr(motif.drawn(on, rng), part)})


def laid(motif: Motif, on: Ground) -> tuple[Unit, ...]:
    """The units of a motif; none where a table of it would be too large."""
    chain = motif.units(on)
    return () if any(isinstance(u, Table) and u.cells.size > 2 * PAIRS for u in chain) else chain
