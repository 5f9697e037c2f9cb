"""Evaluation of Tracr's expressions on an input: what they mean.

Beside Tracr's there are two freedoms: each expression of a shared graph is evaluated once, however deep the graph, and
the mean of equal strings is that string.
"""

from __future__ import annotations

import abc
import operator
from collections.abc import Callable, Sequence
from typing import Any

from janiform.interop.tracr.expressions import RASPExpr, descendants
from janiform.interop.tracr.selectors import (
    Aggregate,
    ConstantSelector,
    Select,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorValue,
    SelectorWidth,
)
from janiform.interop.tracr.sops import (
    ConstantSOp,
    Full,
    IndicesType,
    LengthType,
    LinearSequenceMap,
    Map,
    NaryMap,
    SequenceMap,
    TokensType,
)
from janiform.ir.nodes import Value


class RASPEvaluator(abc.ABC):
    """What can evaluate an expression on an input."""

    @abc.abstractmethod
    def evaluate(self, expr: RASPExpr, xs: Sequence[Value]) -> Any:
        """Return the value of ``expr`` on ``xs``."""


class DefaultRASPEvaluator(RASPEvaluator):
    """Evaluate with bidirectional selectors, each expression of a graph once.

    A subclass may change ``evaluate`` or the ``eval_`` method of a kind; both then hold for every subexpression.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Any, RASPExpr, Sequence[Value]]] = {}
        self._depth = 0

    def evaluate(self, expr: RASPExpr, xs: Sequence[Value]) -> Any:
        """Return the value of ``expr`` on ``xs``: a list, or for a selector a list of rows."""
        key = (id(expr), id(xs))
        if key in self._known:
            return self._known[key][0]
        self._depth += 1
        try:
            for e in descendants(expr) if self._depth == 1 else ():
                if e is not expr:
                    self.evaluate(e, xs)
            method = getattr(self, f"eval_{expr.kind}", None)
            if method is None:
                raise NotImplementedError(f"there is no evaluation of a {type(expr).__name__}")
            self._known[key] = (method(expr, xs), expr, xs)
            return self._known[key][0]
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._known.clear()

    def eval_tokens(self, sop: TokensType, xs: Sequence[Value]) -> list[Value]:
        return list(xs)

    def eval_indices(self, sop: IndicesType, xs: Sequence[Value]) -> list[Value]:
        return list(range(len(xs)))

    def eval_length(self, sop: LengthType, xs: Sequence[Value]) -> list[Value]:
        return [len(xs)] * len(xs)

    def eval_full(self, sop: Full, xs: Sequence[Value]) -> list[Value]:
        return [sop.fill] * len(xs)

    def eval_constant_sop(self, sop: ConstantSOp, xs: Sequence[Value]) -> Sequence[Value]:
        _check_length(sop, xs)
        return sop.value

    def eval_map(self, sop: Map, xs: Sequence[Value]) -> list[Value]:
        return [None if x is None else sop.f(x) for x in self.evaluate(sop.inner, xs)]

    def eval_sequence_map(self, sop: SequenceMap, xs: Sequence[Value]) -> list[Value]:
        pairs = zip(self.evaluate(sop.fst, xs), self.evaluate(sop.snd, xs), strict=False)
        return [None if x is None or y is None else sop.f(x, y) for x, y in pairs]

    def eval_linear_sequence_map(self, sop: LinearSequenceMap, xs: Sequence[Value]) -> list[Value]:
        return self.eval_sequence_map(sop, xs)

    def eval_nary_map(self, sop: NaryMap, xs: Sequence[Value]) -> list[Value]:
        rows = zip(*(self.evaluate(s, xs) for s in sop.sops), strict=False)
        return [None if any(x is None for x in row) else sop.f(*row) for row in rows]

    def eval_selector_width(self, sop: SelectorWidth, xs: Sequence[Value]) -> list[Value]:
        return [sum(row) for row in self.evaluate(sop.selector, xs)]

    def eval_aggregate(self, sop: Aggregate, xs: Sequence[Value]) -> list[Value]:
        values = self.evaluate(sop.sop, xs)
        rows = self.evaluate(sop.selector, xs)
        return [_mean([v for chosen, v in zip(r, values, strict=False) if chosen], sop.default) for r in rows]

    def eval_select(self, sel: Select, xs: Sequence[Value]) -> SelectorValue:
        keys, queries = self.evaluate(sel.keys, xs), self.evaluate(sel.queries, xs)
        return [[bool(sel.predicate(key, query)) for key in keys] for query in queries]

    def eval_constant_selector(self, sel: ConstantSelector, xs: Sequence[Value]) -> SelectorValue:
        _check_length(sel, xs)
        return sel.value

    def eval_selector_and(self, sel: SelectorAnd, xs: Sequence[Value]) -> SelectorValue:
        return _pairwise(operator.and_, self.evaluate(sel.fst, xs), self.evaluate(sel.snd, xs))

    def eval_selector_or(self, sel: SelectorOr, xs: Sequence[Value]) -> SelectorValue:
        return _pairwise(operator.or_, self.evaluate(sel.fst, xs), self.evaluate(sel.snd, xs))

    def eval_selector_not(self, sel: SelectorNot, xs: Sequence[Value]) -> SelectorValue:
        return [[not chosen for chosen in row] for row in self.evaluate(sel.inner, xs)]


def _check_length(expr: ConstantSOp | ConstantSelector, xs: Sequence[Value]) -> None:
    if expr.check_length and len(expr.value) != len(xs):
        raise ValueError(f"Constant len {len(expr.value)} doesn't match input len {len(xs)}.")


def _pairwise(f: Callable[[bool, bool], bool], a: SelectorValue, b: SelectorValue) -> SelectorValue:
    return [[f(bool(x), bool(y)) for x, y in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def _mean(values: list[Any], default: Value) -> Any:
    if not values:
        return default
    if len(values) == 1:
        return values[0]
    if all(isinstance(v, int | float) for v in values):
        return sum(values) / len(values)
    if isinstance(values[0], str) and all(v == values[0] for v in values):
        return values[0]
    raise ValueError(f"the mean of {values} has no meaning: they are not numbers, nor one string")


def evaluate(expr: RASPExpr, xs: Sequence[Value]) -> Any:
    """Return the value of ``expr`` on ``xs``.

    >>> from janiform.interop.tracr.rasp import tokens
    >>> evaluate(tokens + "!", "ab")
    ['a!', 'b!']
    """
    return DefaultRASPEvaluator().evaluate(expr, xs)
