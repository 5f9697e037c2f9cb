"""Selectors of Tracr's language, and the sequence operations that read them."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from typing import Any

from janiform.errors import ProgramError
from janiform.interop.tracr.expressions import RASPExpr, need
from janiform.interop.tracr.sops import Full, SOp
from janiform.ir.nodes import Value

SelectorValue = list[list[bool]]
Predicate = Callable[[Any, Any], Any]


class Comparison(enum.Enum):
    """The comparisons of a key with a query that have a name."""

    EQ = "=="
    LT = "<"
    LEQ = "<="
    GT = ">"
    GEQ = ">="
    NEQ = "!="
    TRUE = "True"
    FALSE = "False"

    def __call__(self, key: Any, query: Any) -> Any:
        """Compare; undefined values are refused.

        >>> Comparison.LT(1, 2)
        True
        """
        for what, value in (("key", key), ("query", query)):
            if value is None:
                raise ValueError(f"{what} is None: a comparison of undefined values has no meaning")
        return _COMPARE[self](key, query)


_COMPARE: dict[Comparison, Predicate] = {
    Comparison.EQ: operator.eq,
    Comparison.LT: operator.lt,
    Comparison.LEQ: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GEQ: operator.ge,
    Comparison.NEQ: operator.ne,
    Comparison.TRUE: lambda key, query: True,
    Comparison.FALSE: lambda key, query: False,
}


class Selector(RASPExpr):
    """An expression with one boolean for each pair of a query and a key."""

    kind = "selector"

    def __and__(self, other: Selector) -> Selector:
        return selector_and(self, other)

    def __rand__(self, other: Selector) -> Selector:
        return selector_and(other, self)

    def __or__(self, other: Selector) -> Selector:
        return selector_or(self, other)

    def __ror__(self, other: Selector) -> Selector:
        return selector_or(other, self)

    def __invert__(self) -> Selector:
        return selector_not(self)


class Select(Selector):
    """The pairs for which ``predicate(key, query)`` is true."""

    kind = "select"

    def __init__(self, keys: SOp, queries: SOp, predicate: Predicate) -> None:
        super().__init__()
        need("the keys of a select", keys, SOp)
        need("the queries of a select", queries, SOp)
        self.keys, self.queries, self.predicate = keys, queries, predicate

    @property
    def children(self) -> list[RASPExpr]:
        return [self.keys, self.queries]


class ConstantSelector(Selector):
    """Given booleans, a row for each query."""

    kind = "constant_selector"

    def __init__(self, value: SelectorValue, check_length: bool = True) -> None:
        super().__init__()
        self.value, self.check_length = value, check_length

    @property
    def children(self) -> list[RASPExpr]:
        return []


class _Joined(Selector):
    """Two selectors, pair by pair."""

    def __init__(self, fst: Selector, snd: Selector) -> None:
        super().__init__()
        need("the first operand", fst, Selector)
        need("the second operand", snd, Selector)
        self.fst, self.snd = fst, snd

    @property
    def children(self) -> list[RASPExpr]:
        return [self.fst, self.snd]


class SelectorAnd(_Joined):
    """The pairs that both select."""

    kind = "selector_and"


class SelectorOr(_Joined):
    """The pairs that either selects."""

    kind = "selector_or"


class SelectorNot(Selector):
    """The pairs that are not selected."""

    kind = "selector_not"

    def __init__(self, inner: Selector) -> None:
        super().__init__()
        need("the operand of a negation", inner, Selector)
        self.inner = inner

    @property
    def children(self) -> list[RASPExpr]:
        return [self.inner]


class JoinedPredicate:
    """Predicates under ``and``, ``or`` or ``not``, with constants put in for keys or queries.

    What several of them share is asked once a pair, and only where Python's own ``and`` and ``or`` would ask it.
    """

    def __init__(self, op: str, *parts: Select) -> None:
        self.op, self.parts = op, parts

    def __call__(self, key: Any, query: Any) -> Any:
        return self.ask(key, query, {})

    def ask(self, key: Any, query: Any, known: dict[tuple[int, int, int], Any]) -> Any:
        """Answer for one pair, with what is known of the others."""
        result: Any = None
        for s in self.parts:
            result = _answer(s, key, query, known)
            if self.op == "not":
                return not result
            if bool(result) is (self.op == "or"):
                break
        return result


def _answer(s: Select, key: Any, query: Any, known: dict[tuple[int, int, int], Any]) -> Any:
    key = s.keys.fill if isinstance(s.keys, Full) else key
    query = s.queries.fill if isinstance(s.queries, Full) else query
    place = (id(s.predicate), id(key), id(query))
    if place not in known:
        p = s.predicate
        known[place] = p.ask(key, query, known) if isinstance(p, JoinedPredicate) else p(key, query)
    return known[place]


def selector_not(inner: Selector, simplify: bool = True) -> Selector:
    """Return the pairs that ``inner`` does not select: of one select, by negating its predicate."""
    if simplify and isinstance(inner, Select):
        return Select(inner.keys, inner.queries, JoinedPredicate("not", inner))
    return SelectorNot(inner)


def selector_and(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """Return the pairs that both select: as one select where both read the same.

    >>> from janiform.interop.tracr.rasp import indices, tokens
    >>> diagonal = selector_and(Select(tokens, indices, Comparison.GEQ), Select(tokens, indices, Comparison.LEQ))
    >>> diagonal.name, diagonal([0, 1])
    ('select', [[True, False], [False, True]])
    """
    joined = _one_select(fst, snd, "and") if simplify else None
    return SelectorAnd(fst, snd) if joined is None else joined


def selector_or(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """Return the pairs that either selects: as one select where both read the same."""
    joined = _one_select(fst, snd, "or") if simplify else None
    return SelectorOr(fst, snd) if joined is None else joined


def _one_select(fst: Selector, snd: Selector, op: str) -> Select | None:
    """Both as one select, where keys and queries are the same expressions or one of them is constant."""
    if not (isinstance(fst, Select) and isinstance(snd, Select)):
        return None
    keys, queries = _shared(fst.keys, snd.keys), _shared(fst.queries, snd.queries)
    if keys is None or queries is None:
        return None
    return Select(keys, queries, JoinedPredicate(op, fst, snd))


def _shared(a: SOp, b: SOp) -> SOp | None:
    if a is b or isinstance(b, Full):
        return a
    return b if isinstance(a, Full) else None


class SelectorWidth(SOp):
    """How many keys each query selects."""

    kind = "selector_width"

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        need("the argument of a selector width", selector, Selector)
        self.selector = selector

    @property
    def children(self) -> list[RASPExpr]:
        return [self.selector]


class Aggregate(SOp):
    """The mean of the values at the selected keys; ``default`` where none is selected."""

    kind = "aggregate"

    def __init__(self, selector: Selector, sop: SOp, default: Value = None) -> None:
        super().__init__()
        need("the selector of an aggregate", selector, Selector)
        need("the values of an aggregate", sop, SOp)
        if not (default is None or isinstance(default, str | float | bool | int)):
            raise ProgramError(f"a default is a value, got {type(default).__name__}")
        self.selector, self.sop, self.default = selector, sop, default

    @property
    def children(self) -> list[RASPExpr]:
        return [self.selector, self.sop]
