"""Diagnostics of what a warm-up taught, token by token as published: a needle in a haystack, and arithmetic.

Jiang et al. 2026 (arXiv 2601.21725) and its published code; *sorting* is ``Transduction("sort")``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Draws, Ids, Words, below, draws, words
from janiform.tasks.procedural.rows import Places, Procedure

Operation = Literal["addition", "reversed_addition", "multiplication"]
PLUS, EQUALS, PAD, SAID, STOP = 10, 11, 12, 20, 30
"""Ids of arithmetic beside the digits of a question; the digit d of an answer is SAID + d. A product has PLUS for its sign."""


@dataclass(frozen=True, slots=True)
class Haystack(Procedure):
    """Keys, each with a value behind it, then one of the keys in a guise of its own: what was its value?

    There are 1 to ``pairs`` pairs, their number uniform, their keys different. With h = symbols / 2, values are uniform on
    1 .. h - 1, the i-th key is h + i, asked for as h + pairs + i; PAD is 0. The value is the only target.

    >>> tokens = np.empty((1, 9), np.uint16)
    >>> Haystack(pairs=3, symbols=20).fill(np.array([4], np.uint64), tokens)
    (array([7], dtype=int32), array([8], dtype=int32))
    >>> tokens.tolist()
    [[10, 1, 12, 4, 11, 7, 13, 1, 0]]
    """

    pairs: int = 30
    symbols: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= 256:
            raise InputError(f"there are 1 to 256 pairs, got {self.pairs}")
        least = max(4 * self.pairs, 4)
        if not least <= self.symbols < 2**16 or self.symbols % 2:
            raise InputError(
                f"{self.pairs} keys in two guises and as many values take an even number of symbols from {least} on, "
                f"got {self.symbols}"
            )

    @property
    def d_vocab(self) -> int:
        return self.symbols

    @property
    def pad(self) -> int:
        return 0

    @property
    def width(self) -> int:
        return 2 * self.pairs + 3

    def fill(self, keys: Words, tokens: Ids) -> tuple[Places, Places]:
        half, most, row = self.symbols // 2, self.pairs, np.arange(len(keys))
        drawn = words(keys, most + (most + 3) // 2)
        # The order of random numbers is a random order: the last 8 bits say whose number it was.
        order = drawn[:, :most] & ~np.uint64(255)
        order |= np.arange(most, dtype=np.uint64)
        order.sort(axis=1)
        names = order.astype(np.uint8)
        rest = drawn[:, most:].astype("<u8").view("<u4")
        n = below(rest[:, 0], most).astype(np.int64) + 1
        asked = ((rest[:, 1].astype(np.uint64) * n.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
        tokens[:, 0 : 2 * most : 2] = names + np.uint16(half)
        tokens[:, 1 : 2 * most : 2] = below(rest[:, 2 : most + 2], half - 1) + np.uint16(1)
        answer = tokens[row, 2 * asked + 1]
        tokens *= np.arange(self.width, dtype=np.uint16) < (2 * n).astype(np.uint16)[:, None]
        tokens[row, 2 * n] = names[row, asked] + np.uint16(half + most)
        tokens[row, 2 * n + 1] = answer
        place = (2 * n + 1).astype(np.int32)
        return place, place + 1


@dataclass(frozen=True, slots=True)
class Arithmetic(Procedure):
    """Two numbers of ``digits`` digits each, none beginning with 0, and their sum or product.

    A row is ``a + b = c STOP``, all three backwards in reversed addition. As published, what is asked is told by the tokens of
    the answer: from its second digit to one token behind STOP; with ``whole`` it is the answer and STOP.

    >>> tokens = np.empty((1, 10), np.uint16)
    >>> Arithmetic("addition", digits=2).fill(np.array([4], np.uint64), tokens)
    (7, array([10], dtype=int32))
    >>> tokens.tolist()
    [[4, 2, 10, 9, 3, 11, 21, 23, 25, 30]]
    """

    operation: Operation
    digits: int = 5
    whole: bool = False

    def __post_init__(self) -> None:
        if self.operation not in get_args(Operation):
            raise InputError(
                f"the operation is one of {', '.join(get_args(Operation))}; got {self.operation!r}"
            )
        most = 9 if self.operation == "multiplication" else 18
        if not 1 <= self.digits <= most:
            raise InputError(f"numbers of {self.operation} have 1 to {most} digits, got {self.digits}")

    @property
    def d_vocab(self) -> int:
        return STOP + 1

    @property
    def pad(self) -> int:
        return PAD

    @property
    def width(self) -> int:
        return (5 if self.operation == "multiplication" else 3) * self.digits + 4

    def fill(self, keys: Words, tokens: Ids) -> tuple[int, Places]:
        n, backwards = self.digits, self.operation == "reversed_addition"
        a, b = self._numbers(draws(keys, 2 * n))
        result = a * b if self.operation == "multiplication" else a + b
        most = 2 * n if self.operation == "multiplication" else n + 1
        power = 10 ** np.arange(most)
        long = (result >= power[most - 1]).astype(np.int64)
        tokens[:, n], tokens[:, 2 * n + 1], tokens[:, 2 * n + 2 + most :] = PLUS, EQUALS, PAD
        for number, at in ((a, 0), (b, n + 1)):
            tokens[:, at : at + n] = number[:, None] // (power[:n] if backwards else power[n - 1 :: -1]) % 10
        # The answer has ``most`` digits or one less; STOP follows its last.
        place = np.arange(most + 1)
        exponent = place if backwards else (most - 2 + long)[:, None] - place
        digit = result[:, None] // 10 ** np.clip(exponent, 0, most - 1) % 10 + SAID
        end = (most - 1 + long)[:, None]
        answer = np.where(place < end, digit, np.where(place == end, STOP, PAD))
        first = 2 * n + 2
        tokens[:, first : first + most + 1] = answer
        stop = (first + end[:, 0]).astype(np.int32)
        if self.whole:
            return first, stop + 1
        return first + 1, np.minimum(stop + 2, self.width)

    def _numbers(self, drawn: Draws) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw both numbers, digit by digit."""
        n = self.digits
        value = below(drawn, 10).astype(np.int64)
        value[:, 0], value[:, n] = 1 + below(drawn[:, 0], 9), 1 + below(drawn[:, n], 9)
        power = 10 ** np.arange(n)[::-1]
        return value[:, :n] @ power, value[:, n:] @ power
