"""The tasks of ``janiform.tasks.procedural`` as one writes them down: plain Python, a row and a token at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

Row = list[int]


def _letters(rng: random.Random, n: int) -> Row:
    return [rng.randrange(1, 100) for _ in range(n)]


def identity(rng: random.Random) -> Row:
    x = _letters(rng, 64)
    return [*x, 100, *x]


def reverse(rng: random.Random) -> Row:
    x = _letters(rng, 64)
    return [*x, 100, *x[::-1]]


def sort(rng: random.Random) -> Row:
    x = _letters(rng, 64)
    return [*x, 100, *sorted(x)]


def distinct(rng: random.Random) -> Row:
    x = _letters(rng, 64)
    y = list(dict.fromkeys(x))
    return [*x, 100, *y, *[101] * (64 - len(y))]


def union(rng: random.Random) -> Row:
    a, b = _letters(rng, 32), _letters(rng, 32)
    y = list(dict.fromkeys(a + b))
    return [*a, 100, *b, 100, *y, *[101] * (64 - len(y))]


def delete(rng: random.Random) -> Row:
    x, r = _letters(rng, 64), rng.randrange(1, 100)
    y = x.copy()
    if r in y:
        y.remove(r)
    return [*x, 100, r, 100, *y, *[101] * (64 - len(y))]


def stack(rng: random.Random) -> Row:
    operations: Row = []
    held: Row = []
    for i in range(64):
        push = rng.random() < (0.75 if i < 42 else 0.25)
        if len(held) <= 1 or (push and i < 63):
            token = rng.choice([t for t in range(1, 100) if t not in held])
            held.append(token)
            operations.append(token)
        else:
            held.pop()
            operations.append(0)
    return [*operations, 100, *held[::-1], *[101] * (64 - len(held))]


def ww(rng: random.Random) -> Row:
    w = [rng.randrange(128) for _ in range(1024)]
    return w + w


def dyck(rng: random.Random, kinds: int = 64, length: int = 2048) -> Row:
    row: Row = []
    held: Row = []
    for t in range(length):
        left = length - t
        if not held or (len(held) < left - 1 and rng.random() < 0.49):
            held.append(rng.randrange(kinds))
            row.append(held[-1])
        else:
            row.append(held.pop() + kinds)
    return row


def shuffle_dyck(rng: random.Random, kinds: int = 64, length: int = 2048) -> Row:
    row: Row = []
    count = [0] * kinds
    for _ in range(length):
        depth = sum(count)
        if depth == 0 or (depth < 16 and rng.random() < 0.5):
            kind = rng.randrange(kinds)
            count[kind] += 1
            row.append(kind)
        else:
            kind = rng.choice([k for k in range(kinds) if count[k]])
            count[kind] -= 1
            row.append(kind + kinds)
    return row


def eca(rng: random.Random) -> Row:
    state = [rng.randrange(2) for _ in range(64)]
    row: Row = []
    for _ in range(16):
        row += state
        state = [110 >> (4 * state[i - 1] + 2 * state[i] + state[(i + 1) % 64]) & 1 for i in range(64)]
    return row


def haystack(rng: random.Random) -> Row:
    n = rng.randint(1, 30)
    keys = rng.sample(range(30), n)
    values = [rng.randrange(1, 128) for _ in range(n)]
    asked = rng.randrange(n)
    row = [t for k, v in zip(keys, values) for t in (128 + k, v)] + [158 + keys[asked], values[asked]]
    return row + [0] * (63 - len(row))


def _arithmetic(rng: random.Random, digits: int, width: int, sign: int, turn: int) -> Row:
    a, b = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
    result = a * b if sign == 1 else a + b
    texts = [str(v)[::turn] for v in (a, b, result)]
    row = [int(c) for c in texts[0]] + [10] + [int(c) for c in texts[1]] + [11]
    row += [20 + int(c) for c in texts[2]] + [30]
    return row + [12] * (width - len(row))


def addition(rng: random.Random) -> Row:
    return _arithmetic(rng, 5, 19, 0, 1)


def reversed_addition(rng: random.Random) -> Row:
    return _arithmetic(rng, 10, 34, 0, -1)


def multiplication(rng: random.Random) -> Row:
    return _arithmetic(rng, 5, 29, 1, 1)


PLAIN: dict[str, Callable[[random.Random], Row]] = {
    "set": distinct,
    **{f.__name__: f for f in (identity, reverse, sort, union, delete, stack, ww, dyck, shuffle_dyck, eca)},
    **{f.__name__: f for f in (haystack, addition, reversed_addition, multiplication)},
}
