"""Brackets of k kinds: nested (k-Dyck), or each kind balanced for itself (k-Dyck shuffle); every next token is a target.

Ids 0 .. k-1 open, k .. 2k-1 close, 2k is PAD. A row of k-Dyck is balanced at its very end: it opens where nothing is open, else
with probability ``p_open`` while what is open can still be closed in time. A row of the shuffle closes a uniformly random kind
among those that are open, and is cut at its length (Jiang et al. 2026; Hu et al. 2025, arXiv 2502.19249).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Draws, Ids, Words, draws, threshold
from janiform.tasks.procedural.loops import WHOLE, compiled
from janiform.tasks.procedural.rows import BLOCK, Procedure

MOST_KINDS = 2**14
MANY = 1024


@dataclass(frozen=True, slots=True)
class Dyck(Procedure):
    """Nested brackets, at most ``deepest`` of them open at a time where that is given.

    >>> tokens = np.empty((1, 8), np.uint16)
    >>> Dyck(kinds=3, length=8).fill(np.array([3], np.uint64), tokens), tokens.tolist()
    ((1, 8), [[0, 2, 1, 4, 1, 4, 5, 3]])
    """

    kinds: int = 64
    length: int = 2048
    p_open: float = 0.49
    deepest: int | None = None

    def __post_init__(self) -> None:
        _check(self.kinds, self.length, self.p_open, self.deepest)
        if self.length % 2:
            raise InputError(f"balanced words have even lengths, not {self.length}")

    @property
    def d_vocab(self) -> int:
        return 2 * self.kinds + 1

    @property
    def width(self) -> int:
        return self.length

    @property
    def block(self) -> int:
        return _block(self.length, "nest")

    def fill(self, keys: Words, tokens: Ids) -> tuple[int, int]:
        loop = compiled("nest") or nest_by_column
        loop(
            draws(keys, self.length),
            self.kinds,
            threshold(self.p_open),
            self.length if self.deepest is None else self.deepest,
            tokens,
        )
        return 1, self.length


@dataclass(frozen=True, slots=True)
class ShuffleDyck(Procedure):
    """Brackets that may cross, at most ``deepest`` of them open at a time.

    >>> tokens = np.empty((1, 8), np.uint16)
    >>> ShuffleDyck(kinds=3, length=8).fill(np.array([4], np.uint64), tokens), tokens.tolist()
    ((1, 8), [[1, 1, 4, 2, 1, 2, 5, 1]])
    """

    kinds: int = 64
    length: int = 2048
    p_open: float = 0.5
    deepest: int = 16

    def __post_init__(self) -> None:
        _check(self.kinds, self.length, self.p_open, self.deepest)

    @property
    def d_vocab(self) -> int:
        return 2 * self.kinds + 1

    @property
    def width(self) -> int:
        return self.length

    @property
    def block(self) -> int:
        return _block(self.length, "interleave")

    def fill(self, keys: Words, tokens: Ids) -> tuple[int, int]:
        loop = compiled("interleave") or interleave_by_column
        loop(draws(keys, self.length), self.kinds, threshold(self.p_open), self.deepest, tokens)
        return 1, self.length


def _block(length: int, loop: str) -> int:
    """Return how many rows to make at a time: column by column it pays to have many."""
    return max(BLOCK // length, 1 if compiled(loop) else MANY)


def _check(kinds: int, length: int, p_open: float, deepest: int | None) -> None:
    if not 1 <= kinds <= MOST_KINDS:
        raise InputError(f"there are 1 to {MOST_KINDS} kinds of brackets, got {kinds}")
    if length < 2:
        raise InputError(f"a row has at least 2 brackets, got length {length}")
    if not 0 < p_open < 1:
        raise InputError(f"p_open is a probability between 0 and 1, got {p_open}")
    if deepest is not None and deepest < 1:
        raise InputError(f"at least 1 bracket can be open at a time, got deepest {deepest}")


def nest_by_column(drawn: Draws, kinds: int, bound: int, deepest: int, tokens: Ids) -> None:
    """Do as ``loops.nest``, a token of every row at a time."""
    batch, length = drawn.shape
    stack = np.zeros((batch, length // 2 + 2), np.uint16)
    cells, first, depth = stack.reshape(-1), np.arange(batch) * stack.shape[1], np.zeros(batch, np.int64)
    scale = WHOLE / bound
    for t in range(length):
        u = drawn[:, t]
        opens = (depth == 0) | ((depth < min(length - t - 1, deepest)) & (u < bound))
        which = (u * np.where(depth == 0, 1.0, scale)).astype(np.int64) * kinds >> 32
        kind = np.where(opens, which, 0).astype(np.uint16)
        tokens[:, t] = np.where(opens, kind, cells[first + np.maximum(depth - 1, 0)] + kinds)
        cells[first + depth] = kind
        depth += np.where(opens, 1, -1)


def interleave_by_column(drawn: Draws, kinds: int, bound: int, deepest: int, tokens: Ids) -> None:
    """Do as ``loops.interleave``, a token of every row at a time."""
    batch = len(drawn)
    live, count = np.zeros((batch, kinds + 1), np.int64), np.zeros((batch, kinds), np.int64)
    row, depth, alive = np.arange(batch), np.zeros(batch, np.int64), np.zeros(batch, np.int64)
    scale, rest = WHOLE / bound, WHOLE / (WHOLE - bound)
    for t in range(drawn.shape[1]):
        u = drawn[:, t].astype(np.int64)
        opens = (depth == 0) | ((depth < deepest) & (u < bound))
        opened = (u * np.where(depth == 0, 1.0, scale)).astype(np.int64) * kinds >> 32
        closed = np.where(depth == deepest, u * 1.0, (u - bound) * rest).astype(np.int64) * alive >> 32
        at = np.where(opens, alive, closed)
        kind = np.where(opens, opened, live[row, at])
        tokens[:, t] = np.where(opens, kind, kind + kinds)
        change = np.where(opens, 1, -1)
        depth += change
        count[row, kind] += change
        gone = ~opens & (count[row, kind] == 0)
        live[row, at] = np.where(gone, live[row, alive - 1], kind)
        alive += np.where(opens, count[row, kind] == 1, -gone.astype(np.int64))
