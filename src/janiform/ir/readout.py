"""How a read-out is computed: scores of labels as sums over terms, and the first of the highest.

Scores are added in float64, term by term in order. Weights that are small whole numbers make every sum exact, so that the
winner is the same wherever it is computed; learned programs have such weights.
"""

from __future__ import annotations

import numpy as np

from janiform.ir.functions import identity, is_number, same
from janiform.ir.nodes import Scores, Slope, Value


def contributions(weights: Scores | Slope, values: list[Value], labels: int) -> tuple[np.ndarray, np.ndarray]:
    """What each of a term's values adds to each label, and which values have no meaning.

    >>> contributions(Scores(("a",), ((1, 2),)), ["a", "b"], 2)[0].tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    if isinstance(weights, Scores):
        rows = {identity(v): row for v, row in zip(weights.values, weights.rows, strict=True)}
        listed = [rows.get(identity(v)) or _close(weights, v) or (0.0,) * labels for v in values]
        added = np.array(listed, float).reshape(-1, labels)
        return added, np.zeros(len(values), bool)
    bad = np.array([not (is_number(v) or isinstance(v, bool)) for v in values])
    numbers = np.array([0.0 if b else float(v) for v, b in zip(values, bad, strict=True)])  # type: ignore[arg-type]
    return numbers[:, None] * np.array(weights.row, float), bad


def _close(weights: Scores, v: Value) -> tuple[int | float, ...] | None:
    """The scores beside a number that ``v`` equals up to the tolerance, as in every table."""
    if not isinstance(v, float):
        return None
    return next((row for k, row in zip(weights.values, weights.rows, strict=True) if same(k, v)), None)


def winners(terms: list[np.ndarray], bias: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    """The index of the first label with the highest score, [input, position].

    ``terms`` are [input, position, label]; ``seen`` [input, query, key], where given, says which positions to average
    over: sums are compared with as many biases, which needs no division.
    """
    total = np.zeros((1, 1, len(bias)))
    for t in terms:
        total = total + t
    if seen is None:
        return (total + bias).argmax(2)
    widths = seen.sum(2)[:, :, None]
    whole = np.broadcast_to(total, (max(len(seen), len(total)), seen.shape[2], len(bias)))
    return (seen.astype(float) @ whole + widths * bias).argmax(2)
