"""Elementwise functions and predicates as data: an expression tree whose leaves may be tables.

A function is a tree of ``Arg``, ``Lit``, ``Apply`` and ``Lookup``. It never holds a Python callable, so a program can be
printed, compared, stored and read back without running anybody's code.

Rules that hold for every operation:

- *Undefined* (``None``) is passed on, except by ``defined`` (a test) and by ``if``, ``and``, ``or``, which look at
  no more operands than they need, from left to right.
- Two numbers are equal when they differ by less than 1e-12 (relative above 1), so that 0.1 + 0.2 == 0.3 as in the
  mathematics; ``<``, ``floor``, ``round`` and look-ups follow the same rule. Whole results of arithmetic are ints.
- An operation without meaning on its operands (``1 / 0``, ``"a" + 1``) raises ``FunctionError``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

from janiform.errors import FunctionError, ProgramError
from janiform.ir.nodes import Interned, Value

TOLERANCE = 1e-12
T = TypeVar("T")


class Fn(metaclass=Interned):
    """Base of function expressions."""

    __slots__ = ("__weakref__",)
    arity: int

    @property
    def parts(self) -> tuple[Fn, ...]:
        """The sub-expressions, in order."""
        return ()

    def __call__(self, *args: Value) -> Value:
        """Apply the function to values.

        >>> Apply("+", (Arg(0), Lit(1)))(2)
        3
        """
        return _compiled(self)(args)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in type(self)._parts())


@dataclass_transform(frozen_default=True, eq_default=False)
def fn(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, slotted, interned function type compared by identity."""
    return dataclass(frozen=True, slots=True, eq=False)(cls)


@fn
class Arg(Fn):
    """The i-th argument."""

    index: int

    @property
    def arity(self) -> int:  # type: ignore[override]
        return self.index + 1


@fn
class Lit(Fn):
    """A constant."""

    value: Value
    arity: ClassVar[int] = 0  # type: ignore[misc]

    def __post_init__(self) -> None:
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ProgramError(f"{self.value} is not a value; numbers are finite")


@fn
class Apply(Fn):
    """A named operation on sub-expressions; the names are the keys of ``OPERATIONS``."""

    op: str
    args: tuple[Fn, ...]

    def __post_init__(self) -> None:
        known = OPERATIONS.get(self.op)
        if known is None:
            raise ProgramError(f"unknown operation {self.op!r}; known are {', '.join(sorted(OPERATIONS))}")
        low, high = known.arity
        if not low <= len(self.args) <= (high or len(self.args)):
            raise ProgramError(
                f"{self.op!r} takes {low if low == high else f'at least {low}'} operands, got {len(self.args)}"
            )

    @property
    def parts(self) -> tuple[Fn, ...]:
        return self.args

    @property
    def arity(self) -> int:  # type: ignore[override]
        return max((a.arity for a in self.args), default=0)


@fn
class Lookup(Fn):
    """An explicit table: the value beside the row whose keys equal the arguments, else ``default``.

    ``rows`` is a tuple of (keys, value); ``default`` is an expression, or None where other keys have no meaning.
    """

    args: tuple[Fn, ...]
    rows: tuple[tuple[tuple[Value, ...], Value], ...]
    default: Fn | None = None

    @property
    def parts(self) -> tuple[Fn, ...]:
        return self.args if self.default is None else (*self.args, self.default)

    @property
    def arity(self) -> int:  # type: ignore[override]
        return max((p.arity for p in self.parts), default=0)


# --- values ---------------------------------------------------------------------------------------------------------


def is_number(v: object) -> bool:
    """Whether ``v`` is an int or float; booleans are not numbers, though arithmetic takes them as 0 and 1."""
    return isinstance(v, int | float) and not isinstance(v, bool)


def canonical(v: Value) -> Value:
    """Return a whole float as an int; refuse infinities and not-a-number.

    >>> canonical(2.0), canonical(0.5), canonical(True)
    (2, 0.5, True)
    """
    if type(v) is float:
        if not math.isfinite(v):
            raise FunctionError(f"the result {v} is not a finite number")
        if v.is_integer() and abs(v) < 2.0**53:
            return int(v)
    return v


