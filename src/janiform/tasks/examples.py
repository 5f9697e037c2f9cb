"""Examples as arrays of codes: what a learner reads.

Inputs are codes into the vocabulary of a signature, one row an input, -1 past its end. Targets are codes into the
labels, -1 at the positions where nothing is asked; data that is *pooled* asks for one label an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.ir.functions import identity
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature

Codes = NDArray[np.integer[Any]]

UNKNOWN = "<unk>"


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs ``x`` of shape (n, max_len) with their targets ``y``, (n, max_len) or, where pooled, (n,).

    >>> e = Examples(np.array([[0, 1], [1, -1], [0, 1]]), np.array([[1, 1], [0, -1], [1, 1]]))
    >>> len(e), e.take([1]).x.tolist(), len(e.distinct())
    (3, [[1, -1]], 2)
    """

    x: Codes
    y: Codes

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.shape not in (self.x.shape, self.x.shape[:1]):
            raise InputError(
                f"inputs of shape {self.x.shape} need targets of that shape, or one an input; got {self.y.shape}"
            )

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Sequence[int] | slice | NDArray[Any]) -> Examples:
        """Return the examples at ``rows``, in that order.

        >>> Examples(np.array([[0], [1]]), np.array([5, 6])).take([1, 0]).y.tolist()
        [6, 5]
        """
        return Examples(self.x[rows], self.y[rows])

    def distinct(self) -> Examples:
        """Return each input once, where it first occurs.

        >>> Examples(np.array([[3], [1], [3]]), np.array([0, 1, 0])).distinct().x.tolist()
        [[3], [1]]
        """
        first = np.unique(self.x, axis=0, return_index=True)[1]
        return self.take(np.sort(first))


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What to learn from: three sets of examples and the meaning of their codes.

    Codes of ``x`` point into ``signature.vocab``, those of ``y`` into ``labels``; both are sorted. ``notices`` says
    what a reader of files left out.

    >>> none = Examples(np.zeros((0, 3), np.int16), np.zeros((0, 3), np.int16))
    >>> data = Data("copy", Signature("ab", 3), ("a", "b"), False, none, none, none)
    >>> data.encode([["b", "a"]]).tolist(), data.decode(data.encode([["b", "a"]]))
    ([[1, 0, -1]], [['b', 'a']])
    """

    name: str
    signature: Signature
    labels: tuple[Value, ...]
    pooled: bool
    train: Examples
    validation: Examples
    test: Examples
    notices: tuple[str, ...] = ()

    def encode(self, inputs: Sequence[Sequence[Value]]) -> Codes:
        """Return inputs as rows of codes; a token that is not in the vocabulary is ``'<unk>'`` where that is."""
        return encode(self.signature, inputs)

    def decode(self, x: Codes) -> list[list[Value]]:
        """Return rows of codes as inputs."""
        vocab = self.signature.vocab
        return [[vocab[c] for c in row if c >= 0] for row in x.tolist()]


def encode(signature: Signature, inputs: Sequence[Sequence[Value]]) -> Codes:
    """Return inputs as rows of codes into the vocabulary, -1 past the end of each.

    >>> encode(Signature(["a", "<unk>"], 3), [["a", "z"]]).tolist()
    [[1, 0, -1]]
    """
    code = {identity(v): i for i, v in enumerate(signature.vocab)}
    unknown = code.get(UNKNOWN)
    x = np.full((len(inputs), signature.max_len), -1, code_type(len(code)))
    for row, tokens in zip(x, inputs, strict=True):
        codes = [c for t in tokens if (c := code.get(identity(t), unknown)) is not None]
        if len(codes) < len(tokens) or len(tokens) > signature.max_len:
            signature.validate([tokens])
        row[: len(codes)] = codes
    return x


def code_type(size: int) -> type[np.int16] | type[np.int32]:
    """Return the smaller integer type that holds codes into ``size`` values and -1.

    >>> code_type(8), code_type(40_000)
    (<class 'numpy.int16'>, <class 'numpy.int32'>)
    """
    return np.int16 if size < 2**15 else np.int32
