"""Sequence operations of Tracr's language that read no selector, and their encodings."""

from __future__ import annotations

import enum
import logging
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from janiform.errors import ProgramError
from janiform.interop.tracr.expressions import DEFAULT_ANNOTATORS, RASPExpr, annotate, need
from janiform.ir.nodes import Value

S = TypeVar("S", bound="SOp")

_LOG = logging.getLogger(__name__)


def _need_function(f: object) -> None:
    if not callable(f) or isinstance(f, RASPExpr):
        raise ProgramError(f"a map needs a function, got {type(f).__name__}")


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
        need("the argument of a map", inner, SOp)
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
        need("the first argument of a sequence map", fst, SOp)
        need("the second argument of a sequence map", snd, SOp)
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
            need("an argument of a map", s, SOp)
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


def sop_not(sop: SOp) -> SOp:
    """Return the logical negation, position by position.

    >>> sop_not(tokens)([True, False])
    [False, True]
    """
    return Map(operator.not_, sop)


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


DEFAULT_ANNOTATORS["encoding"] = default_encoding
