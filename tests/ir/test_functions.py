"""Elementwise functions: their values, what they do with undefined, and how numbers are compared."""

from __future__ import annotations

import math
import pickle

import pytest

from janiform.errors import FunctionError, ProgramError
from janiform.ir.functions import OPERATIONS, Apply, Arg, Fn, Lit, Lookup, affine, same, substitute, table

A, B = Arg(0), Arg(1)


def run(op: str, *xs: object) -> object:
    """Apply an operation to values."""
    return Apply(op, tuple(Lit(x) for x in xs))()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("op", "xs", "expected"),
    [
        ("+", (1, 2), 3),
        ("+", ("a", "b"), "ab"),
        ("-", (1, 2), -1),
        ("*", (True, 3), 3),
        ("/", (4, 2), 2),
        ("/", (1, 4), 0.25),
        ("//", (-7, 2), -4),
        ("//", (7.5, 2), 3),
        ("%", (-7, 3), 2),
        ("%", (5.5, 2), 1.5),
        ("^", (2, 10), 1024),
        ("^", (2, -1), 0.5),
        ("neg", (3,), -3),
        ("abs", (-2.5,), 2.5),
        ("round", (2.5,), 2),
        ("round", (0.126, 2), 0.13),
        ("floor", (2.7,), 2),
        ("floor", (0.1 + 0.2 + 0.7,), 1),
        ("ceil", (2.1,), 3),
        ("min", (3, 1, 2), 1),
        ("max", ("a", "b"), "b"),
        ("sqrt", (9,), 3),
        ("exp", (0,), 1),
        ("log", (1,), 0),
        ("log", (8, 2), 3),
        ("log2", (8,), 3),
        ("log10", (100,), 2),
        ("sin", (0,), 0),
        ("cos", (0,), 1),
        ("tan", (0,), 0),
        ("asin", (0,), 0),
        ("acos", (1,), 0),
        ("atan", (0,), 0),
        ("sinh", (0,), 0),
        ("cosh", (0,), 1),
        ("tanh", (0,), 0),
        ("cbrt", (8,), 2),
        ("factorial", (5,), 120),
        ("==", (0.1 + 0.2, 0.3), True),
        ("==", ("1", 1), False),
        ("!=", (1, 2), True),
        ("<", (0.3, 0.1 + 0.2), False),
        ("<=", (0.1 + 0.2, 0.3), True),
        (">", ("b", "a"), True),
        (">=", (1, 1), True),
        ("not", (0,), True),
        ("and", (1, 1, 0), False),
        ("or", (0, 0, 1), True),
        ("if", (True, "y", "n"), "y"),
        ("defined", (1,), True),
        ("in", (2, 1, 2), True),
        ("int", ("12",), 12),
        ("int", (2.9,), 2),
        ("float", ("0.5",), 0.5),
        ("str", (2.0,), "2"),
        ("bool", ("",), False),
        ("len", ("abc",), 3),
    ],
)
def test_every_operation_has_its_value(op: str, xs: tuple[object, ...], expected: object) -> None:
    found = run(op, *xs)
    assert type(found) is type(expected)
    assert math.isclose(found, expected) if isinstance(expected, float) else found == expected  # type: ignore[arg-type]


def test_no_operation_is_left_out() -> None:
    marks = test_every_operation_has_its_value.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == set(OPERATIONS)


@pytest.mark.parametrize("op", sorted(set(OPERATIONS) - {"if", "and", "or", "defined", "in"}))
def test_undefined_is_passed_on(op: str) -> None:
    low, _ = OPERATIONS[op].arity
    assert run(op, *[None] * low) is None


def test_connectives_look_no_further_than_they_need() -> None:
    fails = Apply("/", (Lit(1), Lit(0)))
    assert Apply("and", (Lit(False), fails))() is False
    assert Apply("or", (Lit(True), fails))() is True
    assert Apply("if", (Lit(True), Lit(1), fails))() == 1
    assert Apply("and", (Lit(None), fails))() is None
    assert Apply("if", (Lit(None), Lit(1), Lit(2)))() is None
    assert Apply("defined", (Lit(None),))() is False


@pytest.mark.parametrize(
    ("op", "xs"),
    [
        ("/", (1, 0)),
        ("%", (1, 0)),
        ("+", ("a", 1)),
        ("<", ("a", 1)),
        ("sqrt", (-1,)),
        ("^", (10, 10_000)),
        ("factorial", (0.5,)),
    ],
)
def test_what_has_no_value_is_refused_by_name(op: str, xs: tuple[object, ...]) -> None:
    with pytest.raises(FunctionError, match="is undefined on"):
        run(op, *xs)


def test_tables_look_up_by_value_and_kind() -> None:
    f = Lookup((A,), (((1,), "one"), ((True,), "true"), ((0.3,), "third")), Lit("else"))
    assert [f(v) for v in (1, 1.0, True, 0.1 + 0.2, 2, None)] == ["one", "one", "true", "third", "else", None]
    with pytest.raises(FunctionError, match="no entry for 5"):
        table([((1,), 2)], 1)(5)


def test_large_whole_numbers_are_never_confused() -> None:
    assert not same(10**15, 10**15 + 1)


def test_equal_expressions_are_one_object() -> None:
    assert Apply("+", (A, Lit(1))) is Apply("+", (A, Lit(1)))
    assert Lit(1) is not Lit(True) and Lit(1) is not Lit(1.0)
    assert pickle.loads(pickle.dumps(Apply("+", (A, B)))) is Apply("+", (A, B))


def test_substitution_replaces_arguments() -> None:
    inner = Apply("*", (A, Lit(2)))
    assert substitute(Apply("+", (A, B)), (inner, Lit(1)))(5) == 11


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (Apply("-", (Apply("*", (Lit(3), A)), Apply("/", (B, Lit(2))))), [3.0, -0.5, 0.0]),
        (Apply("neg", (Apply("+", (A, Lit(4))),)), [-1.0, 0.0, -4.0]),
        (Apply("*", (A, B)), None),
        (Apply("abs", (A,)), None),
    ],
)
def test_linear_expressions_are_known(f: Fn, expected: list[float] | None) -> None:
    assert affine(f, 2) == expected


def test_malformed_expressions_are_refused() -> None:
    with pytest.raises(ProgramError, match="unknown operation"):
        Apply("frobnicate", (A,))
    with pytest.raises(ProgramError, match="takes 2 operands"):
        Apply("-", (A,))
    with pytest.raises(ProgramError, match="finite"):
        Lit(math.inf)
