"""Tracr's language of RASP expressions: the same names and the same values, for ``tracr.rasp.rasp``.

Expressions hold Python callables, as Tracr's do; ``compiling.to_program`` turns them into a Janiform program. Beside
Tracr's there are two freedoms: evaluation visits each expression of a shared graph once, however deep the graph, and
the mean of equal values is that value, whatever its kind.

Source: Lindner et al. 2023 (Tracr); names and behavior follow its public interface.
"""

from __future__ import annotations

import abc
import copy as copying
import enum
import itertools
import logging
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from janiform.errors import ProgramError
from janiform.ir.nodes import Value

SelectorValue = list[list[bool]]
NumericValue = int | float
Annotator = Callable[["RASPExpr"], Any]
Predicate = Callable[[Any, Any], Any]
E = TypeVar("E", bound="RASPExpr")
S = TypeVar("S", bound="SOp")

DEFAULT_ANNOTATORS: dict[str, Annotator] = {}
"""What an annotation is where an expression was given none, by its key."""

_LOG = logging.getLogger(__name__)


class Annotations(Mapping[str, Any]):
    """Facts attached to an expression; a missing one is asked of its default annotator when first read."""

    def __init__(self, expr: RASPExpr, given: Mapping[str, Any]) -> None:
        self._expr = expr
        self._known = dict(given)

    def __getitem__(self, key: str) -> Any:
        if key not in self._known:
            if key not in DEFAULT_ANNOTATORS:
                known = ", ".join(sorted({*self._known, *DEFAULT_ANNOTATORS}))
                raise KeyError(f"no annotation {key!r}; there are {known}")
            self._known[key] = DEFAULT_ANNOTATORS[key](self._expr)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class RASPExpr(abc.ABC):
    """An expression; called on an input, it gives its value there."""

    kind: ClassVar[str] = ""
    _numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self) -> None:
        self._annotations = Annotations(self, {})
        self._unique_id: int | None = None

    def __call__(self, xs: Sequence[Value]) -> Any:
        """Evaluate the expression on ``xs``."""
        return evaluate(self, xs)

    @property
    @abc.abstractmethod
    def children(self) -> list[Any]:
        """The expressions that this one reads."""

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What is known of this expression beside its value."""
        return self._annotations

    @annotations.setter
    def annotations(self, annotations: Mapping[str, Any]) -> None:
        self._annotations = Annotations(self, annotations)

    @property
    def name(self) -> str:
        """The name it was given, or that of its kind."""
        return self.annotations["name"]

    @property
    def unique_id(self) -> int:
        """A number that no other expression has."""
        if self._unique_id is None:
            self._unique_id = next(RASPExpr._numbers)
        return self._unique_id

    @property
    def label(self) -> str:
        """The name made unique."""
        return f"{self.name}_{self.unique_id}"

    def copy(self: E) -> E:
        """Return another expression with the same children and annotations."""
        new = copying.copy(self)
        new._unique_id = None
        new._annotations = Annotations(new, self._annotations)
        return new

    def named(self: E, name: str) -> E:
        """Return a copy of that name."""
        return annotate(self, name=name)

    def annotated(self: E, **annotations: Any) -> E:
        """Return a copy with these annotations added."""
        return annotate(self, **annotations)


def annotate(expr: E, **annotations: Any) -> E:
    """Return a copy of ``expr`` with annotations added; the new ones win.

    >>> annotate(tokens, note=1).annotations["note"]
    1
    """
    new = expr.copy()
    new.annotations = {**expr.annotations, **annotations}
    return new


def _need(what: str, x: object, kind: type) -> None:
    if not isinstance(x, kind):
        wanted = "a selector" if kind is Selector else "a sequence operation"
        raise ProgramError(f"{what} must be {wanted}, got {type(x).__name__}")


def _need_function(f: object) -> None:
    if not callable(f) or isinstance(f, RASPExpr):
        raise ProgramError(f"a map needs a function, got {type(f).__name__}")


# --- sequence operations --------------------------------------------------------------------------------------------------


class SOp(RASPExpr):
    """An expression with one value at each position; operators on it work position by position."""

    kind = "sop"
    __hash__ = object.__hash__

    def __lt__(self, other: Any) -> SOp:
        return Map(lambda x: x < other, self)

    def __le__(self, other: Any) -> SOp:
        return Map(lambda x: x <= other, self)

    def __gt__(self, other: Any) -> SOp:
        return Map(lambda x: x > other, self)

    def __ge__(self, other: Any) -> SOp:
        return Map(lambda x: x >= other, self)

    def __eq__(self, other: Any) -> SOp:  # type: ignore[override]
        return Map(lambda x: x == other, self)

    def __ne__(self, other: Any) -> SOp:  # type: ignore[override]
        return Map(lambda x: x != other, self)

    def __add__(self, other: Any) -> SOp:
        return _pointwise(operator.add, self, other)

    def __radd__(self, other: Any) -> SOp:
        return _pointwise(operator.add, other, self)

    def __sub__(self, other: Any) -> SOp:
        return _pointwise(operator.sub, self, other)

    def __rsub__(self, other: Any) -> SOp:
        return _pointwise(operator.sub, other, self)

    def __mul__(self, other: Any) -> SOp:
        return _pointwise(operator.mul, self, other)

    def __rmul__(self, other: Any) -> SOp:
        return _pointwise(operator.mul, other, self)

    def __truediv__(self, other: Any) -> SOp:
        return _pointwise(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> SOp:
        return _pointwise(operator.truediv, other, self)

    def __and__(self, other: Any) -> SOp:
        return _pointwise(lambda x, y: x and y, self, other)

    def __rand__(self, other: Any) -> SOp:
        return _pointwise(lambda x, y: x and y, other, self)

    def __or__(self, other: Any) -> SOp:
        return _pointwise(lambda x, y: x or y, self, other)

    def __ror__(self, other: Any) -> SOp:
        return _pointwise(lambda x, y: x or y, other, self)

    def __invert__(self) -> SOp:
        return sop_not(self)


def _pointwise(f: Callable[[Any, Any], Any], left: Any, right: Any) -> SOp:
    """Apply ``f`` to two expressions, or to one and a value."""
    if isinstance(left, SOp) and isinstance(right, SOp):
        return SequenceMap(f, left, right)
    return Map(lambda x: f(x, right), left) if isinstance(left, SOp) else Map(lambda x: f(left, x), right)


class Primitive(SOp):
    """An expression that reads no other and has one fixed label."""

    @property
    def children(self) -> list[RASPExpr]:
        return []

    @property
    def label(self) -> str:
        return self.kind

    def __repr__(self) -> str:
        return self.kind


class TokensType(Primitive):
    """The input."""

    kind = "tokens"


class IndicesType(Primitive):
    """The positions 0, 1, 2, ..."""

    kind = "indices"


class LengthType(Primitive):
    """The length of the input, at every position."""

    kind = "length"


tokens = TokensType()
indices = IndicesType()
length = LengthType()


class Composition:
    """Functions applied one after the other; a loop, so that a thousand of them do not exhaust the stack."""

    def __init__(self, *functions: Callable[[Any], Any]) -> None:
        self.functions: list[Callable[[Any], Any]] = []
        for f in functions:
            self.functions += f.functions if isinstance(f, Composition) else [f]

    def __call__(self, x: Any) -> Any:
        for f in self.functions:
            x = f(x)
        return x


class Map(SOp):
    """A function of one value at each position; a map of a map becomes one map unless ``simplify`` is false."""

    kind = "map"

    def __init__(self, f: Callable[[Any], Any], inner: SOp, simplify: bool = True) -> None:
        super().__init__()
        _need("the argument of a map", inner, SOp)
        _need_function(f)
        merged = simplify and isinstance(inner, Map)
        self.f: Callable[[Any], Any] = Composition(inner.f, f) if merged else f  # type: ignore[attr-defined]
        self.inner: SOp = inner.inner if merged else inner  # type: ignore[attr-defined]

    @property
    def children(self) -> list[RASPExpr]:
        return [self.inner]


class SequenceMap(SOp):
    """A function of two values at each position."""

    kind = "sequence_map"

    def __init__(self, f: Callable[[Any, Any], Any], fst: SOp, snd: SOp) -> None:
        super().__init__()
        _need("the first argument of a sequence map", fst, SOp)
        _need("the second argument of a sequence map", snd, SOp)
        _need_function(f)
        if fst is snd:
            _LOG.warning("both arguments of a sequence map are the same expression; a map says it with one")
        self.f, self.fst, self.snd = f, fst, snd

    @property
    def children(self) -> list[RASPExpr]:
        return [self.fst, self.snd]


class LinearSequenceMap(SequenceMap):
    """``fst_fac`` times one value plus ``snd_fac`` times another."""

    kind = "linear_sequence_map"

    def __init__(self, fst: SOp, snd: SOp, fst_fac: float, snd_fac: float) -> None:
        super().__init__(lambda x, y: fst_fac * x + snd_fac * y, fst, snd)
        self.fst_fac, self.snd_fac = fst_fac, snd_fac


class NaryMap(SOp):
    """A function of any number of values at each position; Tracr has none, its library makes do with tuples."""

    kind = "nary_map"

    def __init__(self, f: Callable[..., Any], *sops: SOp) -> None:
        super().__init__()
        _need_function(f)
        for s in sops:
            _need("an argument of a map", s, SOp)
        self.f, self.sops = f, list(sops)

    @property
    def children(self) -> list[RASPExpr]:
        return list(self.sops)


class Full(SOp):
    """The same value at every position."""

    kind = "full"

    def __init__(self, fill: Value) -> None:
        super().__init__()
        self.fill = fill

    @property
    def children(self) -> list[RASPExpr]:
        return []


class ConstantSOp(SOp):
    """Given values, one for each position."""

    kind = "constant_sop"

    def __init__(self, value: Sequence[Any], check_length: bool = True) -> None:
        super().__init__()
        self.value, self.check_length = value, check_length

    @property
    def children(self) -> list[RASPExpr]:
        return []


class SelectorWidth(SOp):
    """How many keys each query selects."""

    kind = "selector_width"

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        _need("the argument of a selector width", selector, Selector)
        self.selector = selector

    @property
    def children(self) -> list[RASPExpr]:
        return [self.selector]


class Aggregate(SOp):
    """The mean of the values at the selected keys; ``default`` where none is selected."""

    kind = "aggregate"

    def __init__(self, selector: Selector, sop: SOp, default: Value = None) -> None:
        super().__init__()
        _need("the selector of an aggregate", selector, Selector)
        _need("the values of an aggregate", sop, SOp)
        if not (default is None or isinstance(default, str | float | bool | int)):
            raise ProgramError(f"a default is a value, got {type(default).__name__}")
        self.selector, self.sop, self.default = selector, sop, default

    @property
    def children(self) -> list[RASPExpr]:
        return [self.selector, self.sop]


def sop_not(sop: SOp) -> SOp:
    """Return the logical negation, position by position.

    >>> sop_not(tokens)([True, False])
    [False, True]
    """
    return Map(operator.not_, sop)


# --- selectors ------------------------------------------------------------------------------------------------------------


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
        _need("the keys of a select", keys, SOp)
        _need("the queries of a select", queries, SOp)
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
        _need("the first operand", fst, Selector)
        _need("the second operand", snd, Selector)
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
        _need("the operand of a negation", inner, Selector)
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


# --- encodings and names --------------------------------------------------------------------------------------------------


class Encoding(enum.Enum):
    """How Tracr is asked to hold a sequence: one-hot, or as a number. Janiform decides for itself."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