def identity(v: Value) -> Any:
    """Return a key under which a value is itself alone: ``True`` is not ``1``, ``1`` is ``1.0``.

    >>> identity(1) == identity(1.0), identity(True) == identity(1)
    (True, False)
    """
    return ("b", v) if isinstance(v, bool) else v


def same(a: Value, b: Value) -> bool:
    """Whether two values are equal, numbers up to the tolerance."""
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or (
            not (isinstance(a, int) and isinstance(b, int))
            and abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))
        )
    return type(a) is type(b) and a == b


def _less(a: Any, b: Any) -> bool:
    return bool(a < b) and not same(a, b)


def _whole(a: Any) -> int | None:
    """The integer that ``a`` equals up to the tolerance, if any."""
    n = math.floor(a + 0.5)
    return n if same(float(a), float(n)) else None


def _floor(a: Any) -> int:
    n = _whole(a)
    return math.floor(a) if n is None else n


def _ceil(a: Any) -> int:
    n = _whole(a)
    return math.ceil(a) if n is None else n


def _round(a: Any, digits: Any = 0) -> Any:
    """Half to even, as Python does, with halves recognized up to the tolerance."""
    scale = 10**digits
    twice = _whole(2 * a * scale)
    return round(twice / 2 if twice is not None else a * scale) / scale


def _modulo(a: Any, b: Any) -> Any:
    return a % b if isinstance(a, int) and isinstance(b, int) else a - b * _floor(a / b)


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, int) and not isinstance(b, bool) and b < 0:
        a = float(a)
    if abs(b) > 1024 or (abs(a) > 1 and abs(b) * math.log2(abs(a)) > 1024):
        raise OverflowError("too large a power")
    result = a**b
    if isinstance(result, complex):
        raise ValueError("a root of a negative number")
    return result


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    return _numeric(a) + _numeric(b)


def _numeric(a: Any) -> Any:
    if isinstance(a, str):
        raise TypeError(f"{a!r} is not a number")
    return a


