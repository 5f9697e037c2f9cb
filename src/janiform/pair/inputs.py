"""The inputs of a signature: all of them where they can be listed, otherwise a draw that looks into the corners.

Inputs are numbered tokens in arrays of one length each. The empty input has no output and is left out of counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from janiform.ir.semantics import Signature


def count(signature: Signature) -> int:
    """Return how many inputs there are.

    >>> count(Signature("abc", 8))
    9840
    """
    return sum(len(signature.vocab) ** n for n in range(1, signature.max_len + 1))


def everything(signature: Signature, size: int) -> Iterator[Int[np.ndarray, "batch length"]]:
    """Yield every input, shortest first, at most ``size`` at a time.

    >>> [batch.tolist() for batch in everything(Signature("ab", 2), 3)]
    [[[0], [1]], [[0, 0], [0, 1], [1, 0]], [[1, 1]]]
    """
    base = len(signature.vocab)
    for length in range(1, signature.max_len + 1):
        places = base ** np.arange(length - 1, -1, -1, dtype=np.int64)
        for start in range(0, base**length, size):
            numbers = np.arange(start, min(start + size, base**length), dtype=np.int64)
            yield numbers[:, None] // places % base


def drawn(
    signature: Signature, draws: int, size: int, *, seed: int
) -> Iterator[Int[np.ndarray, "batch length"]]:
    """Yield ``draws`` inputs, shortest first, at most ``size`` at a time.

    A quarter repeats one token; the others are ascending, descending, alternating, odd only at one end, of few distinct
    tokens, or uniform. Every length has its share, the longest a tenth more.
    """
    rng, base, longest = np.random.default_rng(seed), len(signature.vocab), signature.max_len
    rows: list[np.ndarray] = []
    equal = min(draws // 4, base * longest)
    for i in (
        rng.permutation(base * longest)[:equal]
        if base * longest < 10**7
        else rng.integers(base * longest, size=equal)
    ):
        rows.append(np.full(1 + i // base, i % base))
    while len(rows) < draws:
        n = len(rows)
        length = (
            longest
            if n % 10 == 0
            else 1 + n % longest
            if n < equal + longest
            else int(rng.integers(1, longest + 1))
        )
        rows.append(_row(rng, n % 8, base, length))
    by_length: dict[int, list[np.ndarray]] = {}
    for row in rows:
        by_length.setdefault(len(row), []).append(row)
    for length in sorted(by_length):
        batch = np.stack(by_length[length]).astype(np.int64)
        for start in range(0, len(batch), size):
            yield batch[start : start + size]


def _row(rng: np.random.Generator, kind: int, base: int, length: int) -> Int[np.ndarray, " length"]:
    """Draw one input of a kind."""
    a, b = rng.integers(base, size=2)
    uniform = rng.integers(base, size=length)
    match kind:
        case 0:
            return np.sort(uniform)
        case 1:
            return np.sort(uniform)[::-1]
        case 2:
            return np.where(np.arange(length) % 2, a, b)
        case 3:
            odd = 0 if rng.integers(2) else length - 1
            return np.where(np.arange(length) == odd, a, b)
        case 4 | 5:
            few = rng.integers(base, size=rng.integers(2, 4))
            return few[rng.integers(len(few), size=length)]
        case _:
            return uniform
