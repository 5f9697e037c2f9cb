"""The loops over time of tasks with a memory, a row after the other, in the Python that Numba compiles.

Each has a twin in NumPy, a column after the other, that gives the same rows where Numba is absent (``janiform[procedural]``
brings it). Randomness comes in as draws of 32 bits; one draw decides both whether to push and, by what is left of it, which.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

WHOLE = 2.0**-32
"""What turns a draw into a number from 0 to before 1."""
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
                at = int(drawn[b, i] * (room * (WHOLE if forced else 1.0 / bound)))
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
    any_kind, that_kind = kinds * WHOLE, kinds / bound
    for b in range(drawn.shape[0]):
        depth = 0
        for t in range(length):
            u = drawn[b, t]
            room = depth < length - t - 1 and depth < deepest
            opens = depth == 0 or (room and u < bound)
            kind = int(u * (any_kind if depth == 0 else that_kind)) if opens else 0
            top = stack[max(depth - 1, 0)]
            tokens[b, t] = kind if opens else top + kinds
            stack[depth] = kind
            depth += 1 if opens else -1


def interleave(drawn, kinds, bound, deepest, tokens):  # type: ignore[no-untyped-def]
    """Write the beginning of a word in which each kind of bracket balances for itself.

    ``live`` holds the kinds that are open, ``place`` where each of them stands there.
    """
    live, place, count = np.empty(kinds, np.int64), np.empty(kinds, np.int64), np.empty(kinds, np.int64)
    any_kind, that_kind, rest = kinds * WHOLE, kinds / bound, 1.0 / (2.0**32 - bound)
    for b in range(drawn.shape[0]):
        count[:] = 0
        depth = alive = 0
        for t in range(drawn.shape[1]):
            u = drawn[b, t]
            if depth == 0 or (depth < deepest and u < bound):
                kind = int(u * (any_kind if depth == 0 else that_kind))
                if count[kind] == 0:
                    live[alive], place[kind] = kind, alive
                    alive += 1
                count[kind] += 1
                depth += 1
                tokens[b, t] = kind
            else:
                at = int(u * (alive * WHOLE)) if depth == deepest else int((u - bound) * (alive * rest))
                kind = live[at]
                count[kind] -= 1
                if count[kind] == 0:
                    alive -= 1
                    live[at], place[live[alive]] = live[alive], at
                depth -= 1
                tokens[b, t] = kind + kinds
