"""Where rows come from: a task that makes them, or text that is cut into them. Row i is the same whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from janiform.errors import InputError
from janiform.tasks.procedural import (
    Mixture,
    NGram,
    Procedure,
    Rows,
    Shuffled,
    Split,
    Transduction,
    rows,
    write,
)
from janiform.tasks.procedural.draws import row_keys, stream


class Source(Protocol):
    """Rows of ``width`` tokens, ids below ``d_vocab``, by number."""

    @property
    def d_vocab(self) -> int: ...

    @property
    def width(self) -> int: ...

    def rows(self, start: int, stop: int, *, seed: int = 0, split: Split = "train") -> Rows:
        """Return the rows from number ``start`` to before ``stop``."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """The rows of a task; of those that are trained on, each ``alike`` in a row are of one length, where that is above 1.

    >>> from janiform.tasks.procedural import read
    >>> task = read("set(symbols=9, longest=5, shortest=2)")
    >>> Made(task).rows(40, 41).tokens.tolist()
    [[7, 7, 8, 1, 9, 7, 8, 1, 10, 10, 10]]
    >>> Made(task, alike=3).rows(0, 9).begin.tolist()
    [4, 4, 4, 6, 6, 6, 3, 3, 3]
    """

    task: Procedure
    alike: int = 1

    def __post_init__(self) -> None:
        if self.alike > 1:
            lengths(self.task)

    @property
    def d_vocab(self) -> int:
        return self.task.d_vocab

    @property
    def width(self) -> int:
        return self.task.width

    def rows(self, start: int, stop: int, *, seed: int = 0, split: Split = "train") -> Rows:
        if self.alike < 2 or split == "validation" or start == stop:
            return rows(self.task, start, stop, seed=seed, split=split)
        least, longest = lengths(self.task)
        groups = np.arange(start // self.alike, -(-stop // self.alike), dtype=np.uint64)
        drawn = row_keys(stream(write(self.task), seed, "lengths"), groups) % np.uint64(longest - least + 1)
        each = np.repeat(drawn + np.uint64(least), self.alike)[start % self.alike :][: stop - start]
        tokens = np.full((stop - start, self.width), self.task.pad, np.uint16)
        begin, end = np.empty((2, stop - start), np.int32)
        for length in np.unique(each).tolist():
            # All rows between the first and the last are made: at one stroke that takes less time than those wanted, piece by piece.
            mine = np.flatnonzero(each == length)
            first = int(mine[0])
            made = rows(
                of_length(self.task, length), start + first, start + int(mine[-1]) + 1, seed=seed, split=split
            )
            tokens[mine, : made.tokens.shape[1]] = made.tokens[mine - first]
            begin[mine], end[mine] = made.begin[mine - first], made.end[mine - first]
        return Rows(tokens, begin, end)


def lengths(task: Procedure) -> tuple[int, int]:
    """Return the least and the greatest length of a task's inputs; ``InputError`` where it has none to choose from."""
    match task:
        case Transduction() if task.least < task.longest:
            return task.least, task.longest
        case Shuffled(inner) | NGram(inner):
            return lengths(inner)
        case Mixture(tasks) if len({lengths(part) for part in tasks}) == 1:
            return lengths(tasks[0])
    raise InputError(
        f"rows can be of one length where lengths differ, as in set(longest=12, shortest=2); got {write(task)}"
    )


def of_length(task: Procedure, length: int) -> Procedure:
    """Return a task whose inputs all have one length."""
    match task:
        case Transduction():
            return replace(task, longest=length, shortest=None)
        case Shuffled(inner) | NGram(inner):
            return replace(task, task=of_length(inner, length))
        case Mixture(tasks):
            return replace(task, tasks=tuple(of_length(part, length) for part in tasks))
    raise AssertionError(task)
