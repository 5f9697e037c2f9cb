"""Which nodes and functions surely have a meaning on every input: what may be dropped without hiding a refusal."""

from __future__ import annotations

import math

from janiform.ir.functions import Apply, Fn, Lookup
from janiform.ir.nodes import (
    Aggregate,
    And,
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
    Tokens,
    Value,
    walk,
)

TOTAL = frozenset({"==", "!=", "and", "or", "not", "if", "defined", "in", "bool", "str", "len"})
"""Operations that have a meaning on all values."""

BOOLEAN = frozenset({"==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "defined", "in", "bool"})


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
