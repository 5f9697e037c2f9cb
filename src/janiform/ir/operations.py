"""Values, and the named operations on defined ones: what ``+`` or ``floor`` does to numbers, strings and booleans.

Two numbers are equal when they differ by less than 1e-12 (relative above 1), so that 0.1 + 0.2 == 0.3 as in the mathematics;
order, ``floor``, ``round`` and ``in`` follow the same rule. Whole results of arithmetic are ints.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from janiform.errors import FunctionError
from janiform.ir.nodes import Value

TOLERANCE = 1e-12


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


def order(v: Value) -> tuple[int, Any]:
    """A sort key over values of mixed type: undefined, booleans, numbers, strings."""
    return (0, 0) if v is None else (1, v) if isinstance(v, bool) else (2, v) if is_number(v) else (3, v)
