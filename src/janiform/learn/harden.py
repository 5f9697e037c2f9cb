"""From a draft to a Program: the same variables, written with the nodes and comparisons that people read.

Codes become values: a token, a position, a count, or the number of a table's class. A relation becomes a comparison where
one says the same on all pairs of values that can meet, else a table of keys for each query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, table
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Count,
    Indices,
    Map,
    Node,
    Readout,
    Scores,
    Select,
    Selector,
    Slope,
    Tokens,
    Value,
)
from janiform.ir.nodes import Sequence as Variable
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.learn.draft import Copy, Draft, Number, Recode, Steps, Table, Tally, Unit
from janiform.learn.steps import Range, plain, plus, stepped
from janiform.learn.straight import straight
from janiform.text.naming import named

KEY, QUERY = Arg(0), Arg(1)
MASK = {"before": "<", "after": ">", "others": "!="}


def harden(draft: Draft, signature: Signature, labels: Sequence[Value], name: str = "output") -> Program:
    """Write a draft as a program over the tokens of ``signature``.

    Variables have the names that what they do calls for, else ``copy3``, ``count1``, ...
    The weights must be exact numbers already (``learn.condense`` rounds them), since the program's are the same.
    """
    nodes: list[Variable] = [Tokens(), Indices()]
    values: list[tuple[Value, ...]] = [signature.vocab, tuple(range(signature.max_len))]
    ranges = [Range(0, 0), Range(0, signature.max_len - 1)]
    names: dict[Node, str] = {}
    for i, u in enumerate(draft.units):
        match u:
            case Copy():
                chosen = Best(selector(u, nodes, values), "closest")
                node: Variable = Aggregate(chosen, nodes[u.value], values[u.value][u.default])
                domain, stem = values[u.value], "copy"
            case Tally(amounts=None):
                node, domain, stem = (
                    Count(selector(u, nodes, values)),
                    tuple(range(signature.max_len + 1)),
                    "count",
                )
            case Tally(amounts=int(amounts)):
                node = Aggregate(selector(u, nodes, values), nodes[amounts], 0, "sum")
                domain, stem = (), "sum"
            case Table():
                f = function(u.cells, values[u.left], values[u.right])
                both = (nodes[u.left], nodes[u.right])
                node, domain, stem = Map(f, both), tuple(range(u.size)), "table"
            case Steps():
                f, reads = stepped(u, ranges)
                node = Map(f, tuple(nodes[v] for v in reads))
                domain, stem = tuple(range(u.size)), "step"
            case Recode():
                codes = [((v,), int(c)) for v, c in zip(values[u.of], u.cells)]
                node, domain, stem = Map(shortest(codes, 1), (nodes[u.of],)), tuple(range(u.size)), "class"
            case Number():
                numbers = [((v,), plain(c)) for v, c in zip(values[u.of], u.numbers)]
                node, domain, stem = Map(shortest(numbers, 1), (nodes[u.of],)), (), "number"
        nodes.append(node)
        values.append(domain)
        ranges.append(range_of(u, ranges, draft.frame.length))
        names.setdefault(node, f"{stem}{i + 1}")
    args: list[Variable] = []
    weights: list[Scores | Slope] = []
    for node, domain, w in zip(nodes, values, draft.weights, strict=True):
        if w.any():
            args.append(node)
            listed = [c for c in range(len(w)) if w[c].any()]
            rows = tuple(tuple(plain(s) for s in w[c]) for c in listed)
            weights.append(Scores(tuple(domain[c] for c in listed), rows) if domain else Slope(rows[0]))
    used = [v for v, w in enumerate(draft.weights) if w.any()]
    if len(used) == 1 and values[used[0]] and not draft.frame.pooled:
        v = used[0]
        said = [labels[c] for c in (draft.weights[v] + draft.bias).argmax(1)]
        out = chosen_by(nodes[v], values[v], said)
    else:
        bias = tuple(plain(b) for b in draft.bias)
        out = Readout(tuple(args), tuple(weights), bias, tuple(labels), draft.frame.pooled)
    return named(Program({name: out}, {n: s for n, s in names.items() if n is not out}), signature)


def range_of(u: Unit, ranges: list[Range], length: int) -> Range:
    """Between which numbers the variable lies that a unit writes."""
    match u:
        case Copy():
            return ranges[u.value]
        case Tally():
            return (ranges[u.amounts] if u.amounts is not None else Range(0, 1)).total(length)
        case Number():
            whole = all(float(x).is_integer() for x in u.numbers)
            return Range(float(u.numbers.min()), float(u.numbers.max()), whole)
        case Table() | Recode() | Steps():
            return Range(0, u.size - 1)


def chosen_by(node: Variable, domain: Sequence[Value], said: Sequence[Value]) -> Variable:
    """The output that one variable alone decides: it, its name, a table of it, or its own table with other words.

    >>> chosen_by(Map(table([(("b",), 1)], 1, Lit(0)), (Tokens(),)), (0, 1), "no").fn.rows
    ((('b',), 'o'),)
    """
    if tuple(said) == tuple(domain):
        return node
    if [str(v) for v in domain] == list(said):
        return Map(Apply("str", (KEY,)), (node,))
    words = dict(zip(domain, said, strict=True))
    if isinstance(node, Map) and (f := renamed(node.fn, words)) is not None:
        return Map(f, node.args)
    return Map(shortest([((v,), label) for v, label in words.items()], 1), (node,))


def renamed(f: Fn, words: Mapping[Value, Value]) -> Fn | None:
    """A function that gives other words, None where it computes what it gives."""
    match f:
        case Lit(value=v):
            return Lit(words[v])
        case Apply(op="if", args=(test, yes, no)):
            one, other = renamed(yes, words), renamed(no, words)
            return Apply("if", (test, one, other)) if one is not None and other is not None else None
        case Lookup(args=parts, rows=rows, default=Lit(value=v)):
            left = tuple((keys, words[c]) for keys, c in rows if words[c] != words[v])
            return Lookup(parts, left, Lit(words[v]))
    return None


def selector(u: Copy | Tally, nodes: list[Variable], values: list[tuple[Value, ...]]) -> Selector:
    """The keys that a head relates to its query, within its mask."""
    masked = Select(Apply(MASK[u.mask], (KEY, QUERY)), Indices(), Indices()) if u.mask != "all" else None
    if u.relation.all():
        return masked or Select(Lit(True), nodes[u.key], nodes[u.query])
    related = Select(predicate(u.relation, values[u.key], values[u.query]), nodes[u.key], nodes[u.query])
    return And(related, masked) if masked is not None else related


def predicate(relation: np.ndarray, keys: Sequence[Value], queries: Sequence[Value]) -> Fn:
    """The shortest predicate over (key, query) that is ``relation``.

    >>> predicate(np.eye(3, dtype=bool), (0, 1, 2), (0, 1, 2))
    Apply(op='==', args=(Arg(index=0), Arg(index=1)))
    """
    if (relation == relation[:1]).all():
        return among(KEY, keys, relation[0])
    if (relation == relation[:, :1]).all():
        return among(QUERY, queries, relation[:, 0])
    numbers = all(isinstance(v, int) for v in (*keys, *queries))
    if numbers or tuple(keys) == tuple(queries):
        apart = np.arange(relation.shape[1])[None, :] - np.arange(relation.shape[0])[:, None]
        most = max(relation.shape)
        for c in sorted(range(-most, most + 1), key=abs) if numbers else (0,):
            for op, test in COMPARISONS.items():
                if (relation == test(apart, c)).all():
                    return Apply(op, (KEY, plus(QUERY, c)))
    rows = [((k, q), True) for (i, q) in enumerate(queries) for j, k in enumerate(keys) if relation[i, j]]
    if 2 * len(rows) > relation.size:
        rows = [
            ((k, q), False) for (i, q) in enumerate(queries) for j, k in enumerate(keys) if not relation[i, j]
        ]
        return table(rows, 2, Lit(True))
    return table(rows, 2, Lit(False))


COMPARISONS = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def among(side: Fn, values: Sequence[Value], chosen: np.ndarray) -> Fn:
    """The predicate that one side's value is among ``chosen``: one value, all but one, at most or at least one, a set."""
    picked = np.flatnonzero(chosen)
    if not len(picked) or len(picked) == len(values):
        return Lit(bool(len(picked)))
    if len(picked) == 1:
        return Apply("==", (side, Lit(values[picked[0]])))
    if len(picked) == len(values) - 1:
        return Apply("!=", (side, Lit(values[int(np.flatnonzero(~chosen)[0])])))
    if all(isinstance(v, int) for v in values):
        if chosen[: len(picked)].all():
            return Apply("<=", (side, Lit(values[len(picked) - 1])))
        if chosen[-len(picked) :].all():
            return Apply(">=", (side, Lit(values[-len(picked)])))
    few = len(picked) * 2 <= len(values)
    rows = [((v,), few) for v, c in zip(values, chosen, strict=True) if bool(c) == few]
    found = table(rows, 1, Lit(not few))
    return Lookup((side,), found.rows, found.default)


