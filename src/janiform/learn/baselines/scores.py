"""How right predictions are: by token, by whole sequence, by class, and by entity.

Targets are integer codes, -1 where nothing is asked. Entities are scored by seqeval under strict IOB2: one counts only
where it begins with B-, and its ends and its type are all right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from janiform.errors import InputError
from janiform.ir.nodes import Value


class EntityScore(NamedTuple):
    """Precision, recall and F1 over all entities, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


def token_accuracy(y: Int[np.ndarray, "n max_len"], predicted: Int[np.ndarray, "n max_len"]) -> float:
    """Return the share of asked positions that are right.

    >>> token_accuracy(np.array([[0, 1, -1], [1, 1, 1]]), np.array([[0, 0, 0], [1, 1, 1]]))
    0.8
    """
    asked = _asked(y, predicted, 2)
    return float((y == predicted)[asked].mean())


def sequence_accuracy(y: Int[np.ndarray, "n max_len"], predicted: Int[np.ndarray, "n max_len"]) -> float:
    """Return the share of sequences that are right at every asked position.

    >>> sequence_accuracy(np.array([[0, 1, -1], [1, 1, 1]]), np.array([[0, 0, 0], [1, 1, 1]]))
    0.5
    """
    asked = _asked(y, predicted, 2)
    right = ((y == predicted) | ~asked).all(1)
    return float(right[asked.any(1)].mean())


def class_accuracy(y: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"]) -> float:
    """Return the share of sequences whose class is right.

    >>> class_accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 1, 1]))
    0.75
    """
    asked = _asked(y, predicted, 1)
    return float((y == predicted)[asked].mean())


def iob2_f1(
    labels: Sequence[Value],
    y: Int[np.ndarray, "n max_len"],
    predicted: Int[np.ndarray, "n max_len"],
    x: Int[np.ndarray, "n max_len"],
) -> EntityScore:
    """Return strict IOB2 precision, recall and F1 of tags; a sentence ends where ``x`` does.

    A token for which no tag is asked is outside every entity.
    """
    try:
        from seqeval.metrics import classification_report
        from seqeval.scheme import IOB2
    except ImportError:
        raise InputError("scoring entities needs seqeval: install the extra janiform[text]") from None
    asked = _asked(y, predicted, 2)
    tags = [_tag(label) for label in labels]
    rows = range(len(y))
    spoken = [[tags[c] if a else "O" for c, a in zip(y[i][x[i] >= 0], asked[i][x[i] >= 0])] for i in rows]
    heard = [
        [tags[c] if a else "O" for c, a in zip(predicted[i][x[i] >= 0], asked[i][x[i] >= 0])] for i in rows
    ]
    if not any(tag != "O" for row in (*spoken, *heard) for tag in row):
        return EntityScore(0.0, 0.0, 0.0)
    report = classification_report(
        spoken, heard, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    found = report["micro avg"]
    return EntityScore(float(found["precision"]), float(found["recall"]), float(found["f1-score"]))


def _asked(y: np.ndarray, predicted: np.ndarray, ndim: int) -> np.ndarray:
    """Return where an answer is due, after comparing shapes."""
    if y.ndim != ndim or predicted.shape != y.shape:
        want = "[n]" if ndim == 1 else "[n, max_len]"
        raise InputError(
            f"targets and predictions must both have shape {want}, got {list(y.shape)} and {list(predicted.shape)}"
        )
    asked = y >= 0
    if not asked.any():
        raise InputError("nothing is asked: every target is -1, or there are no sequences")
    return asked


def _tag(label: Value) -> str:
    """Return an IOB2 tag as text; refuse what is none."""
    if label == "O" or (isinstance(label, str) and label[:2] in ("B-", "I-") and len(label) > 2):
        return str(label)
    raise InputError(f"{label!r} is no IOB2 tag; tags are 'O', 'B-TYPE' and 'I-TYPE'")
