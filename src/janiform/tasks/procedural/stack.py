"""A stack: which operations are drawn, and what they leave.

Each operation pushes a token that is not on the stack, any of these alike, or pops, written 0. A push comes with probability 3/4
in the first two thirds, 1/4 after; always while at most one token is on the stack; never last, where there are more, and never
when every token is on it (Jiang et al. 2026, published code).
"""

from __future__ import annotations

import numpy as np

from janiform.tasks.procedural.draws import Draws, Ids, threshold
from janiform.tasks.procedural.loops import WHOLE, compiled
from janiform.tasks.procedural.rows import Places

OFTEN, SELDOM = threshold(0.75), threshold(0.25)


def operate(drawn: Draws, symbols: int, operations: Ids, answer: Ids, pad: int) -> Places:
    """Write the operations of each row, and the stack that they leave from top to bottom; return its depth.

    >>> operations, answer = np.empty((1, 4), np.uint16), np.empty((1, 4), np.uint16)
    >>> drawn = np.array([[0, 2**31, 2**32 - 1, 2**29]], np.uint32)
    >>> operate(drawn, 10, operations, answer, 99), operations.tolist(), answer.tolist()
    (array([2], dtype=int32), [[1, 5, 0, 2]], [[2, 1, 99, 99]])
    """
    depths = np.empty(len(drawn), np.int32)
    early = 2 * drawn.shape[1] // 3
    answer[:] = pad
    loop = compiled("operate") or by_column
    loop(drawn, early, OFTEN, SELDOM, symbols - 1, operations, answer, depths)
    return depths


def by_column(
    drawn: Draws,
    early: int,
    often: int,
    seldom: int,
    free: int,
    operations: Ids,
    answer: Ids,
    depths: Places,
) -> None:
    """Do as ``loops.operate``, an operation of every row at a time."""
    batch, n = drawn.shape
    # Behind the tokens of each row stands the padding that follows the stack's bottom.
    store = np.empty((batch, free + n), np.uint16)
    store[:, :free], store[:, free:] = np.arange(1, free + 1), answer[:, :1]
    first = np.arange(batch) * store.shape[1]
    cells = store.reshape(-1)
    room = np.full(batch, free)
    for i in range(n):
        u, bound = drawn[:, i], often if i < early else seldom
        forced = free - room <= 1
        push = (forced | (u < bound) if i < n - 1 else forced) & (room > 0)
        at = ((u * np.where(forced, 1.0, WHOLE / bound)).astype(np.int64) * room) >> 32
        top = first + np.maximum(room - 1, 0)
        at = np.where(push, first + at, top)
        pushed, other = cells[at], cells[top]
        cells[at], cells[top] = other, pushed
        operations[:, i] = np.where(push, pushed, 0)
        room += np.where(push, -1, 1)
    depths[:] = free - room
    answer[:] = cells[(first + room)[:, None] + np.arange(n)]
