"""Laws of tracing: the expression gives what the callable gives, and what a symbol cannot answer is refused."""

import math
import re

import numpy as np
import pytest

from janiform.errors import FunctionError, ProgramError
from janiform.ir.functions import Apply, Arg, Lit, Lookup
from janiform.text.trace import MAX_PATHS, TraceError, as_value, passing_undefined, tabulate, trace

NUMBERS = [-3, -1.5, -1, 0, 0.5, 1, 2, 3, 7]

ONE = {
    "identity": lambda x: x,
    "constant": lambda x: 3,
    "undefined": lambda x: None if x > 1 else x,
    "arithmetic": lambda x: 2 + x * 3 - x / 4 + (1 - x) * (2 * x),
    "whole division": lambda x: (x // 2, x % 2)[0] * 10 + 7 % (x * x + 1) + 7 // (x * x + 1),
    "powers": lambda x: x**2 + 2 ** (x * x),
    "signs": lambda x: abs(-x) + +x,
    "rounding": lambda x: round(x / 3) + round(x / 3, 2),
    "floor, ceiling and trunk": lambda x: 100 * math.floor(x / 2) + 10 * math.ceil(x / 2) + math.trunc(x / 2),
    "quotient and remainder": lambda x: sum(divmod(x, 2)) + sum(divmod(5, x * x + 1)),
    "a branch": lambda x: 1 if x > 0 else 0,
    "nested branches": lambda x: "big" if x > 2 else ("small" if x > 0 else ("none" if x == 0 else "less")),
    "chain": lambda x: -1 <= x < 2,
    "and, or, not": lambda x: (x > 0 and x < 3) or (not x),
    "value of and": lambda x: x and x + 1,
    "value of or": lambda x: x or 9,
    "truth": lambda x: bool(x),
    "member": lambda x: x in [1, 2],
    "member of a tuple": lambda x: x not in (0, 7),
    "comparison with others": lambda x: (x == None) or (x != "a" and x != (1, 2)),  # noqa: E711
    "logic of truths": lambda x: (x > 0) & (x < 3) | (x == 7),
    "exclusive": lambda x: (x > 0) ^ True,
    "smallest": lambda x: min(x, 1, x * x),
    "largest": lambda x: max([x, 0, 2]),
    "sorted": lambda x: sorted([x, 0, 2])[1],
    "loop": lambda x: sum(x * k for k in range(4)),
    "asked twice": lambda x: (1 if x > 0 else 0) + (10 if x > 0 else 20),
    "a list of results": lambda x: [x, x + 1][1],
    "numpy constant": lambda x: x + np.float64(0.5) + np.int64(1),
}

TWO = {
    "smaller": min,
    "larger": max,
    "difference": lambda x, y: x - y if x > y else y - x,
    "joined": lambda x, y: (x > 0 and y > 0) or x == y,
    "reversed": lambda x, y: y / (abs(x) + 1),
    "compared branches": lambda x, y: (1 if x > 0 else 2) == (1 if y > 0 else 2),
}

REFUSED = {
    "hashes": lambda x: {1: 2}[x],
    "hashes, in a set": lambda x: x in {1, 2},
    "takes the integer": lambda x: int(x),
    "takes the float": lambda x: math.sqrt(x),
    "counts": lambda x: [1, 2, 3][x],
    "counts, in a range": lambda x: sum(range(x)),
    "prints": lambda x: str(x),
    "prints, formatted": lambda x: f"{x}",
    "prints, as source": lambda x: repr(x),
    "iterates": lambda x: list(x),
    "takes the length": lambda x: len(x),
    "takes an item": lambda x: x[0],
    "looks into": lambda x: "a" in x,
    "calls": lambda x: x(1),
    "asks for the type": lambda x: isinstance(x, int),
    "asks for the type, by attribute": lambda x: x.__class__ is int,
    "reads the attribute 'upper'": lambda x: x.upper(),
    "reads the attribute, if there": lambda x: getattr(x, "real", 0),
    "bitwise": lambda x: x & 1,
    "bits": lambda x: x << 1,
    "bits, inverted": lambda x: ~x,
    "matrix": lambda x: x @ x,
    "cannot be followed": lambda x: x < None,
    "no value": lambda x: x == float("inf"),
    "returns a": lambda x: (x, x),
    "is not a finite number": lambda x: float("nan"),
}


@pytest.mark.parametrize("name", ONE)
def test_one_argument(name):
    """The expression agrees with the callable on numbers."""
    f, traced = ONE[name], trace(ONE[name], 1)
    for x in NUMBERS:
        assert traced(x) == pytest.approx(f(x)), x


@pytest.mark.parametrize("name", TWO)
def test_two_arguments(name):
    """The expression agrees with the callable on pairs of numbers."""
    f, traced = TWO[name], trace(TWO[name], 2)
    for x in NUMBERS:
        for y in NUMBERS:
            assert traced(x, y) == pytest.approx(f(x, y)), (x, y)


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_a_value_can_answer_is_refused(name):
    """Nothing comes out wrong in silence: the error says what the callable did."""
    with pytest.raises(TraceError, match=re.escape(name.partition(",")[0])):
        trace(REFUSED[name], 1)


def test_a_swallowed_refusal_is_still_one():
    """A callable that catches the exception does not get past it."""

    def guarded(x):
        try:
            return int(x)
        except Exception:
            return 0

    with pytest.raises(TraceError, match="integer"):
        trace(guarded, 1)


def test_strings_add_and_compare():
    """Symbols may stand for strings."""
    traced = trace(lambda x: x + "!" if x == "a" or x > "m" else "?", 1)
    assert [traced(x) for x in "abz"] == ["a!", "?", "z!"]


def test_expressions_are_short():
    """Branches between truths become logic, and a comparison's choice an extreme."""
    x, y = Arg(0), Arg(1)
    positive = Apply(">", (x, Lit(0)))
    assert trace(lambda a: 1 < a, 1) is Apply(">", (x, Lit(1)))
    assert trace(lambda a: True if a > 0 else False, 1) is positive
    assert trace(lambda a: not a > 0, 1) is Apply("not", (positive,))
    assert trace(lambda a: a > 0 and a < 5, 1) is Apply("and", (positive, Apply("<", (x, Lit(5)))))
    assert trace(min, 2) is Apply("min", (x, y)) and trace(max, 2) is Apply("max", (x, y))
    assert trace(lambda a: a if a > 0 else a, 1) is x


def test_paths_have_a_limit():
    """A loop that a symbol keeps going, or too many branches, are refused."""

    def countdown(x):
        while x > 0:
            x = x - 1
        return x

    with pytest.raises(TraceError, match=f"{MAX_PATHS} times on one path"):
        trace(countdown, 1)
    with pytest.raises(TraceError, match=f"more than {MAX_PATHS} paths"):
        trace(lambda x: sum((1 if x > k else 0) for k in range(9)), 1)
    assert trace(lambda x: sum((1 if x > k else 0) for k in range(8)), 1)(4) == 4


def test_a_callable_that_changes_its_mind_is_refused():
    """Each run must decide the same things."""
    runs = []

    def fickle(x):
        runs.append(x)
        return 1 if len(runs) == 1 and x > 0 else 0

    with pytest.raises(TraceError, match="differently"):
        trace(fickle, 1)


def test_errors_of_the_function_are_the_expressions():
    """A traced division by zero has no meaning, and says so."""
    with pytest.raises(FunctionError):
        trace(lambda x: 1 / x, 1)(0)
    assert issubclass(TraceError, ProgramError)


def test_tables_leave_out_what_raises():
    """A table holds the callable on every combination of defined values on which it returns."""
    made = tabulate(lambda x, y: f"{x}{10 // y}", [[None, 1, 2], [0, 5]])
    assert isinstance(made, Lookup) and made.rows == (((1, 5), "12"), ((2, 5), "22"))
    assert made(2, 5) == "22" and made(None, 5) is None
    with pytest.raises(FunctionError):
        made(1, 0)
    assert tabulate(lambda x: 1 / x, [[0, 2]], Lit(9))(0) == 9
    assert tabulate(lambda x: 1 / x, [[0, 2]], Lit(9))(None) is None
    with pytest.raises(TraceError, match="tuple"):
        tabulate(lambda x: (x,), [[1]])


def test_results_become_values():
    """Subclasses and numpy's scalars become plain values; whole floats become ints."""
    assert [as_value(v) for v in (np.bool_(True), np.int64(2), 2.0, np.str_("a"), None)] == [
        True,
        2,
        2,
        "a",
        None,
    ]
    assert [type(as_value(v)) for v in (np.bool_(True), np.int64(2), np.float64(0.5), np.str_("a"))] == [
        bool,
        int,
        float,
        str,
    ]


@pytest.mark.parametrize("f", [Lit(1), Arg(0), Apply("if", (Apply(">", (Arg(0), Lit(1))), Arg(1), Lit(2)))])
def test_undefined_is_passed_on(f):
    """The result is undefined exactly where an argument is; elsewhere nothing changes."""
    strict = passing_undefined(f, 2)
    assert strict(None, 1) is None and strict(1, None) is None and strict(2, None) is None
    assert strict(2, 3) == f(2, 3)
