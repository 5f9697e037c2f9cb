"""The interpreter once more, as plain loops over one input: slow, and written from the definitions alone."""

from __future__ import annotations

from janiform.errors import FunctionError, MeaningError
from janiform.ir.functions import canonical, identity, order, same
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Node,
    Not,
    Or,
    Readout,
    Scores,
    Select,
    Sequence,
    Slope,
    Tokens,
    Value,
)


def values(n: Sequence, x: list[Value], causal: bool) -> list[Value]:
    """The value of a sequence node at each position of an input."""
    match n:
        case Tokens():
            return [canonical(t) for t in x]
        case Indices():
            return list(range(len(x)))
        case Const(value=v):
            return [canonical(v)] * len(x)
        case Map(fn=f, args=args):
            columns = [values(a, x, causal) for a in args]
            try:
                return [canonical(f(*row)) for row in zip(*columns, strict=True)]
            except FunctionError as e:
                raise MeaningError(str(e)) from None
        case Count(selector=s):
            return [sum(selects(s, x, causal, k, q) for k in range(len(x))) for q in range(len(x))]
        case Aggregate():
            v = values(n.values, x, causal)
            picked = [
                [v[k] for k in range(len(x)) if selects(n.selector, x, causal, k, q)] for q in range(len(x))
            ]
            return [reduced(n, row) for row in picked]
        case Readout():
            columns = [values(a, x, causal) for a in n.args]
            scores = [
                [
                    sum(added(w, c[i], j) for w, c in zip(n.weights, columns, strict=True))
                    for j in range(len(n.labels))
                ]
                for i in range(len(x))
            ]
            if n.pooled:
                seen = [range(q + 1 if causal else len(x)) for q in range(len(x))]
                scores = [
                    [sum(scores[k][j] for k in ks) / len(ks) for j in range(len(n.labels))] for ks in seen
                ]
            final = [[s + b for s, b in zip(row, n.bias, strict=True)] for row in scores]
            return [canonical(n.labels[row.index(max(row))]) for row in final]
    raise TypeError(type(n).__name__)


def added(weights: Scores | Slope, v: Value, label: int) -> float:
    """What one value of one term adds to one label's score."""
    if isinstance(weights, Scores):
        pairs = list(zip(weights.values, weights.rows, strict=True))
        exact = [row for k, row in pairs if identity(k) == identity(v)]
        close = [row for k, row in pairs if isinstance(v, float) and same(k, v)]
        return float((exact or close)[0][label]) if exact or close else 0.0
    if v is None or isinstance(v, str):
        raise MeaningError("a term with a slope must be a number")
    return float(v) * weights.row[label]


def reduced(n: Aggregate, row: list[Value]) -> Value:
    """One aggregate of the values at the selected keys."""
    if not row:
        return canonical(n.default)
    if None in row:
        return None
    if n.reduce in ("min", "max"):
        if len({isinstance(v, str) for v in row}) > 1:
            raise MeaningError("no order")
        return (min if n.reduce == "min" else max)(row, key=order)
    if n.reduce == "mean" and len(set(map(identity, row))) == 1:
        return row[0]
    if any(isinstance(v, str) for v in row):
        raise MeaningError("several different strings")
    total = float(sum(row))  # type: ignore[arg-type]
    return canonical(total / len(row) if n.reduce == "mean" else total)


def selects(s: Node, x: list[Value], causal: bool, k: int, q: int) -> bool:
    """Whether a selector selects key ``k`` for query ``q``."""
    if causal and k > q:
        return False
    match s:
        case Select(pred=f, keys=keys, queries=queries):
            a, b = values(keys, x, causal)[k], values(queries, x, causal)[q]
            try:
                return a is not None and b is not None and bool(f(a, b))
            except FunctionError as e:
                raise MeaningError(str(e)) from None
        case And(left=a, right=b):
            return selects(a, x, causal, k, q) and selects(b, x, causal, k, q)
        case Or(left=a, right=b):
            return selects(a, x, causal, k, q) or selects(b, x, causal, k, q)
        case Not(selector=a):
            return not selects(a, x, causal, k, q)
        case Best():
            return k == best(s, x, causal, q)
    raise TypeError(type(s).__name__)


def best(s: Best, x: list[Value], causal: bool, q: int) -> int | None:
    """The one key that a best selects for a query, if any; ties go left."""
    keys = [k for k in range(len(x)) if selects(s.selector, x, causal, k, q)]
    if not keys:
        return None
    match s.rule:
        case "leftmost":
            return keys[0]
        case "rightmost":
            return keys[-1]
        case "closest":
            return min(keys, key=lambda k: (abs(k - q), k))
    assert s.score is not None
    score = values(s.score, x, causal)
    sign = -1 if s.rule == "largest" else 1
    return min(keys, key=lambda k: (sign * score[k], k))  # type: ignore[operator]