def _arith(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: f(*map(_numeric, xs))


def _ordered(f: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def compare(a: Any, b: Any) -> bool:
        if isinstance(a, str) != isinstance(b, str):
            raise TypeError(f"{a!r} and {b!r} have no order")
        return f(a, b)

    return compare


def _extreme(better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def pick(first: Any, *rest: Any) -> Any:
        for x in rest:
            if better(x, first):
                first = x
        return first

    return pick


def _to_int(a: Any) -> int:
    n = None if isinstance(a, str) else _whole(a)
    return int(a) if n is None else n


def _to_str(a: Any) -> str:
    return str(canonical(a))


def _factorial(a: Any) -> int:
    n = _whole(_numeric(a))
    if n is None or not 0 <= n <= 170:
        raise ValueError("factorial takes a whole number from 0 to 170")
    return math.factorial(n)


# --- operations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operation does to defined values, and how many it takes (no upper limit when ``high`` is 0)."""

    run: Callable[..., Any]
    arity: tuple[int, int]


_LESS = _ordered(_less)
OPERATIONS: dict[str, Operation] = {
    "+": Operation(_add, (2, 2)),
    "-": Operation(_arith(lambda a, b: a - b), (2, 2)),
    "*": Operation(_arith(lambda a, b: a * b), (2, 2)),
    "/": Operation(_arith(lambda a, b: a / b), (2, 2)),
    "//": Operation(
        _arith(lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else _floor(a / b)), (2, 2)
    ),
    "%": Operation(_arith(_modulo), (2, 2)),
    "^": Operation(_arith(_power), (2, 2)),
    "neg": Operation(_arith(lambda a: -a), (1, 1)),
    "abs": Operation(_arith(abs), (1, 1)),
    "round": Operation(_arith(_round), (1, 2)),
    "floor": Operation(_arith(_floor), (1, 1)),
    "ceil": Operation(_arith(_ceil), (1, 1)),
    "min": Operation(_extreme(_LESS), (1, 0)),
    "max": Operation(_extreme(_ordered(lambda a, b: _less(b, a))), (1, 0)),
    "sqrt": Operation(_arith(math.sqrt), (1, 1)),
    "exp": Operation(_arith(math.exp), (1, 1)),
    "log": Operation(_arith(math.log), (1, 2)),
    "log2": Operation(_arith(math.log2), (1, 1)),
    "log10": Operation(_arith(math.log10), (1, 1)),
    "sin": Operation(_arith(math.sin), (1, 1)),
    "cos": Operation(_arith(math.cos), (1, 1)),
    "tan": Operation(_arith(math.tan), (1, 1)),
    "asin": Operation(_arith(math.asin), (1, 1)),
    "acos": Operation(_arith(math.acos), (1, 1)),
    "atan": Operation(_arith(math.atan), (1, 1)),
    "sinh": Operation(_arith(math.sinh), (1, 1)),
    "cosh": Operation(_arith(math.cosh), (1, 1)),
    "tanh": Operation(_arith(math.tanh), (1, 1)),
    "cbrt": Operation(_arith(math.cbrt), (1, 1)),
    "factorial": Operation(_factorial, (1, 1)),
    "==": Operation(same, (2, 2)),
    "!=": Operation(lambda a, b: not same(a, b), (2, 2)),
    "<": Operation(_LESS, (2, 2)),
    "<=": Operation(_ordered(lambda a, b: not _less(b, a)), (2, 2)),
    ">": Operation(_ordered(lambda a, b: _less(b, a)), (2, 2)),
    ">=": Operation(_ordered(lambda a, b: not _less(a, b)), (2, 2)),
    "not": Operation(lambda a: not a, (1, 1)),
    "and": Operation(lambda *xs: all(xs), (2, 0)),
    "or": Operation(lambda *xs: any(xs), (2, 0)),
    "if": Operation(lambda c, a, b: a if c else b, (3, 3)),
    "defined": Operation(lambda a: a is not None, (1, 1)),
    "in": Operation(lambda a, *xs: any(same(a, x) for x in xs), (1, 0)),
    "int": Operation(_to_int, (1, 1)),
    "float": Operation(float, (1, 1)),
    "str": Operation(_to_str, (1, 1)),
    "bool": Operation(bool, (1, 1)),
    "len": Operation(lambda s: len(str(s)), (1, 1)),
}
"""Every operation by its printed name."""

_LAZY = frozenset({"if", "and", "or", "defined"})
Run = Callable[[tuple[Value, ...]], Value]
_COMPILED: dict[Fn, Run] = {}


def _compiled(f: Fn) -> Run:
    """Return ``f`` as nested closures, made once for each live expression."""
    run = _COMPILED.get(f)
    if run is None:
        if len(_COMPILED) > 20_000:
            _COMPILED.clear()
        run = _COMPILED[f] = _build(f)
    return run


def _build(f: Fn) -> Run:
    match f:
        case Arg(index=i):
            return lambda args: args[i]
        case Lit(value=v):
            return lambda args: v
        case Lookup():
            return _build_lookup(f)
        case Apply(op=op, args=parts) if op in _LAZY:
            return _build_lazy(op, [_compiled(p) for p in parts])
        case Apply(op=op, args=parts):
            runs = [_compiled(p) for p in parts]
            operate = OPERATIONS[op].run

            def apply(args: tuple[Value, ...]) -> Value:
                xs = [r(args) for r in runs]
                if None in xs:
                    return None
                try:
                    return canonical(operate(*xs))
                except (TypeError, ValueError, ArithmeticError) as e:
                    shown = ", ".join(map(repr, xs))
                    raise FunctionError(f"{op!r} is undefined on ({shown}): {e}") from None

            return apply
    raise TypeError(f"unknown function expression {type(f).__name__}")


def _build_lazy(op: str, runs: list[Run]) -> Run:
    if op == "if":
        test, yes, no = runs

        def choose(args: tuple[Value, ...]) -> Value:
            c = test(args)
            return None if c is None else yes(args) if c else no(args)

        return choose
    if op == "defined":
        return lambda args: runs[0](args) is not None
    stop = op == "or"

    def connect(args: tuple[Value, ...]) -> Value:
        for r in runs:
            v = r(args)
            if v is None:
                return None
            if bool(v) is stop:
                return stop
        return not stop

    return connect


def _build_lookup(f: Lookup) -> Run:
    runs = [_compiled(p) for p in f.args]
    default = None if f.default is None else _compiled(f.default)
    table = {tuple(map(identity, keys)): v for keys, v in f.rows}

    def look(args: tuple[Value, ...]) -> Value:
        xs = tuple(r(args) for r in runs)
        key = tuple(map(identity, xs))
        if key in table:
            return table[key]
        if None in xs:
            return None
        for keys, v in f.rows if any(isinstance(x, float) for x in xs) else ():
            if all(same(a, b) for a, b in zip(keys, xs, strict=True)):
                return v
        if default is None:
            raise FunctionError(
                f"the table has no entry for {xs[0]!r}"
                if len(xs) == 1
                else f"the table has no entry for {xs!r}"
            )
        return default(args)

    return look


# --- building -------------------------------------------------------------------------------------------------------


def substitute(f: Fn, args: tuple[Fn, ...]) -> Fn:
    """Return ``f`` with ``args[i]`` in place of ``Arg(i)``.

    >>> substitute(Apply("+", (Arg(0), Arg(1))), (Arg(0), Lit(2)))
    Apply(op='+', args=(Arg(index=0), Lit(value=2)))
    """
    match f:
        case Arg(index=i):
            return args[i]
        case Lit():
            return f
        case Apply(op=op, args=parts):
            return Apply(op, tuple(substitute(p, args) for p in parts))
        case Lookup(args=parts, rows=rows, default=default):
            return Lookup(
                tuple(substitute(p, args) for p in parts),
                rows,
                None if default is None else substitute(default, args),
            )
    raise TypeError(f"unknown function expression {type(f).__name__}")


def table(rows: Iterable[tuple[tuple[Value, ...], Value]], arity: int, default: Fn | None = None) -> Lookup:
    """Return the look-up of the first ``arity`` arguments in ``rows``, its rows in a fixed order."""
    ordered = tuple(sorted(((tuple(k), v) for k, v in rows), key=lambda row: [order(x) for x in row[0]]))
    return Lookup(tuple(map(Arg, range(arity))), ordered, default)


def affine(f: Fn, arity: int) -> list[float] | None:
    """Return the slopes and the constant of ``f`` where its expression is linear in its arguments, else None.

    >>> affine(Apply("-", (Apply("-", (Arg(0), Arg(1))), Lit(1))), 2)
    [1.0, -1.0, -1.0]
    """
    match f:
        case Arg(index=i):
            return [1.0 if j == i else 0.0 for j in range(arity)] + [0.0]
        case Lit(value=v) if isinstance(v, int | float):
            return [0.0] * arity + [float(v)]
        case Apply(op="neg", args=(a,)):
            x = affine(a, arity)
            return None if x is None else [-c for c in x]
        case Apply(op="+" | "-" | "*" | "/" as op, args=(a, b)):
            x, y = affine(a, arity), affine(b, arity)
            if x is None or y is None:
                return None
            if op in "+-":
                return [c + d if op == "+" else c - d for c, d in zip(x, y, strict=True)]
            if op == "*" and not any(x[:-1]):
                x, y = y, x
            if any(y[:-1]) or (op == "/" and y[-1] == 0):
                return None
            return [c * y[-1] if op == "*" else c / y[-1] for c in x]
    return None


def order(v: Value) -> tuple[int, Any]:
    """A sort key over values of mixed type: undefined, booleans, numbers, strings."""
    return (0, 0) if v is None else (1, v) if isinstance(v, bool) else (2, v) if is_number(v) else (3, v)


__all__ = [
    "OPERATIONS",
    "Apply",
    "Arg",
    "Fn",
    "Lit",
    "Lookup",
    "affine",
    "canonical",
    "identity",
    "is_number",
    "order",
    "same",
    "substitute",
    "table",
]
