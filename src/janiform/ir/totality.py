"""What surely holds of a node on every input, by its form alone; where that is not plain, the answer is no.

What surely has a meaning may be dropped without hiding a refusal; what is surely whole needs no tolerance.
"""

from __future__ import annotations

import math

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
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
    Tokens,
    Value,
    walk,
)

TOTAL = frozenset({"==", "!=", "and", "or", "not", "if", "defined", "in", "bool", "str", "len"})
"""Operations that have a meaning on all values."""

BOOLEAN = frozenset({"==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "defined", "in", "bool"})

WHOLE = frozenset({"+", "-", "*", "//", "%", "neg", "abs", "min", "max", "if"})
"""Operations that make no fraction of whole numbers."""


def is_finite(v: Value) -> bool:
    """Whether a value is no infinity and no not-a-number."""
    return not isinstance(v, float) or math.isfinite(v)


def total_function(f: Fn) -> bool:
    """Whether a function has a meaning on all values."""
    if isinstance(f, Apply) and f.op not in TOTAL or isinstance(f, Lookup) and f.default is None:
        return False
    return all(map(total_function, f.parts))


def surely_total(root: Node) -> bool:
    """Whether a node has a meaning on every input; where that is not plain, no."""
    for n in walk(root):
        match n:
            case Tokens() | Indices() | Const() | Count() | And() | Or() | Not():
                plain = True
            case Map(fn=f) | Select(pred=f):
                plain = total_function(f)
            case Aggregate(values=Indices() | Count()):
                plain = True
            case Readout(weights=weights):
                plain = all(isinstance(w, Scores) for w in weights)
            case Aggregate(values=Map(fn=Apply(op=op))):
                plain = op in BOOLEAN
            case _:
                plain = False
        if not plain or isinstance(n, Const) and not is_finite(n.value):
            return False
    return True


def surely_whole(n: Node) -> bool:
    """Whether a node's numbers are whole, or tokens as they were given."""
    match n:
        case Tokens() | Indices() | Count():
            return True
        case Const(value=v):
            return not isinstance(v, float)
        case Readout(labels=labels):
            return not any(isinstance(v, float) for v in labels)
        case Map(fn=f, args=args):
            return _whole_function(f, args)
        case Aggregate(selector=s, values=v, default=d, reduce=reduce):
            return (reduce != "mean" or isinstance(s, Best)) and surely_whole(v) and not isinstance(d, float)
    return False


def _whole_function(f: Fn, args: tuple[Sequence, ...]) -> bool:
    match f:
        case Arg(index=i):
            return surely_whole(args[i])
        case Lit(value=v):
            return not isinstance(v, float)
        case Lookup(rows=rows, default=d):
            plain = not any(isinstance(v, float) for _, v in rows)
            return plain and (d is None or _whole_function(d, args))
        case Apply(op=op, args=parts):
            return op in BOOLEAN or (op in WHOLE and all(_whole_function(p, args) for p in parts))
    return False
