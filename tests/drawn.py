"""Graphs drawn without regard to meaning: odd literals, unused and repeated arguments, any order, tables, sharing."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from janiform.ir.functions import OPERATIONS, Apply, Arg, Fn, Lit, Lookup, identity
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
    Slope,
    Tokens,
)
from janiform.ir.program import Program

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.sampled_from([0, 1, 2, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ['"', "\\", "\n", "#", "'", ";", '"""', "\u2028", "é", "\ud800", "\x00", "😀", "}", "set example x"]
    ),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            "a",
            "b",
            "x",
            "x1",
            "length",
            "tokens",
            "indices",
            "for",
            "key",
            "where",
            "max",
            "out",
            "_",
            "odd name",
        ]
    ),
    st.text(max_size=6),
)


def functions(arity: int, depth: int = 3) -> st.SearchStrategy[Fn]:
    """Expressions of at most ``arity`` arguments."""
    leaf: st.SearchStrategy[Fn] = VALUES.map(Lit)
    if arity:
        leaf = st.one_of(st.integers(0, arity - 1).map(Arg), leaf)
    if depth == 0:
        return leaf
    inner = functions(arity, depth - 1)

    def applied(op: str) -> st.SearchStrategy[Fn]:
        low, high = OPERATIONS[op].arity
        return st.lists(inner, min_size=low, max_size=high or 4).map(lambda parts: Apply(op, tuple(parts)))

    return st.one_of(leaf, st.sampled_from(sorted(OPERATIONS)).flatmap(applied), tables(inner))


@st.composite
def tables(draw: Any, inner: st.SearchStrategy[Fn]) -> Fn:
    """Look-ups with distinct keys."""
    keys = tuple(draw(st.lists(inner, min_size=1, max_size=3)))
    row = st.tuples(*[VALUES] * len(keys))
    rows = draw(st.lists(st.tuples(row, VALUES), max_size=4, unique_by=lambda r: tuple(map(identity, r[0]))))
    return Lookup(keys, tuple(rows), draw(st.one_of(st.none(), inner)))


@st.composite
def readouts(draw: Any, some: st.SearchStrategy[Any]) -> Readout:
    """Read-outs of any sequences, most with small whole weights."""
    labels = draw(st.lists(VALUES, min_size=1, max_size=3, unique_by=identity))
    score = st.one_of(
        st.integers(-3, 3), st.integers(-3, 3), st.floats(-4, 4), st.integers(-(10**30), 10**30)
    )
    row = st.tuples(*[score] * len(labels))
    args = draw(st.lists(some, max_size=3))
    listed = st.lists(st.tuples(VALUES, row), max_size=3, unique_by=lambda pair: identity(pair[0]))
    scores = listed.map(lambda pairs: Scores(tuple(v for v, _ in pairs), tuple(r for _, r in pairs)))
    weights = [draw(st.one_of(scores, scores, row.map(Slope))) for _ in args]
    return Readout(tuple(args), tuple(weights), draw(row), tuple(labels), draw(st.booleans()))


@st.composite
def programs(draw: Any) -> Program:
    """Programs of up to twelve nodes with up to three outputs and any names."""
    sequences: list[Any] = [Tokens(), Indices()]
    selectors: list[Any] = []
    for _ in range(draw(st.integers(0, 10))):
        some = st.sampled_from(sequences)
        kinds = ["const", "map", "map", "select", "readout"] + (
            ["and", "or", "not", "best", "aggregate", "count"] if selectors else []
        )
        kind = draw(st.sampled_from(kinds))
        chosen = st.sampled_from(selectors) if selectors else st.nothing()
        match kind:
            case "const":
                sequences.append(Const(draw(VALUES)))
            case "map":
                args = tuple(draw(st.lists(some, min_size=1, max_size=3)))
                sequences.append(Map(draw(functions(len(args))), args))
            case "select":
                comparison = st.sampled_from(["==", "<", ">="]).map(lambda op: Apply(op, (Arg(0), Arg(1))))
                selectors.append(Select(draw(st.one_of(comparison, functions(2, 2))), draw(some), draw(some)))
            case "and" | "or":
                selectors.append((And if kind == "and" else Or)(draw(chosen), draw(chosen)))
            case "not":
                selectors.append(Not(draw(chosen)))
            case "best":
                rule = draw(st.sampled_from(["leftmost", "rightmost", "closest", "largest", "smallest"]))
                selectors.append(
                    Best(draw(chosen), rule, draw(some) if rule in ("largest", "smallest") else None)
                )
            case "aggregate":
                reduce = draw(st.sampled_from(["mean", "sum", "min", "max"]))
                sequences.append(Aggregate(draw(chosen), draw(some), draw(VALUES), reduce))
            case "readout":
                sequences.append(draw(readouts(some)))
            case "count":
                sequences.append(Count(draw(chosen)))
    outputs = draw(st.dictionaries(NAMES, st.sampled_from(sequences[-4:]), min_size=1, max_size=3))
    named: list[Node] = [*sequences, *selectors]
    return Program(outputs, draw(st.dictionaries(st.sampled_from(named), NAMES, max_size=4)))
