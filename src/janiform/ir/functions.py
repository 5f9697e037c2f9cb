"""Elementwise functions and predicates as data: an expression tree whose leaves may be tables.

A function is a tree of ``Arg``, ``Lit``, ``Apply`` and ``Lookup``. It never holds a Python callable, so a program can be
printed, compared, stored and read back without running anybody's code.

Rules that hold for every operation:

- *Undefined* (``None``) is passed on, except by ``defined`` (a test) and by ``if``, ``and``, ``or``, which look at
  no more operands than they need, from left to right.
- Numbers are compared up to a tolerance (``operations``), and whole results are ints.
- An operation without meaning on its operands (``1 / 0``, ``"a" + 1``) raises ``FunctionError``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

from janiform.errors import FunctionError, ProgramError
from janiform.ir.nodes import Interned, Value
from janiform.ir.operations import OPERATIONS, canonical, identity, is_number, order, same

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
            pairs = zip(keys, xs, strict=True)
            if all(same(a, b) and isinstance(a, bool) == isinstance(b, bool) for a, b in pairs):
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
