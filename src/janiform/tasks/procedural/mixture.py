"""Mixtures: each row is of one of several tasks, drawn for it with given ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, draws, subkeys
from janiform.tasks.procedural.rows import Places, Procedure

CHOICE, PART = 3, 4
"""What subkeys are for."""


@dataclass(frozen=True, slots=True)
class Mixture(Procedure):
    """Rows of ``tasks`` in the proportion of ``ratios``: of one vocabulary, or ``apart``, each with ids of its own.

    >>> from janiform.tasks.procedural import Transduction, rows
    >>> two = Mixture((Transduction("set", 9, 4), Transduction("union", 9, 4)), (3, 1))
    >>> rows(two, 0, 3).tokens.tolist()
    [[7, 2, 9, 5, 7, 9, 7, 2, 5, 10], [4, 6, 1, 2, 9, 4, 6, 1, 2, 10], [4, 2, 9, 5, 4, 9, 4, 2, 5, 10]]
    """

    tasks: tuple[Procedure, ...]
    ratios: tuple[float, ...]
    apart: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratios", tuple(map(float, self.ratios)))  # 3 and 3.0 are one stream
        if not self.tasks or len(self.tasks) != len(self.ratios):
            raise InputError(
                f"each task has a ratio; got {len(self.tasks)} tasks and {len(self.ratios)} ratios"
            )
        if not all(0 < r < np.inf for r in self.ratios):
            raise InputError(f"ratios are positive numbers, got {self.ratios}")
        if not self.apart and len({(t.d_vocab, t.pad) for t in self.tasks}) > 1:
            raise InputError(
                "tasks that share their tokens have as many of them and one padding; got "
                + ", ".join(f"{t.d_vocab} (padding {t.pad})" for t in self.tasks)
                + "; keep their tokens apart instead"
            )
        if self.d_vocab > 2**16:
            raise InputError(f"ids are 16-bit numbers, and these tasks have {self.d_vocab} together")

    @property
    def d_vocab(self) -> int:
        return sum(t.d_vocab for t in self.tasks) + 1 if self.apart else self.tasks[0].d_vocab

    @property
    def pad(self) -> int:
        return self.d_vocab - 1 if self.apart else self.tasks[0].pad

    @property
    def width(self) -> int:
        return max(t.width for t in self.tasks)

    @property
    def block(self) -> int:
        return max(t.block for t in self.tasks) * len(self.tasks)

    def choose(self, keys: Words) -> NDArray[np.intp]:
        """Return which task the row of each key is of."""
        shares = np.cumsum(self.ratios)
        bounds = np.rint(shares[:-1] / shares[-1] * 2**32)
        return np.searchsorted(bounds, draws(subkeys(keys, CHOICE), 1)[:, 0], side="right")

    def fill(self, keys: Words, tokens: Ids) -> tuple[Places, Places]:
        begin, end = np.empty(len(keys), np.int32), np.empty(len(keys), np.int32)
        chosen, first = self.choose(keys), 0
        tokens[:] = self.pad
        for i, task in enumerate(self.tasks):
            like = np.flatnonzero(chosen == i)
            some = np.empty((len(like), task.width), np.uint16)
            begin[like], end[like] = task.fill(subkeys(keys[like], PART), some)
            if self.apart:
                some = np.where(some == task.pad, self.pad, some + first).astype(np.uint16)
                first += task.d_vocab
            tokens[like, : task.width] = some
        return begin, end
