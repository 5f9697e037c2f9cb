"""Nodes are interned values, and illegal graphs are refused."""

from __future__ import annotations

import copy
import pickle
from math import inf

import pytest

from janiform.errors import ProgramError
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Not,
    Readout,
    Scores,
    Select,
    Sequence,
    Slope,
    Tokens,
    walk,
)
from janiform.ir.program import Program, program

SAME = Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens())
NEXT = Apply("+", (Arg(0), Lit(1)))


def test_nodes_of_equal_parts_are_one_object() -> None:
    assert Count(SAME) is Count(Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens()))
    assert Const(1) is not Const(True) and Const(1) is not Const(1.0)
    assert pickle.loads(pickle.dumps(Count(SAME))) is Count(SAME)
    assert copy.deepcopy(Count(SAME)) is Count(SAME)
    read = Readout((Tokens(),), (Scores((True, 1), ((1, 0), (0, 1))),), (0, 0), ("a", "b"))
    assert pickle.loads(pickle.dumps(read)) is read and Slope((1,)) is not Slope((1.0,))


def test_walking_visits_each_node_once_inputs_first() -> None:
    x: Sequence = Tokens()
    for _ in range(40):
        x = Map(Apply("max", (Arg(0), Arg(1))), (x, x))
    order = list(walk(x))
    assert len(order) == 41 and order[0] is Tokens() and order[-1] is x


def test_a_node_is_rebuilt_on_other_inputs() -> None:
    n = Aggregate(SAME, Indices(), 0, "sum")
    assert n.with_inputs((Not(SAME), Tokens())) is Aggregate(Not(SAME), Tokens(), 0, "sum")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Count(Tokens()), "must be a selector, got Tokens"),
        (lambda: Map(NEXT, (SAME,)), "must be a sequence, got Select"),
        (lambda: Map(NEXT, ()), "use Const"),
        (lambda: Map(Apply("+", (Arg(0), Arg(1))), (Tokens(),)), "takes 2 arguments, the map has 1"),
        (lambda: And(SAME, Tokens()), "operand of 'and'"),
        (lambda: Aggregate(SAME, Tokens(), None, "median"), "unknown reduction 'median'"),
        (lambda: Best(SAME, "nearest"), "unknown rule 'nearest'"),
        (lambda: Best(SAME, "largest"), "needs a score"),
        (lambda: Readout((), (), (0, 0), ("a",)), "2 biases do not fit 1 labels"),
        (lambda: Readout((), (), (), ()), "at least one"),
        (lambda: Readout((), (), (0, 0), (1, 1.0)), "labels of a readout are listed once each, 1.0"),
        (lambda: Readout((), (), (0,), (inf,)), "labels of a readout are finite"),
        (lambda: Readout((), (), (10**400,), ("a",)), "a score is a finite number"),
        (lambda: Readout((), (), (True,), ("a",)), "a score is a finite number, not True"),
        (lambda: Readout((Tokens(),), (), (0,), ("a",)), "1 terms need as many weights, not 0"),
        (lambda: Readout((SAME,), (Slope((1,)),), (0,), ("a",)), "term of a readout must be a sequence"),
        (lambda: Readout((Tokens(),), (Slope((1, 2)),), (0,), ("a",)), "2 scores does not fit 1 labels"),
        (lambda: Scores(("a", "a"), ((1,), (2,))), "values of a term are listed once each, 'a'"),
        (lambda: Scores(("a",), ()), "1 values need as many rows"),
        (lambda: Slope((inf,)), "a score is a finite number, not inf"),
        (lambda: Program({}), "at least one output"),
        (lambda: Program({"y": SAME}), "must be a sequence, got a selector"),
    ],
)
def test_illegal_graphs_are_refused(make: object, what: str) -> None:
    with pytest.raises(ProgramError, match=what):
        make()  # type: ignore[operator]


def test_programs_are_equal_by_what_they_compute_not_by_names() -> None:
    assert Program({"y": Count(SAME)}, {Count(SAME): "hist"}) == Program({"y": Count(SAME)})
    assert program(Count(SAME), "a") != program(Count(SAME), "b")


def test_replacing_a_node_keeps_labels_of_the_rest() -> None:
    p = Program({"y": Map(NEXT, (Count(SAME),))}, {Count(SAME): "hist"})
    q = p.replace(Tokens(), Indices())
    assert q.output is Map(NEXT, (Count(Select(SAME.pred, Indices(), Indices())),))
    assert list(q.names.values()) == ["hist"]
