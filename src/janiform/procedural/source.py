"""Where rows come from: a task that makes them, or text that is cut into them. Row i is the same whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from janiform.tasks.procedural import Procedure, Rows, Split, rows


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
    """The rows of a task.

    >>> from janiform.tasks.procedural import read
    >>> Made(read("set(symbols=9, longest=5)")).rows(40, 41).tokens.tolist()
    [[1, 1, 3, 6, 4, 9, 1, 3, 6, 4, 10]]
    """

    task: Procedure

    @property
    def d_vocab(self) -> int:
        return self.task.d_vocab

    @property
    def width(self) -> int:
        return self.task.width

    def rows(self, start: int, stop: int, *, seed: int = 0, split: Split = "train") -> Rows:
        return rows(self.task, start, stop, seed=seed, split=split)
