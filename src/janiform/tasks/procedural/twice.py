"""ww: a word, then the word again, with nothing between; every next token is a target (Hu et al. 2025, arXiv 2502.19249)."""

from __future__ import annotations

from dataclasses import dataclass

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, below, draws
from janiform.tasks.procedural.rows import Procedure


@dataclass(frozen=True, slots=True)
class Twice(Procedure):
    """Words that are uniform on 0 .. symbols - 1; PAD is ``symbols``.

    >>> import numpy as np
    >>> tokens = np.empty((1, 6), np.uint16)
    >>> Twice(symbols=10, length=6).fill(np.array([3], np.uint64), tokens), tokens.tolist()
    ((1, 6), [[2, 4, 3, 2, 4, 3]])
    """

    symbols: int = 128
    length: int = 2048

    def __post_init__(self) -> None:
        if not 1 <= self.symbols < 2**16:
            raise InputError(f"there are 1 to {2**16 - 1} symbols, got {self.symbols}")
        if self.length < 2 or self.length % 2:
            raise InputError(f"a word said twice has an even length from 2 on, not {self.length}")

    @property
    def d_vocab(self) -> int:
        return self.symbols + 1

    @property
    def width(self) -> int:
        return self.length

    def fill(self, keys: Words, tokens: Ids) -> tuple[int, int]:
        half = self.length // 2
        tokens[:, :half] = below(draws(keys, half), self.symbols)
        tokens[:, half:] = tokens[:, :half]
        return 1, self.length
