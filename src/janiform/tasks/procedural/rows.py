"""Rows of a task: a pure function of (task, seed, split, number), so streams are cut, resumed and shared as one likes.

Training and validation are apart by construction: the 64-bit hash of a row's own tokens says to which of the two it may belong,
one in 16 to validation, and a row that is drawn on the wrong side is drawn again. Hence no row of training, of whatever seed,
equals one of validation, of whatever seed; padding leaves the hash as it is, so a mixture's rows fall on the sides of its parts'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, finalize, row_keys, stream, table

Split = Literal["train", "validation"]
Places = NDArray[np.int32]

SET_ASIDE = 16
"""One in so many rows is for validation."""
ATTEMPTS = 4096
"""How often a row is drawn before the task is held to have none on its side of the split: 1 in 10**114 fail otherwise."""
BLOCK = 1 << 17
"""How many tokens are made at a time: few enough to stay in cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A batch: ``tokens`` (n, width) ids, padded at the end; of row i, tokens from ``begin[i]`` to before ``end[i]`` are
    targets, each to be told from those before it."""

    tokens: Ids
    begin: Places
    end: Places

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def asked(self) -> NDArray[np.bool_]:
        """After which tokens the next one is a target, (n, width), as in ``Sequences``."""
        after = np.arange(1, self.tokens.shape[1] + 1)
        return (after >= self.begin[:, None]) & (after < self.end[:, None])


class Procedure(ABC):
    """A task whose rows are made by rule: a frozen dataclass whose repr names everything that rows depend on."""

    __slots__ = ()

    @property
    @abstractmethod
    def d_vocab(self) -> int:
        """How many tokens there are; ids are from 0 on."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many tokens a row has, padding included."""

    @property
    def pad(self) -> int:
        """The id that fills a row behind its end."""
        return self.d_vocab - 1

    @property
    def block(self) -> int:
        """How many rows are best made at a time."""
        return max(BLOCK // self.width, 1)

    @abstractmethod
    def fill(self, keys: Words, tokens: Ids) -> tuple[Places | int, Places | int]:
        """Write the row of each key into ``tokens`` (n, width) and return where targets begin and end."""


def rows(task: Procedure, start: int, stop: int, *, seed: int = 0, split: Split = "train") -> Rows:
    """Make the rows from number ``start`` to before ``stop``.

    >>> from janiform.tasks.procedural import Transduction
    >>> some = rows(Transduction("set", symbols=9, longest=5), 40, 42)
    >>> some.tokens.tolist()
    [[1, 1, 3, 6, 4, 9, 1, 3, 6, 4, 10], [4, 3, 1, 3, 4, 9, 4, 3, 1, 10, 10]]
    >>> some.begin.tolist(), some.end.tolist()
    ([6, 6], [10, 9])

    ``InputError`` where the task has too few different rows for any to be set aside.
    """
    if not 0 <= start <= stop:
        raise InputError(f"rows are numbered from 0 on, and stop is at least start; got {start} and {stop}")
    if split not in get_args(Split):
        raise InputError(f"the split is train or validation, not {split!r}")
    made = Rows(
        np.empty((stop - start, task.width), np.uint16),
        np.empty(stop - start, np.int32),
        np.empty(stop - start, np.int32),
    )
    scratch = np.full((task.block, -(-task.width // 4) * 4), task.pad, np.uint16)
    missing = np.arange(stop - start)
    for attempt in range(ATTEMPTS):
        if not missing.size:
            return made
        source = stream(repr(task), seed, split, attempt)
        blocks = [missing[i : i + task.block] for i in range(0, len(missing), task.block)]
        missing = np.concatenate(
            [_make(task, source, start, block, split, scratch, made) for block in blocks]
        )
    raise InputError(f"{task!r} has too few different rows to set any aside for validation")


def _make(
    task: Procedure,
    source: np.uint64,
    start: int,
    places: NDArray[np.intp],
    split: Split,
    scratch: Ids,
    made: Rows,
) -> NDArray[np.intp]:
    """Make the rows that stand at ``places`` and return those of them that fell on the other side."""
    tokens = scratch[: len(places)]
    keys = row_keys(source, places.astype(np.uint64) + np.uint64(start))
    begin, end = task.fill(keys, tokens[:, : task.width])
    wrong = set_aside(tokens, task.pad) != (split == "validation")
    # Rows on the wrong side are written too, and over again when they are drawn again: a block is copied at one stroke.
    first, last = int(places[0]), int(places[-1])
    at = slice(first, last + 1) if last - first < len(places) else places
    made.tokens[at], made.begin[at], made.end[at] = tokens[:, : task.width], begin, end
    return places[wrong]


def set_aside(tokens: Ids, pad: int) -> NDArray[np.bool_]:
    """Tell of each row, (n, a multiple of 4), whether its tokens make it one for validation."""
    lanes = tokens.view(np.uint64) ^ np.uint64(pad * 0x0001000100010001)
    return finalize(np.einsum("rw,w->r", lanes, _weights(lanes.shape[1]))) < np.uint64(2**64 // SET_ASIDE)


@lru_cache(maxsize=32)
def _weights(count: int) -> Words:
    return table(count) | np.uint64(1)
