"""Groups of words, each a table from word to group that can be printed: by meaning, by neighbors, by spelling, by frequency.

Words of one group share weights, so that what is learned of frequent words holds for rare ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from janiform.ir.nodes import Value

SHAPES = (
    "a+",
    "A",
    "Aa+",
    "AA+",
    "@",
    r"[^Aa@]+",
    r"(A\.)+",
    "Aa+Aa+",
    "a+-a+",
    r"@-@",
    r"@[.,]@",
    "Aa+-Aa*",
    "a+A.*",
    ".*@.*",
)
"""What a word looks like, as a pattern over its letters turned into 'A' and 'a' and its numbers into '@'."""


def clusters(
    vectors: Float[np.ndarray, "word dim"], size: int, rng: np.random.Generator, *, rounds: int = 10
) -> Int[np.ndarray, " word"]:
    """Group vectors by direction: k-means from randomly chosen words.

    >>> a = clusters(np.array([[1, 0], [2, 0.1], [0, 1], [0, 3]]), 2, np.random.default_rng(1))
    >>> bool(a[0] == a[1] != a[2] == a[3])
    True
    """
    points = np.asarray(vectors, np.float32)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    size = min(size, len(points))
    centers = points[rng.choice(len(points), size, replace=False)]
    for _ in range(rounds):
        near = _nearest(points, centers)
        order = np.argsort(near, kind="stable")
        found, first = np.unique(near[order], return_index=True)
        # A center without words moves to a random one.
        centers = points[rng.choice(len(points), size)]
        centers[found] = np.add.reduceat(points[order], first) / np.bincount(near)[found][:, None]
    return _nearest(points, centers)


def _nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return ((centers**2).sum(1) - 2 * points @ centers.T).argmin(1)


def neighbor_vectors(
    x: Int[np.ndarray, "n max_len"], words: int, rng: np.random.Generator, *, dim: int = 50
) -> Float[np.ndarray, "word dim"]:
    """Vectors for words from the frequent words left and right of them, where no others are at hand.

    Square roots of shares, projected at random; words that are used alike come close.
    """
    frequent = np.bincount(x[x >= 0], minlength=words).argsort(kind="stable")[::-1][:500]
    place = np.full(words, -1)
    place[frequent] = np.arange(len(frequent))
    ways = rng.normal(size=(2, len(frequent), dim)).astype(np.float32)
    shares = np.zeros((2, words, len(frequent)), np.float32)
    both = (x[:, :-1] >= 0) & (x[:, 1:] >= 0)
    left, right = x[:, :-1][both].astype(np.intp), x[:, 1:][both].astype(np.intp)
    for side, (of, by) in enumerate(((left, right), (right, left))):
        seen = place[by] >= 0
        np.add.at(shares[side], (of[seen], place[by[seen]]), 1)
    roots = np.sqrt(shares / np.maximum(shares.sum(2, keepdims=True), 1))
    return np.einsum("swf,sfd->wd", roots - roots.mean(1, keepdims=True), ways)


def shapes(words: Sequence[Value]) -> Int[np.ndarray, " word"]:
    """Group words by capitals, numbers and signs; 0 is for those in angle brackets, such as '<unk>'.

    >>> shapes(["<s>", "said", "Paris", "EU", "U.S.", "@", ","]).tolist()
    [0, 1, 3, 4, 7, 5, 6]
    """
    seen = [re.sub("[0-9]+", "@", re.sub("[^\\W\\d_]", _case, str(w))) for w in words]
    first = [next((i for i, p in enumerate(SHAPES, 1) if re.fullmatch(p, s)), len(SHAPES) + 1) for s in seen]
    return np.array([0 if str(w)[0] == "<" and len(str(w)) > 1 else f for w, f in zip(words, first)])


def _case(letter: re.Match[str]) -> str:
    return "A" if letter[0].isupper() else "a"


def endings(words: Sequence[Value], length: int, size: int) -> Int[np.ndarray, " word"]:
    """Group words by their last letters, the ``size - 1`` most frequent endings; 0 is for all others.

    >>> endings(["running", "eating", "cat", "ing"], 3, 2).tolist()
    [1, 1, 0, 0]
    """
    ends = [str(w)[-length:].lower() if len(str(w)) > length and str(w).isalpha() else "" for w in words]
    frequent = Counter(e for e in ends if e).most_common(size - 1)
    code = {end: i for i, (end, _) in enumerate(frequent, 1)}
    return np.array([code.get(e, 0) for e in ends])


def frequent_apart(
    counts: Int[np.ndarray, " word"], rest: Int[np.ndarray, " word"], most: int
) -> Int[np.ndarray, " word"]:
    """Give each of the ``most`` frequent words a group of its own, and leave the others in theirs.

    >>> frequent_apart(np.array([5, 1, 9, 1]), np.array([7, 7, 7, 8]), 2).tolist()
    [1, 2, 0, 3]
    """
    top = counts.argsort(kind="stable")[::-1][:most]
    apart = rest - rest.min() + len(top)
    apart[top] = np.arange(len(top))
    return np.unique(apart, return_inverse=True)[1]
