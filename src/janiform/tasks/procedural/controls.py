"""Controls: rows with a task's statistics and without its rule; targets stand where the task has them.

A shuffled row has the tokens of a row of the task in random order. An n-gram look-alike is a chain: each token is what followed
the last n - 1 at a random one of the places where they occur in rows of the task, so all statistics of n tokens are the task's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, draws, subkeys, words
from janiform.tasks.procedural.rows import Places, Procedure, rows

SHUFFLE, CHAIN = 1, 2
"""What subkeys are for."""


@dataclass(frozen=True, slots=True)
class Shuffled(Procedure):
    """The rows of a task, each with its tokens in random order; padding stays at the end.

    >>> from janiform.tasks.procedural import Transduction
    >>> rows(Shuffled(Transduction("identity", symbols=9, longest=4)), 0, 1).tokens.tolist()
    [[8, 4, 8, 5, 5, 3, 4, 3, 9]]
    """

    task: Procedure

    @property
    def d_vocab(self) -> int:
        return self.task.d_vocab

    @property
    def pad(self) -> int:
        return self.task.pad

    @property
    def width(self) -> int:
        return self.task.width

    @property
    def block(self) -> int:
        return self.task.block

    def fill(self, keys: Words, tokens: Ids) -> tuple[Places | int, Places | int]:
        span = self.task.fill(keys, tokens)
        # Sorting random numbers puts the tokens that they carry in their last 16 bits into random order.
        carried = (words(subkeys(keys, SHUFFLE), self.width) & ~np.uint64(0xFFFF)) | tokens
        carried[tokens == self.pad] = np.uint64(2**64 - 1)
        carried.sort(axis=1)
        tokens[:] = np.where(carried == np.uint64(2**64 - 1), self.pad, carried.astype(np.uint16))
        return span


@dataclass(frozen=True, slots=True)
class NGram(Procedure):
    """Rows of a chain whose statistics of ``n`` tokens are those of ``sample`` tokens of a task.

    Rows are as long as the task's. A context that occurs at the ends of rows only is followed as a row's beginning is.

    >>> from janiform.tasks.procedural import Transduction
    >>> rows(NGram(Transduction("identity", symbols=9, longest=4)), 0, 1).tokens.tolist()
    [[4, 2, 8, 5, 7, 3, 8, 5, 2]]
    """

    task: Procedure
    n: int = 2
    sample: int = 2**20

    def __post_init__(self) -> None:
        if self.n < 1 or (self.task.d_vocab + 1) ** (self.n - 1) >= 2**63:
            raise InputError(
                f"n-grams of {self.task.d_vocab} tokens have n from 1 to "
                f"{1 + int(63 // np.log2(self.task.d_vocab + 1))}, got {self.n}"
            )
        if self.sample < self.task.width:
            raise InputError(f"the sample holds a row of {self.task.width} tokens or more, not {self.sample}")

    @property
    def d_vocab(self) -> int:
        return self.task.d_vocab

    @property
    def pad(self) -> int:
        return self.task.pad

    @property
    def width(self) -> int:
        return self.task.width

    @property
    def block(self) -> int:
        return max(self.task.block, 1024)

    def fill(self, keys: Words, tokens: Ids) -> tuple[Places | int, Places | int]:
        span = self.task.fill(keys, tokens)
        first, count, token, after = chain(self)
        state = np.zeros(len(keys), np.int64)
        drawn = draws(subkeys(keys, CHAIN), self.width)
        inside = tokens != self.pad
        for t in range(self.width):
            at = first[state] + ((drawn[:, t] * count[state]) >> np.uint64(32)).astype(np.int64)
            tokens[:, t] = np.where(inside[:, t], token[at], self.pad)
            state = after[at]
        return span


Chain = tuple[NDArray[np.int64], Words, Ids, NDArray[np.int64]]


@lru_cache(maxsize=8)
def chain(gram: NGram) -> Chain:
    """Return of each state its first occurrence and how many there are, and of each occurrence its token and the state after.

    A state is what stands before a token, at most n - 1 tokens; state 0 is a row's beginning.
    """
    tokens = rows(gram.task, 0, -(-gram.sample // gram.width)).tokens
    lengths = (tokens != gram.pad).sum(axis=1)
    numbers, context = tokens.astype(np.int64) + 1, np.zeros((len(tokens), gram.width + 1), np.int64)
    for i in range(1, min(gram.n, gram.width + 1)):
        context[:, i:] += numbers[:, : gram.width + 1 - i] * (gram.d_vocab + 1) ** (i - 1)
    place = np.arange(gram.width + 1)
    inside = place < lengths[:, None]
    known: Any = np.unique(context[inside])
    state = np.minimum(np.searchsorted(known, context), len(known) - 1)
    state[known[state] != context] = 0
    here = state[inside]
    order = np.argsort(here, kind="stable")
    count = np.bincount(here, minlength=len(known))
    after = state[:, 1:][inside[:, :-1]]
    token = tokens[inside[:, :-1]]
    return count.cumsum() - count, count.astype(np.uint64), token[order], after[order]
