"""From a Python callable to a function expression, by running it on symbols and following every branch.

A symbol stands for an argument or for what was computed from it; operators on it build the expression. Where the callable
asks for a symbol's truth, it runs once for each answer, and the answers become nested ``if``. What a symbol cannot answer
(its hash, its type, its digits) is refused with ``TraceError``, even where the callable would swallow the exception.
Functions never see undefined values; ``passing_undefined`` makes an expression pass them on where it would not by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from janiform.errors import FunctionError, JaniformError, ProgramError
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, canonical, table
from janiform.ir.nodes import Value

MAX_PATHS = 256
"""More paths through one callable, or decisions on one path, are refused."""


class TraceError(ProgramError):
    """A callable that cannot be turned into an expression; a table over its arguments' values may do."""


def trace(function: Callable[..., Any], arity: int) -> Fn:
    """Return the expression that ``function`` of ``arity`` arguments computes.

    >>> trace(lambda x, y: x - y if x > y else 0, 2)(5, 3)
    2
    >>> trace(lambda x: {1: 2}[x], 1)
    Traceback (most recent call last):
        ...
    janiform.text.trace.TraceError: the function hashes its argument, which only a value can answer
    """
    runs = itertools.count(1)

    def explore(prefix: tuple[bool, ...]) -> Fn:
        if next(runs) > MAX_PATHS:
            raise TraceError(f"the function has more than {MAX_PATHS} paths")
        path = _Path(prefix)
        result = path.run(function, arity)
        asked, answers = path.asked, path.answers
        for i in reversed(range(len(prefix), len(asked))):
            result = _choose(asked[i], result, explore((*answers[:i], False)))
        return result

    return explore(())


def tabulate(
    function: Callable[..., Any], domains: Sequence[Iterable[Value]], default: Fn | None = None
) -> Lookup:
    """Return ``function`` as a table over the product of its arguments' values.

    Combinations on which it raises are left out: ``default`` there, or no meaning. Undefined arguments are passed on.

    >>> tabulate(lambda x: 6 // x, [[0, 2, 3]]).rows
    (((2,), 3), ((3,), 2))
    """
    rows: list[tuple[tuple[Value, ...], Value]] = []
    for args in itertools.product(*([v for v in d if v is not None] for d in domains)):
        try:
            result = function(*args)
        except Exception:
            continue
        rows.append((args, as_value(result)))
    return table(rows, len(domains), None if default is None else passing_undefined(default, len(domains)))


def as_value(result: Any) -> Value:
    """Return what a callable gave back as a value; refuse what is none.

    >>> as_value(np.float64(2))
    2
    """
    plain = result.item() if isinstance(result, np.generic) else result
    for kind in (bool, int, float, str):
        if isinstance(plain, kind):
            try:
                return canonical(kind(plain))
            except FunctionError as e:
                raise TraceError(str(e)) from None
    if plain is None:
        return None
    raise TraceError(f"a function returns a bool, int, float, str or None, got {type(result).__name__}")


def passing_undefined(f: Fn, arity: int) -> Fn:
    """Return ``f``, undefined wherever one of its first ``arity`` arguments is.

    >>> passing_undefined(Lit(1), 1)(None) is None
    True
    """
    for i in range(arity):
        if not _strict(f, i):
            f = Apply("if", (Apply("defined", (Arg(i),)), f, Lit(None)))
    return f


def _strict(f: Fn, i: int) -> bool:
    """Whether ``f`` is surely undefined where its ``i``-th argument is."""
    match f:
        case Arg(index=j):
            return i == j
        case Lit(value=v):
            return v is None
        case Apply(op="if", args=(test, yes, no)):
            return _strict(test, i) or (_strict(yes, i) and _strict(no, i))
        case Apply(op="defined"):
            return False
        case Apply(op="and" | "or", args=(first, *_)):
            return _strict(first, i)
        case Apply(args=parts):
            return any(_strict(p, i) for p in parts)
        case Lookup(args=parts, rows=rows):
            return any(_strict(p, i) for p in parts) and not any(None in keys for keys, _ in rows)
    raise TypeError(f"unknown function expression {type(f).__name__}")


