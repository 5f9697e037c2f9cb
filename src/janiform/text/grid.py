"""A selector on one input, as a person reads it: a row a query, a column a key."""

from __future__ import annotations

import numpy as np

from janiform.ir.nodes import Value
from janiform.text.printer import literal

WIDEST = 40
"""Longer inputs are not shown."""


def grid(pattern: np.ndarray, tokens: tuple[Value, ...]) -> str:
    """A selector as 0s and 1s: a row a query, a column a key."""
    if len(tokens) > WIDEST:
        return f"({len(tokens)} x {len(tokens)}, too wide to show)"
    labels = [cell(t) for t in tokens]
    width = max(map(len, labels), default=1)
    rows = [" " * (width + 2) + " ".join(label.rjust(width) for label in labels)]
    for label, row in zip(labels, pattern, strict=True):
        rows.append(f"{label.rjust(width)} | " + " ".join(str(int(b)).rjust(width) for b in row))
    rows[0] = " " + rows[0]
    return "\n".join(rows)


def cell(value: Value) -> str:
    """A value as the margin shows it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else literal(value)
