"""The loops over time of tasks with a memory, a row after the other, in the Python that Numba compiles.

Each has a twin in NumPy, a column after the other, that gives the same rows where Numba is absent (``janiform[procedural]``
brings it). Randomness comes in as draws of 32 bits. One draw decides whether to open or push, by whether it is below a bound, and
which, by where it then lies: scaled to 32 bits again it picks one of n by its product with n, of which the last 32 bits are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

WHOLE = 2.0**32
"""How many draws there are."""
SIGNATURES = {
    "operate": "void(u4[:, :], i8, u4, u4, i8, u2[:, :], u2[:, :], i4[:])",
    "nest": "void(u4[:, :], i8, u4, i8, u2[:, :])",
    "interleave": "void(u4[:, :], i8, u4, i8, u2[:, :])",
}


@cache
def compiled(name: str) -> Callable[..., Any] | None:
    """Return a loop as machine code, kept on disk for the next process; ``None`` where Numba is absent."""
    try:
        import numba
    except ImportError:
        return None
    return numba.njit(SIGNATURES[name], cache=True)(globals()[name])


def operate(drawn, early, often, seldom, free, operations, answer, depths):  # type: ignore[no-untyped-def]
    """Draw operations on a stack and write down what is left of it.

    ``store`` holds every token: those that are free, then the stack from top to bottom.
    """
    n = drawn.shape[1]
    store = np.empty(free, np.uint16)
    for b in range(drawn.shape[0]):
        for token in range(free):
            store[token] = token + 1
        room = free
        for i in range(n):
            depth = free - room
            bound = often if i < early else seldom
            forced = depth <= 1
            push = forced or (i < n - 1 and drawn[b, i] < bound)
            if push and room > 0:
                at = (int(drawn[b, i] * (1.0 if forced else WHOLE / bound)) * room) >> 32
                room -= 1
                token = store[at]
                store[at] = store[room]
                store[room] = token
                operations[b, i] = token
            else:
                room += 1
                operations[b, i] = 0
        depths[b] = free - room
        for i in range(free - room):
            answer[b, i] = store[room + i]


def nest(drawn, kinds, bound, deepest, tokens):  # type: ignore[no-untyped-def]
    """Write a balanced word of nested brackets of ``kinds`` kinds as long as a row."""
    length = drawn.shape[1]
    stack = np.empty(length // 2 + 2, np.uint16)
    scale = WHOLE / bound
    for b in range(drawn.shape[0]):
        depth = 0
        for t in range(length):
            u = drawn[b, t]
            room = depth < length - t - 1 and depth < deepest
            opens = depth == 0 or (room and u < bound)
            kind = (int(u * (1.0 if depth == 0 else scale)) * kinds) >> 32 if opens else 0
            top = stack[max(depth - 1, 0)]
            tokens[b, t] = kind if opens else top + kinds
            stack[depth] = kind
            depth += 1 if opens else -1


def interleave(drawn, kinds, bound, deepest, tokens):  # type: ignore[no-untyped-def]
    """Write the beginning of a word in which each kind of bracket balances for itself.

    ``live`` holds the kinds that are open, in no order.
    """
    live, count = np.empty(kinds + 1, np.int64), np.empty(kinds, np.int64)
    scale, rest = WHOLE / bound, WHOLE / (WHOLE - bound)
    for b in range(drawn.shape[0]):
        count[:] = 0
        depth = alive = 0
        for t in range(drawn.shape[1]):
            u = drawn[b, t]
            if depth == 0 or (depth < deepest and u < bound):
                kind = (int(u * (1.0 if depth == 0 else scale)) * kinds) >> 32
                live[alive] = kind
                alive += count[kind] == 0
                count[kind] += 1
                depth += 1
                tokens[b, t] = kind
            else:
                at = (int(u * 1.0 if depth == deepest else (u - bound) * rest) * alive) >> 32
                kind = live[at]
                count[kind] -= 1
                if count[kind] == 0:
                    alive -= 1
                    live[at] = live[alive]
                depth -= 1
                tokens[b, t] = kind + kinds
