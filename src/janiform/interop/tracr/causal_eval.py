"""Evaluation in which a query sees only keys at or before it, for ``tracr.rasp.causal_eval``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from janiform.interop.tracr import rasp
from janiform.ir.nodes import Value


class CausalEvaluator(rasp.DefaultRASPEvaluator):
    """Evaluate with the future hidden from every selector."""

    def evaluate(self, expr: rasp.RASPExpr, xs: Sequence[Value]) -> Any:
        """Return the value of ``expr`` on ``xs``."""
        value = super().evaluate(expr, xs)
        if not isinstance(expr, rasp.Selector):
            return value
        return [[bool(c) and key <= query for key, c in enumerate(row)] for query, row in enumerate(value)]


def evaluate(expr: rasp.RASPExpr, xs: Sequence[Value]) -> Any:
    """Return the value of ``expr`` on ``xs``.

    >>> evaluate(rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)), "abc")
    [1, 2, 3]
    """
    return CausalEvaluator().evaluate(expr, xs)
