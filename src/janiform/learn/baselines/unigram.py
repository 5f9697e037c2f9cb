"""Tag each token with the label it most often had: what can be known without looking at any other token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from janiform.errors import InputError
from janiform.tasks.examples import UNKNOWN, Data


@dataclass(frozen=True, slots=True, eq=False)
class Unigram:
    """A table from token code to label code."""

    table: Int[np.ndarray, " vocab"]

    def predict(self, x: Int[np.ndarray, "n max_len"]) -> Int[np.ndarray, "n max_len"]:
        """Return a label code for every token, -1 past the end."""
        return np.where(x >= 0, self.table[x], -1)


def unigram(data: Data) -> Unigram:
    """Count labels by token in the training part; ties, unseen tokens and '<unk>' take the label that leads overall.

    >>> from janiform.tasks.examples import Examples
    >>> from janiform.ir.semantics import Signature
    >>> part = Examples(np.array([[0, 1, 1, -1], [1, 0, 0, 1]]), np.array([[1, 0, 1, -1], [0, 1, 0, 0]]))
    >>> data = Data("toy", Signature(["cat", "the", "zebra"], 4), ("N", "V"), False, part, part, part)
    >>> unigram(data).predict(np.array([[0, 1, 2]])).tolist()
    [[1, 0, 0]]
    """
    if data.pooled:
        raise InputError(f"{data.name} asks one label a sequence; a unigram tags tokens. Use bag_of_words")
    x, y = data.train.x, data.train.y
    asked = (x >= 0) & (y >= 0)
    vocab = data.signature.vocab
    counts = np.zeros((len(vocab), len(data.labels)), np.int64)
    np.add.at(counts, (x[asked], y[asked]), 1)
    overall = counts.sum(0)
    table = np.where(counts.any(1), _favored(counts, overall), overall.argmax())
    if UNKNOWN in vocab:
        table[vocab.index(UNKNOWN)] = overall.argmax()
    return Unigram(table)


def _favored(counts: Int[np.ndarray, "rows labels"], overall: Int[np.ndarray, " labels"]) -> np.ndarray:
    """Return each row's most frequent label; among equals the one that is more frequent overall."""
    order = np.argsort(-overall, kind="stable")
    return order[counts[:, order].argmax(1)]
