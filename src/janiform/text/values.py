"""What a RASP expression can be: atoms, sequences, selectors, lists, dicts, functions; and element-wise operations on them.

Atoms are folded at once. An operation that reads a sequence makes one ``Map`` node, its atoms inside the function. Inside
``map(..)`` and the predicate of a ``select`` the parts are *formulas*: functions that are still growing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from janiform.errors import FunctionError, ProgramError
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, identity
from janiform.ir.nodes import Const, Map, Selector, Sequence, Value
from janiform.text.trees import Fault, Tree

MAX_LIST = 100_000
MAX_STRING = 10_000
MAX_FORMULA_DEPTH = 100
MAX_FORMULA_SIZE = 10_000
LARGEST = 10**300


@dataclass(frozen=True, slots=True)
class Formula:
    """A function under construction, with the size and depth of its expression written out."""

    fn: Fn
    size: int = 1
    depth: int = 1

    def __post_init__(self) -> None:
        if self.depth > MAX_FORMULA_DEPTH or self.size > MAX_FORMULA_SIZE:
            raise Fault(
                f"the formula is larger than {MAX_FORMULA_SIZE} parts or {MAX_FORMULA_DEPTH} levels; use several maps"
            )


class Table(dict[Any, tuple[Any, Any]]):
    """A dict of the language: identity of the key -> (key, value), so that ``1`` and ``True`` stay apart."""

    @staticmethod
    def of(pairs: Iterable[tuple[Any, Any]]) -> Table:
        return Table({key_identity(k): (k, v) for k, v in pairs})


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function written in RASP, with the scope it was written in."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[Tree, ...]
    scope: Any
    text: str

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"


@dataclass(frozen=True, slots=True, eq=False)
class Builtin:
    """A function of the language itself; ``shape`` shows its parameters."""

    name: str
    shape: str
    run: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.name}({self.shape})"


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """A sequence or selector applied to an input, as in ``reverse("hello")``: something to show, not to compute with."""

    node: Sequence | Selector
    tokens: tuple[Value, ...]


def is_atom(value: Any) -> bool:
    """Whether ``value`` is a number, string, boolean or undefined."""
    return value is None or isinstance(value, bool | int | float | str)


def key_identity(key: Any) -> Any:
    """The identity of a dict key: an atom, or a tuple of atoms."""
    if isinstance(key, tuple) and all(map(is_atom, key)):
        return tuple(map(identity, key))
    if not is_atom(key):
        raise Fault(f"a dict key is a number, a string, a boolean or a tuple of them, not {kind(key)}")
    return identity(key)


def kind(value: Any) -> str:
    """Say in words what ``value`` is, for error messages."""
    match value:
        case Sequence():
            return "a sequence"
        case Selector():
            return "a selector"
        case Formula():
            return "a formula of the key or the query"
        case Table():
            return "a dict"
        case list():
            return "a list"
        case tuple():
            return "a tuple"
        case Function() | Builtin():
            return f"the function {value.name}"
        case Applied():
            return "the result of an application, which can only be shown"
        case None:
            return "undefined"
        case str():
            return f"the string {value!r}" if len(value) < 40 else "a string"
        case bool() | int() | float():
            return f"the value {value}"
    return "an operator"


def sequence(value: Any, what: str) -> Sequence:
    """Return ``value`` as a sequence: an atom becomes a constant one."""
    if isinstance(value, Sequence):
        return value
    if is_atom(value):
        return Const(value)
    raise Fault(f"{what} must be a sequence, got {kind(value)}")


def selector(value: Any, what: str) -> Selector:
    """Return ``value`` if it is a selector."""
    if isinstance(value, Selector):
        return value
    raise Fault(f"{what} must be a selector, got {kind(value)}")


def integer(value: Any, what: str) -> int:
    """Return ``value`` if it is an int."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Fault(f"{what} must be a whole number, got {kind(value)}")


def checked(value: Value) -> Value:
    """Refuse values that grow without end."""
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise Fault(f"a string of {len(value)} characters is too long; at most {MAX_STRING}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Fault("the number is too large; at most 10^300")
    return value


def elementwise(
    build: Callable[[tuple[Fn, ...]], Fn],
    operands: Iterable[Any],
    gather: list[Sequence] | None,
    growing: bool,
    what: str,
) -> Any:
    """Apply the function made by ``build`` to operands.

    With ``growing`` the result is a formula, whose sequences are collected in ``gather`` (none may occur when that is
    None). Otherwise it is an atom or one ``Map``.
    """
    operands = list(operands)
    formulas = growing or any(isinstance(x, Formula) for x in operands)
    args: list[Sequence] = [] if gather is None else gather
    parts: list[Fn] = []
    size, depth = 1, 1
    for x in operands:
        match x:
            case Formula(fn=fn):
                parts.append(fn)
                size, depth = size + x.size, max(depth, x.depth + 1)
            case Sequence():
                if formulas and gather is None:
                    raise Fault(
                        "a predicate reads key and query only; name the sequence as a key or query of the select"
                    )
                if x not in args:
                    args.append(x)
                parts.append(Arg(args.index(x)))
            case _ if is_atom(x):
                parts.append(Lit(x))
            case _:
                raise Fault(f"{what} takes sequences and values, got {kind(x)}")
    try:
        fn = build(tuple(parts))
        if formulas:
            return Formula(fn, size + len(parts), depth)
        return Map(fn, tuple(args)) if args else checked(fn())
    except (FunctionError, ProgramError) as e:
        raise Fault(str(e)) from None


def operation(op: str) -> Callable[[tuple[Fn, ...]], Fn]:
    """The builder of one named operation."""
    return lambda parts: Apply(op, parts)


def lookup(rows: Iterable[tuple[Any, Any]], width: int, default: bool) -> Callable[[tuple[Fn, ...]], Fn]:
    """The builder of a table look-up by ``width`` keys; a further part is the default."""
    table = []
    for key, value in rows:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != width:
            raise Fault(f"the dict has a key of {len(keys)} part(s), {key!r}, but is indexed by {width}")
        if not is_atom(value):
            raise Fault(
                f"to be indexed by a sequence it must hold only values; at {key!r} it holds {kind(value)}"
            )
        table.append((keys, value))
    return lambda parts: Lookup(parts[:width], tuple(table), parts[width] if default else None)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``"; did you mean .."`` for a name that is close to a known one."""
    close = difflib.get_close_matches(name[:60], sorted(set(known)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
