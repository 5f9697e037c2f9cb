"""Sequence to sequence: x, a separator, and what a rule makes of x; the loss is on what follows the last separator.

    identity  x SEP x                         reverse  x SEP x backwards            sort  x SEP x ascending
    set       x SEP distinct(x)               union    a SEP b SEP distinct(a b)    delete  x SEP r SEP x without its first r
    stack     operations SEP the stack, from top to bottom

The tokens of x are uniform on 1 .. symbols - 1, SEP is ``symbols`` and PAD one more; distinct tokens stand in the order of first
appearance; a and b are halves of x; r need not occur in it. Jiang et al. 2026 (arXiv 2601.21725): 100 symbols, length 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, below, draws, subkeys
from janiform.tasks.procedural.rows import BLOCK, Places, Procedure
from janiform.tasks.procedural.stack import operate

Rule = Literal["identity", "reverse", "sort", "set", "union", "delete", "stack"]
LARGEST = 2**15
"""The most symbols and the longest x, so that ids and places are 16-bit numbers."""


@dataclass(frozen=True, slots=True)
class Transduction(Procedure):
    """The task of a rule; lengths of x are uniform from ``shortest``, by default always ``longest``.

    >>> task = Transduction("delete", symbols=10, longest=6)
    >>> tokens = np.empty((1, task.width), np.uint16)
    >>> task.fill(np.array([7], np.uint64), tokens), tokens.tolist()
    ((9, array([14], dtype=int32)), [[7, 6, 2, 1, 4, 5, 10, 1, 10, 7, 6, 2, 4, 5, 11]])
    """

    rule: Rule
    symbols: int = 100
    longest: int = 64
    shortest: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise InputError(f"the rule is one of {', '.join(get_args(Rule))}; got {self.rule!r}")
        if not 2 <= self.symbols <= LARGEST:
            raise InputError(f"there are 2 to {LARGEST} symbols, got {self.symbols}")
        least = 2 if self.rule == "union" else 1
        if not least <= self.least <= self.longest <= LARGEST:
            raise InputError(
                f"{self.rule} takes lengths from {least} to {LARGEST}, got {self.least} to {self.longest}"
            )

    @property
    def least(self) -> int:
        """The length of the shortest x."""
        return self.longest if self.shortest is None else self.shortest

    @property
    def d_vocab(self) -> int:
        return self.symbols + 2

    @property
    def width(self) -> int:
        return sum(self.parts(self.longest))

    @property
    def block(self) -> int:
        lengths = self.longest - self.least + 1
        return max(BLOCK * min(lengths, 8) // self.width, 1)

    def parts(self, n: int) -> tuple[int, int]:
        """Return how many tokens there are up to the last separator of an x of length ``n``, and at most behind it."""
        match self.rule:
            case "union":
                return 2 * (n // 2) + 2, 2 * (n // 2)
            case "delete":
                return n + 3, n
            case _:
                return n + 1, n

    def fill(self, keys: Words, tokens: Ids) -> tuple[Places | int, Places | int]:
        if self.least == self.longest:
            return self._fill(keys, tokens, self.longest)
        spread = self.longest - self.least + 1
        lengths = self.least + below(draws(subkeys(keys, 0), 1)[:, 0], spread).astype(np.int64)
        begin, end = np.empty(len(keys), np.int32), np.empty(len(keys), np.int32)
        tokens[:] = self.pad
        for n in np.unique(lengths).tolist():
            like = np.flatnonzero(lengths == n)
            some = np.empty((len(like), sum(self.parts(n))), np.uint16)
            begin[like], end[like] = self._fill(keys[like], some, n)
            tokens[like, : some.shape[1]] = some
        return begin, end

    def _fill(self, keys: Words, tokens: Ids, n: int) -> tuple[int, Places | int]:
        """Fill rows whose x has length ``n`` and that are just as wide."""
        first, n = self.parts(n)
        asked, answer, drawn = tokens[:, : first - 1], tokens[:, first:], draws(keys, n + 1)
        tokens[:, first - 1] = self.symbols
        if self.rule == "stack":
            return first, first + operate(drawn[:, :n], self.symbols, asked, answer, self.pad)
        x = self._token(drawn[:, :n])
        length: Any = n
        match self.rule:
            case "identity":
                asked[:], answer[:] = x, x
            case "reverse":
                asked[:], answer[:] = x, x[:, ::-1]
            case "sort":
                asked[:], answer[:] = x, np.sort(x, axis=1)
            case "set":
                asked[:] = x
                length = distinct(x, answer, self.symbols, self.pad)
            case "union":
                asked[:, : n // 2], asked[:, n // 2], asked[:, n // 2 + 1 :] = (
                    x[:, : n // 2],
                    self.symbols,
                    x[:, n // 2 :],
                )
                length = distinct(x, answer, self.symbols, self.pad)
            case "delete":
                asked[:, :n], asked[:, n], asked[:, n + 1] = x, self.symbols, self._token(drawn[:, n])
                length = remove(x, asked[:, n + 1], answer, self.pad)
        return first, first + length

    def _token(self, drawn: Any) -> Ids:
        return below(drawn, self.symbols - 1) + np.uint16(1)


def distinct(x: Ids, answer: Ids, symbols: int, pad: int) -> Places:
    """Write each token of a row of ``x`` once, in the order of first appearance, then ``pad``; return how many there are.

    >>> answer = np.empty((1, 5), np.uint16)
    >>> distinct(np.array([[4, 2, 4, 1, 2]], np.uint16), answer, 5, 9), answer.tolist()
    (array([3], dtype=int32), [[4, 2, 1, 9, 9]])
    """
    places, kinds = (x.shape[1] - 1).bit_length(), (symbols - 1).bit_length()
    dtype: Any = np.uint16 if places + kinds < 16 else np.uint32
    # Sorted by token, then place, the first of each token comes before its like; by place, then token, it finds its place again.
    by_token = (x.astype(dtype) << places) | np.arange(x.shape[1], dtype=dtype)
    by_token.sort(axis=1)
    token = by_token >> places
    by_place = ((by_token & ((1 << places) - 1)) << kinds) | token
    by_place[:, 1:][token[:, 1:] == token[:, :-1]] = np.iinfo(dtype).max
    by_place.sort(axis=1)
    kept = by_place != np.iinfo(dtype).max
    answer[:] = np.where(kept, by_place & ((1 << kinds) - 1), pad)
    return kept.sum(axis=1, dtype=np.int32)


def remove(x: Ids, removed: Ids, answer: Ids, pad: int) -> Places:
    """Write each row of ``x`` without the first occurrence of its token ``removed``; return how many tokens are left.

    >>> answer = np.empty((2, 3), np.uint16)
    >>> left = remove(np.array([[4, 2, 4], [1, 1, 3]], np.uint16), np.array([4, 2], np.uint16), answer, 9)
    >>> left, answer.tolist()
    (array([2, 3], dtype=int32), [[2, 4, 9], [1, 1, 3]])
    """
    n = x.shape[1]
    hit = x == removed[:, None]
    found = hit.any(axis=1)
    place = np.where(found, hit.argmax(axis=1), n)
    answer[:, :-1] = np.where(np.arange(n - 1) < place[:, None], x[:, :-1], x[:, 1:])
    answer[:, -1] = np.where(found, pad, x[:, -1])
    return n - found.astype(np.int32)