def numerical(sop: S) -> S:
    """Return a copy annotated as numerical."""
    return annotate(sop, encoding=Encoding.NUMERICAL)


def categorical(sop: S) -> S:
    """Return a copy annotated as categorical."""
    return annotate(sop, encoding=Encoding.CATEGORICAL)


def get_encoding(sop: SOp) -> Encoding:
    """Return the annotated encoding; categorical unless said otherwise."""
    return sop.annotations["encoding"]


def is_numerical(sop: SOp) -> bool:
    """Whether the annotated encoding is numerical."""
    return get_encoding(sop) is Encoding.NUMERICAL


def is_categorical(sop: SOp) -> bool:
    """Whether the annotated encoding is categorical."""
    return get_encoding(sop) is Encoding.CATEGORICAL


def default_encoding(expr: RASPExpr) -> Encoding:
    """Return the encoding of an expression that was given none."""
    if not isinstance(expr, SOp):
        raise TypeError(f"only a sequence operation has an encoding, not a {type(expr).__name__}")
    return Encoding.CATEGORICAL


def default_name(expr: RASPExpr) -> str:
    """Return the name of an expression that was given none.

    >>> default_name(tokens == 1)
    'map'
    """
    if not expr.kind:
        raise NotImplementedError(f"{type(expr).__name__} is no kind of expression with a name")
    return expr.kind


