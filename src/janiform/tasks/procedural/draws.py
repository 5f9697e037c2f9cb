"""Random numbers by counter: the j-th word of row i is a hash of (stream, i, j), whatever else is drawn beside it.

A row's key is the row's output of SplitMix64 (Steele et al. 2014; finalizer: Stafford's variant 13) started at the stream; its
words are the finalizer of that key plus a constant for each place. So rows need no state, and a row is the same for any batch,
process and host. Words are split into draws of 32 bits; a draw below n has a bias under n / 2**32.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Draws = NDArray[np.uint32]
Ids = NDArray[np.uint16]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""The step of SplitMix64: 2**64 over the golden ratio, odd."""
CHUNK = 1 << 15
"""How many words are scrambled at a time: few enough for a core's cache."""


def stream(*parts: object) -> np.uint64:
    """Return the start of the stream that ``parts`` name: 64 bits of BLAKE2b of their text.

    >>> stream("sort", 0), stream("sort", 1)
    (np.uint64(1635477073675297493), np.uint64(8156963936425656006))
    """
    text = "\x1f".join(map(str, parts)).encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def row_keys(start: np.uint64, numbers: Words) -> Words:
    """Return the key of each row of a stream by its number.

    >>> row_keys(stream("sort"), np.arange(2, dtype=np.uint64)).tolist()[1] == row_keys(
    ...     stream("sort"), np.array([1], np.uint64)).item()
    True
    """
    return finalize(numbers * GOLDEN + start)


def subkeys(keys: Words, number: int) -> Words:
    """Return keys for another purpose, as independent of ``keys`` as rows are of each other."""
    return finalize(keys ^ _constants(number + 1)[number])


def words(keys: Words, count: int) -> Words:
    """Return the first ``count`` words of each row, (rows, count)."""
    drawn = keys[:, None] + _constants(count)
    for i in range(0, drawn.size, CHUNK):
        finalize(drawn.reshape(-1)[i : i + CHUNK])
    return drawn


def draws(keys: Words, count: int) -> Draws:
    """Return the first ``count`` draws of 32 bits of each row, (rows, count).

    >>> draws(np.array([5], np.uint64), 3).tolist()
    [[578047715, 751953906, 1147402534]]
    """
    return words(keys, (count + 1) // 2).astype("<u8", copy=False).view("<u4")[:, :count]


def below(drawn: Draws, bound: int) -> Ids:
    """Turn draws into numbers from 0 to ``bound`` - 1, where ``bound`` is at most 2**16.

    >>> below(np.array([0, 2**31, 2**32 - 1], np.uint32), 10).tolist()
    [0, 5, 9]
    """
    return ((drawn.astype(np.uint64) * np.uint64(bound)) >> np.uint64(32)).astype(np.uint16)


def threshold(share: float) -> int:
    """Return the number of draws, of 2**32, that make an event of probability ``share`` happen."""
    return round(share * 2**32)


def finalize(z: Words) -> Words:
    """Scramble words in place, so that all bits of each depend on all it had."""
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def _constants(count: int) -> Words:
    """Return the constants of the first places."""
    return table(1 << max(count - 1, 0).bit_length())[:count]


@lru_cache(maxsize=32)
def table(size: int) -> Words:
    """Return ``size`` fixed random words."""
    words = finalize(np.arange(1, size + 1, dtype=np.uint64) * GOLDEN)
    words.setflags(write=False)
    return words
