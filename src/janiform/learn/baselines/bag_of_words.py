"""Classify a sequence by which tokens it has: multinomial logistic regression, blind to their order.

The penalty, and whether repeated tokens count, are chosen on the validation part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from janiform.errors import InputError
from janiform.learn.baselines.scores import class_accuracy
from janiform.tasks.examples import Data

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Inverse penalties to choose from."""


@dataclass(frozen=True, slots=True, eq=False)
class BagOfWords:
    """A fitted classifier; ``counts`` says whether a repeated token counts repeatedly."""

    model: Any
    size: int
    counts: bool
    strength: float

    def predict(self, x: Int[np.ndarray, "n max_len"]) -> Int[np.ndarray, " n"]:
        """Return a class code for every sequence."""
        return self.model.predict(_bags(x, self.size, self.counts))


def bag_of_words(data: Data, *, strengths: tuple[float, ...] = STRENGTHS) -> BagOfWords:
    """Fit on the training part for each strength; return what is best on the validation part."""
    if not data.pooled:
        raise InputError(f"{data.name} asks a label for each token; a bag of words has one. Use unigram")
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise InputError("a bag of words needs scikit-learn: install the extra janiform[text]") from None
    size, best = len(data.signature.vocab), None
    for counts in (False, True):
        train, validation = (_bags(part.x, size, counts) for part in (data.train, data.validation))
        for strength in strengths:
            model = LogisticRegression(C=strength, max_iter=1000).fit(train, data.train.y)
            score = class_accuracy(data.validation.y, model.predict(validation))
            if best is None or score > best[0]:
                best = score, BagOfWords(model, size, counts, strength)
    if best is None:
        raise InputError("there is no strength to choose from")
    return best[1]


def _bags(x: Int[np.ndarray, "n max_len"], size: int, counts: bool) -> Any:
    """Return a sparse matrix of sequences by tokens."""
    from scipy.sparse import csr_matrix

    rows, columns = np.nonzero(x >= 0)
    bags = csr_matrix((np.ones(len(rows)), (rows, x[rows, columns])), shape=(len(x), size))
    bags.sum_duplicates()
    if not counts:
        bags.data[:] = 1
    return bags