# --- one run through the callable ---------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Path:
    """The decisions of one run: those to repeat, then new ones, each at first true."""

    prefix: tuple[bool, ...]
    asked: list[Fn] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    known: dict[Fn, bool] = field(default_factory=dict)
    refusal: TraceError | None = None

    def run(self, function: Callable[..., Any], arity: int) -> Fn:
        try:
            result = function(*(Symbol(Arg(i), self) for i in range(arity)))
        except JaniformError:
            if self.refusal is None:
                raise
            result = None
        except Exception as e:
            cause = f"{type(e).__name__}: {e}" if self.refusal is None else str(self.refusal)
            raise TraceError(f"the function cannot be followed: {cause}") from e
        if self.refusal is not None:
            raise self.refusal
        if len(self.asked) < len(self.prefix):
            raise TraceError("the function decides differently each time it runs")
        if type(result) is not Symbol:
            return Lit(as_value(result))
        decided = self.known.get(result._fn) if _boolean(result._fn) else None
        return result._fn if decided is None else Lit(decided)

    def decide(self, condition: Fn) -> bool:
        if condition not in self.known:
            i = len(self.asked)
            if i == MAX_PATHS:
                self.refuse(f"decides more than {MAX_PATHS} times on one path")
            self.asked.append(condition)
            self.answers.append(self.prefix[i] if i < len(self.prefix) else True)
            self.known[condition] = self.answers[-1]
        return self.known[condition]

    def refuse(self, what: str) -> NoReturn:
        self.refusal = TraceError(f"the function {what}")
        raise self.refusal


class Symbol:
    """Stands for a value that is not yet known."""

    __slots__ = ("_fn", "_path")

    def __init__(self, fn: Fn, path: _Path) -> None:
        self._fn, self._path = fn, path

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # type: ignore[override]
        self._path.refuse("asks for the type of its argument")

    def __bool__(self) -> bool:
        return self._path.decide(self._fn)

    def __getattr__(self, name: str) -> NoReturn:
        self._path.refuse(f"reads the attribute {name!r} of its argument")

    def __pos__(self) -> Symbol:
        return _apply(self, "+", 0)

    def __round__(self, digits: Any = None) -> Symbol:
        return _apply(self, "round", *([] if digits is None else [digits]))

    def __trunc__(self) -> Symbol:
        test = Apply("<", (self._fn, Lit(0)))
        return Symbol(
            Apply("if", (test, Apply("ceil", (self._fn,)), Apply("floor", (self._fn,)))), self._path
        )

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other  # type: ignore[operator]

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __eq__(self, other: object) -> Any:
        return _apply(self, "==", other) if _is_operand(other) else False

    def __ne__(self, other: object) -> Any:
        return _apply(self, "!=", other) if _is_operand(other) else True


def _is_operand(x: object) -> bool:
    return type(x) is Symbol or (x is not None and isinstance(x, bool | int | float | str | np.generic))


def _apply(symbol: Symbol, op: str, *others: Any, reflected: bool = False) -> Symbol:
    parts = [symbol._fn]
    for x in others:
        if type(x) is Symbol:
            parts.append(x._fn)
            continue
        try:
            parts.append(Lit(as_value(x)))
        except JaniformError as e:
            symbol._path.refuse(f"reckons with what is no value: {e}")
    return Symbol(Apply(op, tuple(parts[::-1] if reflected else parts)), symbol._path)


def _unary(op: str) -> Callable[[Symbol], Symbol]:
    return lambda self: _apply(self, op)


def _binary(op: str, reflected: bool = False) -> Callable[[Symbol, Any], Any]:
    return lambda self, other: (
        _apply(self, op, other, reflected=reflected) if _is_operand(other) else NotImplemented
    )