def function(cells: np.ndarray, left: Sequence[Value], right: Sequence[Value]) -> Fn:
    """The shortest function of two variables that is ``cells``: arithmetic where both are numbers, else a table."""
    if all(isinstance(v, int) for v in (*left, *right)):
        x, y = np.array(left)[:, None], np.array(right)[None, :]
        for f, result in formulas(x, y, cells):
            if (np.broadcast_to(result, cells.shape) == cells).all():
                return f
    rows = [((a, b), int(cells[i, j])) for i, a in enumerate(left) for j, b in enumerate(right)]
    if (cells == cells[:, :1]).all():
        f = shortest([((a,), int(c)) for a, c in zip(left, cells[:, 0])], 1)
        return f
    if (cells == cells[:1]).all():
        f = shortest([((b,), int(c)) for b, c in zip(right, cells[0])], 1)
        return Lookup((Arg(1),), f.rows, f.default)
    for found in straight(cells, np.ones_like(cells, bool), int(cells.max())):
        if (found.cells() == cells).all():
            return found.written(left, right)
    return shortest(rows, 2)


def formulas(x: np.ndarray, y: np.ndarray, cells: np.ndarray) -> Iterator[tuple[Fn, np.ndarray]]:
    """Arithmetic over two numbers, each with its value on all pairs."""
    a, b = Arg(0), Arg(1)
    minus, back = Apply("-", (a, b)), Apply("-", (b, a))
    one, zero, two = Lit(1), Lit(0), Lit(2)
    yield Apply("+", (a, b)), x + y
    yield Apply("max", (a, b)), np.maximum(x, y)
    yield Apply("min", (a, b)), np.minimum(x, y)
    yield Apply("max", (Apply("+", (minus, one)), zero)), np.maximum(x - y, -1) + 1
    yield Apply("max", (Apply("+", (back, one)), zero)), np.maximum(y - x, -1) + 1
    top = int(cells.max())
    yield Apply("min", (Apply("+", (a, b)), Lit(top))), np.minimum(x + y, top)
    order = Apply("if", (Apply("<", (a, b)), zero, Apply("if", (Apply("==", (a, b)), one, two))))
    yield order, np.sign(x - y) + 1
    width = y.shape[1]
    yield Apply("+", (Apply("*", (a, Lit(width))), b)), x * width + y
    yield (
        Apply("-", (Apply("+", (Apply("*", (a, Lit(width))), Lit(width - 1))), b)),
        x * width + width - 1 - y,
    )
    for c in range(width):
        yield Apply("if", (Apply("==", (b, Lit(c))), Apply("+", (a, one)), zero)), np.where(y == c, x + 1, 0)
        yield Apply("if", (Apply("<=", (b, Lit(c))), Apply("+", (a, one)), zero)), np.where(y <= c, x + 1, 0)


def shortest(rows: Sequence[tuple[tuple[Value, ...], Value]], arity: int) -> Lookup:
    """A table whose most frequent value is the default."""
    counts: dict[Value, int] = {}
    for _, v in rows:
        counts[v] = counts.get(v, 0) + 1
    common = max(counts, key=lambda v: counts[v])
    return table([r for r in rows if r[1] != common], arity, Lit(common))
