"""The language embedded in Python: programs that read like the mathematics, and show their value as they are written.

A ``Series`` is a value at each position, a ``Selection`` a choice of keys for each query. A condition on ``key(x)`` and
``query(y)`` is a selection; operators on series are position-wise. Every object is frozen, and its repr is what it is on
an example.

Source: the surface of raspy (Rush & Weiss 2023), on the semantics of Weiss et al. 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from janiform.errors import JaniformError, ProgramError
from janiform.ir import derived
from janiform.ir.evaluate import Run
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Count,
    Indices,
    Map,
    Not,
    Or,
    Reduce,
    Rule,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
)
from janiform.ir.program import Program
from janiform.text.arithmetic import NO_TRUTH, Arithmetic
from janiform.text.grid import grid
from janiform.text.trace import TraceError, as_value, passing_undefined, tabulate, trace

EXAMPLE = "hello"
"""The input on which objects show themselves."""

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Series(Arithmetic):
    """A value at each position.

    >>> tokens == "l"
    [False, False, True, True, False]
    >>> (indices + 1) * 2
    [2, 4, 6, 8, 10]
    """

    node: Sequence

    def _apply(self, op: str, *operands: Any) -> Series:
        return Series(derived.apply(op, *(_operand(x) for x in operands)))

    def __and__(self, other: Any) -> Series:
        return self._apply("and", self, other)

    def __rand__(self, other: Any) -> Series:
        return self._apply("and", other, self)

    def __or__(self, other: Any) -> Series:
        return self._apply("or", self, other)

    def __ror__(self, other: Any) -> Series:
        return self._apply("or", other, self)

    def __invert__(self) -> Series:
        return self._apply("not", self)

    def isin(self, values: Iterable[Value]) -> Series:
        """Return whether the value is one of several.

        >>> tokens.isin("aeiou")
        [False, True, False, False, True]
        """
        return self._apply("in", self, *values)

    def defined(self) -> Series:
        """Return whether there is a value."""
        return self._apply("defined", self)

    def program(self, name: str = "output") -> Program:
        """Return the program whose output this is."""
        return Program({name: self.node})

    def compile(self, vocab: Iterable[Value], max_len: int, **options: Any) -> Any:
        """Compile to a pair; see ``Program.compile``."""
        return self.program().compile(vocab=vocab, max_len=max_len, **options)

    def __call__(self, tokens: Any, *, causal: bool = False) -> Any:
        """Return the value on an input.

        >>> (indices % 2)("abc")
        [0, 1, 0]
        """
        return self.program()(tokens, causal=causal)

    def __repr__(self) -> str:
        try:
            return repr(Run([EXAMPLE]).values(self.node)[0])
        except JaniformError as e:
            return f"<series without a value on {EXAMPLE!r}: {e}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selection:
    """A choice of keys for each query; ``&``, ``|`` and ``~`` combine.

    >>> select(key(tokens) == query(tokens))
        h e l l o
    h | 1 0 0 0 0
    e | 0 1 0 0 0
    l | 0 0 1 1 0
    l | 0 0 1 1 0
    o | 0 0 0 0 1
    """

    node: Selector

    def __and__(self, other: Selection) -> Selection:
        return Selection(And(self.node, _selection(other)))

    def __or__(self, other: Selection) -> Selection:
        return Selection(Or(self.node, _selection(other)))

    def __invert__(self) -> Selection:
        return Selection(Not(self.node))

    def __bool__(self) -> bool:
        raise ProgramError(NO_TRUTH.format(what="selection"))

    def count(self) -> Series:
        """Return how many keys are selected (the selector width)."""
        return Series(Count(self.node))

    def value(self, x: Any, default: Value = None, reduce: Reduce = "mean") -> Series:
        """Return what is selected: the one value, or the mean of several numbers.

        >>> select(key(indices) == query(indices) - 1).value(tokens, default="-")
        ['-', 'h', 'e', 'l', 'l']
        """
        return Series(Aggregate(self.node, _series(x).node, _constant(default), reduce))

    def sum(self, x: Any, default: Value = 0) -> Series:
        """Return the sum of the selected numbers."""
        return self.value(x, default, "sum")

    def min(self, x: Any, default: Value = None) -> Series:
        """Return the smallest selected value."""
        return self.value(x, default, "min")

    def max(self, x: Any, default: Value = None) -> Series:
        """Return the largest selected value."""
        return self.value(x, default, "max")

    def best(self, rule: Rule, score: Series | None = None) -> Selection:
        """Return the selection of one key of those selected, by a rule."""
        return Selection(Best(self.node, rule, None if score is None else _series(score).node))

    def __repr__(self) -> str:
        try:
            return grid(Run([EXAMPLE]).pattern(self.node)[0], tuple(EXAMPLE))
        except JaniformError as e:
            return f"<selection without a value on {EXAMPLE!r}: {e}>"


@dataclass(frozen=True, slots=True, eq=False)
class Side(Arithmetic):
    """A series seen at the key or at the query; compared with one seen at the other, it makes a selection."""

    role: Literal["key", "query"]
    series: Series

    def __call__(self, x: Any) -> Side:
        """Return a series as this side sees it.

        >>> select(key == query).count()
        [1, 1, 2, 2, 1]
        """
        return Side(self.role, _series(x))

    def _apply(self, op: str, *operands: Any) -> Any:
        sides = [x for x in operands if isinstance(x, Side)]
        if op in ("==", "!=", "<", "<=", ">", ">="):
            return _compare(op, *operands)
        if any(isinstance(x, Series) for x in operands):
            raise ProgramError(f"{op!r} mixes {self.role}(..) with a bare series; put it inside")
        if {s.role for s in sides} == {"key", "query"}:
            raise ProgramError(f"{op!r} mixes key(..) with query(..); put them on two sides of a comparison")
        return Side(self.role, Series.__dict__["_apply"](self.series, op, *(_plain(x) for x in operands)))


def _compare(op: str, a: Any, b: Any) -> Selection:
    """Compare a side with the other side, or with a constant."""
    if not isinstance(a, Side):
        a, b, op = b, a, FLIPPED.get(op, op)
    if isinstance(b, Series):
        other = "query" if a.role == "key" else "key"
        raise ProgramError(f"a {a.role} is compared with a bare series; say {other}(..) of it")
    if isinstance(b, Side) and a.role == b.role:
        raise ProgramError(
            f"a {a.role} is compared with another {a.role}; a selection relates a key to a query"
        )
    other_node = b.series.node if isinstance(b, Side) else Const(_operand(b))
    if a.role == "query":
        return Selection(Select(derived.compare(FLIPPED.get(op, op)), other_node, a.series.node))
    return Selection(Select(derived.compare(op), a.series.node, other_node))


def _plain(x: Any) -> Any:
    return x.series if isinstance(x, Side) else x


def _operand(x: Any) -> Any:
    if isinstance(x, Series):
        return x.node
    if isinstance(x, Selection):
        raise ProgramError("a selection stands where a series is due; count() or value(x) make one of it")
    if isinstance(x, Side):
        raise ProgramError(
            f"{x.role}(..) stands outside a selection; select(key(..) == query(..)) takes both sides"
        )
    return _constant(x)


def _constant(x: Any) -> Value:
    """Return a plain value, out of numpy too; refuse what is none."""
    try:
        return as_value(x)
    except TraceError:
        raise ProgramError(
            f"a {type(x).__name__.lower()} stands where a value is due: a bool, int, float or str"
        ) from None


def _series(x: Any) -> Series:
    operand = _operand(x)
    return x if isinstance(x, Series) else Series(Const(operand))


def _selection(x: Any) -> Selector:
    if isinstance(x, Selection):
        return x.node
    raise ProgramError(
        f"a {type(x).__name__.lower()} stands where a selection is due; write select(key(..) == query(..))"
    )


# --- words ----------------------------------------------------------------------------------------------------------

tokens = Series(Tokens())
indices = Series(Indices())
length = Series(derived.length())


key = Side("key", tokens)
"""``key(x)`` is a series as the keys see it; ``key`` alone is the key's token."""

