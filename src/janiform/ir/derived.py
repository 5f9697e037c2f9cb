"""Builders for what programs are made of time and again, each a few nodes of the IR.

Source: Weiss et al. 2021, the RASP library; Lindner et al. 2023, Tracr's library.
"""

from __future__ import annotations

from janiform.ir.functions import Apply, Arg, Fn, Lit
from janiform.ir.nodes import (
    Aggregate,
    And,
    Const,
    Count,
    Indices,
    Map,
    Or,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
)

KEY, QUERY = Arg(0), Arg(1)


def compare(op: str) -> Fn:
    """Return the predicate ``key op query``.

    >>> compare("<")(1, 2)
    True
    """
    return Apply(op, (KEY, QUERY))


def apply(op: str, *args: Sequence | Value) -> Sequence:
    """Return the position-wise operation ``op`` on sequences and constants.

    >>> apply("+", Indices(), 1).fn
    Apply(op='+', args=(Arg(index=0), Lit(value=1)))
    """
    sequences = tuple(a for a in args if isinstance(a, Sequence))
    if not sequences:
        return Const(Apply(op, tuple(Lit(a) for a in args if not isinstance(a, Sequence)))())
    order = iter(range(len(sequences)))
    return Map(
        Apply(op, tuple(Arg(next(order)) if isinstance(a, Sequence) else Lit(a) for a in args)), sequences
    )


def select_all() -> Selector:
    """Return the selector of every pair.

    >>> from janiform.ir.evaluate import Run
    >>> Run(["ab"]).pattern(select_all())[0].tolist()
    [[True, True], [True, True]]
    """
    return Select(compare("=="), Const(1), Const(1))


def length() -> Sequence:
    """Return the input's length, at every position.

    >>> from janiform.ir.program import program
    >>> program(length())("abc")
    [3, 3, 3]
    """
    return Count(select_all())


def histogram(x: Sequence | None = None) -> Sequence:
    """Return how often each position's value occurs.

    >>> from janiform.ir.program import program
    >>> program(histogram())("hello")
    [1, 1, 2, 2, 1]
    """
    x = x or Tokens()
    return Count(Select(compare("=="), x, x))


def earlier() -> Selector:
    """Return the selector of the keys before the query."""
    return Select(compare("<"), Indices(), Indices())


def has_prev(x: Sequence | None = None) -> Sequence:
    """Return whether the value occurred before.

    >>> from janiform.ir.program import program
    >>> program(has_prev())("hello")
    [False, False, False, True, False]
    """
    x = x or Tokens()
    return apply(">", Count(And(Select(compare("=="), x, x), earlier())), 0)


def load(x: Sequence, position: Sequence | int, default: Value = None) -> Sequence:
    """Return the value of ``x`` at a position, ``default`` where there is no such position.

    >>> from janiform.ir.program import program
    >>> program(load(Tokens(), 1))("abc")
    'bbb'
    """
    place = position if isinstance(position, Sequence) else Const(position)
    return Aggregate(Select(compare("=="), Indices(), place), x, default)


def shift(x: Sequence, by: int, default: Value = None) -> Sequence:
    """Return ``x`` moved ``by`` positions to the right.

    >>> from janiform.ir.program import program
    >>> program(shift(Tokens(), 1, "-"))("abc")
    '-ab'
    """
    return load(x, apply("-", Indices(), by), default)


def reverse(x: Sequence | None = None) -> Sequence:
    """Return ``x`` from right to left.

    >>> from janiform.ir.program import program
    >>> program(reverse())("abc")
    'cba'
    """
    return load(x or Tokens(), apply("-", apply("-", length(), 1), Indices()))


def rank(x: Sequence | None = None) -> Sequence:
    """Return each position's place in sorted order, equal values from left to right.

    >>> from janiform.ir.program import program
    >>> program(rank())("bab")
    [1, 0, 2]
    """
    x = x or Tokens()
    return Count(Or(Select(compare("<"), x, x), And(Select(compare("=="), x, x), earlier())))


def sort(x: Sequence | None = None) -> Sequence:
    """Return ``x`` in ascending order.

    >>> from janiform.ir.program import program
    >>> program(sort())("hello")
    'ehllo'
    """
    x = x or Tokens()
    return Aggregate(Select(compare("=="), rank(x), Indices()), x)