DEFAULT_ANNOTATORS["encoding"] = default_encoding
DEFAULT_ANNOTATORS["name"] = default_name


# --- evaluation -----------------------------------------------------------------------------------------------------------


def descendants(expr: RASPExpr) -> Iterator[RASPExpr]:
    """Yield every expression under ``expr`` once, children before those that read them."""
    done: set[int] = set()
    stack: list[tuple[RASPExpr, bool]] = [(expr, False)]
    while stack:
        e, ready = stack.pop()
        if id(e) in done:
            continue
        if ready:
            done.add(id(e))
            yield e
        else:
            stack.append((e, True))
            stack.extend((c, False) for c in reversed(e.children) if id(c) not in done)


class RASPEvaluator(abc.ABC):
    """What can evaluate an expression on an input."""

    @abc.abstractmethod
    def evaluate(self, expr: RASPExpr, xs: Sequence[Value]) -> Any:
        """Return the value of ``expr`` on ``xs``."""


class DefaultRASPEvaluator(RASPEvaluator):
    """Evaluate with bidirectional selectors, each expression of a graph once.

    A subclass may change ``evaluate`` or the ``eval_`` method of a kind; both then hold for every subexpression.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Any, RASPExpr, Sequence[Value]]] = {}
        self._depth = 0

    def evaluate(self, expr: RASPExpr, xs: Sequence[Value]) -> Any:
        """Return the value of ``expr`` on ``xs``: a list, or for a selector a list of rows."""
        key = (id(expr), id(xs))
        if key in self._known:
            return self._known[key][0]
        self._depth += 1
        try:
            for e in descendants(expr) if self._depth == 1 else ():
                if e is not expr:
                    self.evaluate(e, xs)
            method = getattr(self, f"eval_{expr.kind}", None)
            if method is None:
                raise NotImplementedError(f"there is no evaluation of a {type(expr).__name__}")
            self._known[key] = (method(expr, xs), expr, xs)
            return self._known[key][0]
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._known.clear()

    def eval_tokens(self, sop: TokensType, xs: Sequence[Value]) -> list[Value]:
        return list(xs)

    def eval_indices(self, sop: IndicesType, xs: Sequence[Value]) -> list[Value]:
        return list(range(len(xs)))

    def eval_length(self, sop: LengthType, xs: Sequence[Value]) -> list[Value]:
        return [len(xs)] * len(xs)

    def eval_full(self, sop: Full, xs: Sequence[Value]) -> list[Value]:
        return [sop.fill] * len(xs)

    def eval_constant_sop(self, sop: ConstantSOp, xs: Sequence[Value]) -> Sequence[Value]:
        _check_length(sop, xs)
        return sop.value

    def eval_map(self, sop: Map, xs: Sequence[Value]) -> list[Value]:
        return [None if x is None else sop.f(x) for x in self.evaluate(sop.inner, xs)]

    def eval_sequence_map(self, sop: SequenceMap, xs: Sequence[Value]) -> list[Value]:
        pairs = zip(self.evaluate(sop.fst, xs), self.evaluate(sop.snd, xs), strict=False)
        return [None if x is None or y is None else sop.f(x, y) for x, y in pairs]

    def eval_linear_sequence_map(self, sop: LinearSequenceMap, xs: Sequence[Value]) -> list[Value]:
        return self.eval_sequence_map(sop, xs)

    def eval_nary_map(self, sop: NaryMap, xs: Sequence[Value]) -> list[Value]:
        rows = zip(*(self.evaluate(s, xs) for s in sop.sops), strict=False)
        return [None if any(x is None for x in row) else sop.f(*row) for row in rows]

    def eval_selector_width(self, sop: SelectorWidth, xs: Sequence[Value]) -> list[Value]:
        return [sum(row) for row in self.evaluate(sop.selector, xs)]

    def eval_aggregate(self, sop: Aggregate, xs: Sequence[Value]) -> list[Value]:
        values = self.evaluate(sop.sop, xs)
        rows = self.evaluate(sop.selector, xs)
        return [_mean([v for chosen, v in zip(r, values, strict=False) if chosen], sop.default) for r in rows]

    def eval_select(self, sel: Select, xs: Sequence[Value]) -> SelectorValue:
        keys, queries = self.evaluate(sel.keys, xs), self.evaluate(sel.queries, xs)
        return [[bool(sel.predicate(key, query)) for key in keys] for query in queries]

    def eval_constant_selector(self, sel: ConstantSelector, xs: Sequence[Value]) -> SelectorValue:
        _check_length(sel, xs)
        return sel.value

    def eval_selector_and(self, sel: SelectorAnd, xs: Sequence[Value]) -> SelectorValue:
        return _pairwise(operator.and_, self.evaluate(sel.fst, xs), self.evaluate(sel.snd, xs))

    def eval_selector_or(self, sel: SelectorOr, xs: Sequence[Value]) -> SelectorValue:
        return _pairwise(operator.or_, self.evaluate(sel.fst, xs), self.evaluate(sel.snd, xs))

    def eval_selector_not(self, sel: SelectorNot, xs: Sequence[Value]) -> SelectorValue:
        return [[not chosen for chosen in row] for row in self.evaluate(sel.inner, xs)]


def _check_length(expr: ConstantSOp | ConstantSelector, xs: Sequence[Value]) -> None:
    if expr.check_length and len(expr.value) != len(xs):
        raise ValueError(f"Constant len {len(expr.value)} doesn't match input len {len(xs)}.")


def _pairwise(f: Callable[[bool, bool], bool], a: SelectorValue, b: SelectorValue) -> SelectorValue:
    return [[f(bool(x), bool(y)) for x, y in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def _mean(values: list[Any], default: Value) -> Any:
    if not values:
        return default
    if len(values) == 1:
        return values[0]
    if all(isinstance(v, int | float) for v in values):
        return sum(values) / len(values)
    if isinstance(values[0], str) and all(v == values[0] for v in values):
        return values[0]
    raise ValueError(f"the mean of {values} has no meaning: they are not numbers, nor one string")


def evaluate(expr: RASPExpr, xs: Sequence[Value]) -> Any:
    """Return the value of ``expr`` on ``xs``.

    >>> evaluate(tokens + "!", "ab")
    ['a!', 'b!']
    """
    return DefaultRASPEvaluator().evaluate(expr, xs)