query = Side("query", tokens)
"""``query(x)`` is a series as the queries see it; ``query`` alone is the query's token."""


def select(condition: Selection) -> Selection:
    """Return the selection of the keys that fulfil a condition.

    >>> select(key(tokens) == query(tokens)).count()
    [1, 1, 2, 2, 1]
    """
    return Selection(_selection(condition))


def aggregate(selection: Selection, x: Any, default: Value = None, reduce: Reduce = "mean") -> Series:
    """Return what is selected of a series.

    >>> aggregate(select(key(indices) == query(length - 1 - indices)), tokens)
    ['o', 'l', 'l', 'e', 'h']
    """
    return Selection(_selection(selection)).value(x, default, reduce)


def selector_width(selection: Selection) -> Series:
    """Return how many keys are selected."""
    return Selection(_selection(selection)).count()


def const(value: Value) -> Series:
    """Return the same value at every position."""
    return Series(Const(_constant(value)))


def where(condition: Any, yes: Any, no: Any) -> Series:
    """Return one series where a condition holds and another elsewhere.

    >>> where(indices < 2, tokens, "?")
    ['h', 'e', '?', '?', '?']
    """
    return Series(derived.apply("if", *(_operand(x) for x in (condition, yes, no))))


def map(function: Callable[..., Any], *xs: Any, over: Iterable[Value] | None = None) -> Series:
    """Apply a Python function position by position; it is turned into an expression, or into a table ``over`` values.

    >>> map(lambda i: "even" if i % 2 == 0 else "odd", indices)
    ['even', 'odd', 'even', 'odd', 'even']
    >>> map(str.upper, tokens, over="helo")
    ['H', 'E', 'L', 'L', 'O']
    """
    nodes = tuple(_series(x).node for x in xs)
    if over is None:
        traced = passing_undefined(trace(function, len(nodes)), len(nodes))
        return Series(Map(traced, nodes))
    values = list(over)
    return Series(Map(tabulate(function, [values] * len(nodes)), nodes))


__all__ = [
    "Selection",
    "Series",
    "Side",
    "aggregate",
    "const",
    "indices",
    "key",
    "length",
    "map",
    "query",
    "select",
    "selector_width",
    "tokens",
    "where",
]