def _logical(op: str) -> Callable[[Symbol, Any], Symbol]:
    """``&``, ``|`` and ``^`` are logical on booleans alone; on integers they are bitwise, and refused."""

    def operate(self: Symbol, other: Any) -> Symbol:
        if not (
            _boolean(self._fn) and (_boolean(other._fn) if type(other) is Symbol else type(other) is bool)
        ):
            self._path.refuse("has a bitwise operation")
        return _apply(self, op, other)

    return operate


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(self: Symbol, *_: Any) -> NoReturn:
        self._path.refuse(f"{what} its argument, which only a value can answer")

    return refuse


_BINARY = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "^"}
_ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_UNARY = {"neg": "neg", "abs": "abs", "floor": "floor", "ceil": "ceil"}
_LOGICAL = {"and": "and", "or": "or", "xor": "!="}
_REFUSED = {
    "hash": "hashes",
    "int": "takes the integer of",
    "float": "takes the float of",
    "complex": "takes the complex number of",
    "index": "counts with",
    "str": "prints",
    "repr": "prints",
    "format": "prints",
    "bytes": "takes the bytes of",
    "iter": "iterates over",
    "reversed": "iterates over",
    "len": "takes the length of",
    "getitem": "takes an item of",
    "contains": "looks into",
    "call": "calls",
    "invert": "takes the bits of",
    "lshift": "shifts the bits of",
    "rshift": "shifts the bits of",
    "rlshift": "shifts the bits by",
    "rrshift": "shifts the bits by",
    "matmul": "takes a matrix product of",
    "rmatmul": "takes a matrix product of",
    "enter": "enters",
    "dir": "lists the attributes of",
    "sizeof": "takes the size of",
    "reduce_ex": "copies",
    "copy": "copies",
    "deepcopy": "copies",
}

for _name, _op in _BINARY.items():
    setattr(Symbol, f"__{_name}__", _binary(_op))
    setattr(Symbol, f"__r{_name}__", _binary(_op, reflected=True))
for _name, _op in _ORDER.items():
    setattr(Symbol, f"__{_name}__", _binary(_op))
for _name, _op in _UNARY.items():
    setattr(Symbol, f"__{_name}__", _unary(_op))
for _name, _op in _LOGICAL.items():
    setattr(Symbol, f"__{_name}__", _logical(_op))
    setattr(Symbol, f"__r{_name}__", _logical(_op))
for _name, _what in _REFUSED.items():
    setattr(Symbol, f"__{_name}__", _refusing(_what))


# --- joining the paths ----------------------------------------------------------------------------------------------------


def _choose(test: Fn, yes: Fn, no: Fn) -> Fn:
    """Return ``yes if test else no`` in its shortest form."""
    if yes is no:
        return yes
    if (
        isinstance(yes, Lit)
        and isinstance(no, Lit)
        and (yes.value, no.value) in ((True, False), (False, True))
    ):
        if _boolean(yes) and _boolean(no):
            return Apply("not", (test,)) if no.value else test if _boolean(test) else Apply("bool", (test,))
    if _boolean(test) and isinstance(no, Lit) and no.value is False and _boolean(yes):
        return Apply("and", (test, yes))
    if _boolean(test) and isinstance(yes, Lit) and yes.value is True and _boolean(no):
        return Apply("or", (test, no))
    match test:
        case Apply(op="<" | ">" as op, args=(a, b)) if yes is a and no is b:
            return Apply("min" if op == "<" else "max", (b, a))
    return Apply("if", (test, yes, no))


def _boolean(f: Fn) -> bool:
    """Whether every defined result is a boolean."""
    match f:
        case Lit(value=v):
            return isinstance(v, bool)
        case Apply(op="if", args=(_, yes, no)):
            return _boolean(yes) and _boolean(no)
        case Apply(op=op):
            return op in ("==", "!=", "<", "<=", ">", ">=", "not", "and", "or", "in", "bool", "defined")
    return False


__all__ = ["MAX_PATHS", "TraceError", "as_value", "passing_undefined", "tabulate", "trace"]
