"""What operators and indexing mean on atoms, lists, dicts, sequences, selectors and formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import Aggregate, And, Count, Indices, Map, Not, Or, Select, Selector, Sequence
from janiform.text import trees as tree
from janiform.text.trees import Fault, Tree
from janiform.text.values import (
    Formula,
    Table,
    elementwise,
    integer,
    is_atom,
    key_identity,
    kind,
    lookup,
    operation,
    sequence,
    suggestion,
)

if TYPE_CHECKING:
    from janiform.text.interpret import Interpreter

EQUAL = Apply("==", (Arg(0), Arg(1)))


def binary(it: Interpreter, op: str, left: Any, right: Any) -> Any:
    """Apply an infix operator to two values of any kind."""
    it.spend()
    if op in ("in", "not in"):
        found = contains(it, left, right)
        return found if op == "in" else unary(it, "not", found)
    if isinstance(left, Selector) or isinstance(right, Selector):
        if op not in ("and", "or"):
            raise Fault(f"{op!r} does not apply to selectors; they know 'and', 'or' and 'not'")
        if not (isinstance(left, Selector) and isinstance(right, Selector)):
            other = right if isinstance(left, Selector) else left
            raise Fault(f"{op!r} takes two selectors or two sequences, got a selector and {kind(other)}")
        return And(left, right) if op == "and" else Or(left, right)
    if op == "+" and isinstance(left, list) and isinstance(right, list):
        return it.bounded(left + right)
    if op in ("and", "or") and is_atom(left) and is_atom(right) and not it.growing:
        return right if bool(left) == (op == "and") else left
    return it.apply(op, left, right)


def unary(it: Interpreter, op: str, operand: Any) -> Any:
    """Apply ``-``, ``+`` or ``not``."""
    if op == "not" and isinstance(operand, Selector):
        return Not(operand)
    if op == "+" and (isinstance(operand, Sequence | Formula) or is_atom(operand)):
        return operand
    return it.apply("neg" if op == "-" else op, operand)


def contains(it: Interpreter, x: Any, container: Any) -> Any:
    """``x in [..]`` at every position, or whether a value occurs anywhere in a sequence."""
    if isinstance(container, Sequence) and (isinstance(x, Sequence) or is_atom(x)):
        found = Count(Select(EQUAL, container, sequence(x, "an item")))
        return Map(Apply(">", (Arg(0), Lit(0))), (found,))
    if isinstance(container, str) and isinstance(x, str) and not it.growing:
        return x in container
    if isinstance(container, Table):
        if is_atom(x) or isinstance(x, tuple):
            return key_identity(x) in container
        container = [k for k, _ in container.values()]
    if not isinstance(container, list | tuple | str):
        raise Fault(f"'in' looks in a list, a dict or a sequence, got {kind(container)}")
    choices = list(container)
    it.spend(len(choices))
    return elementwise(operation("in"), [x, *choices], it.gather, it.growing, "'in'")


def index(it: Interpreter, t: tree.Index) -> Any:
    """``target[keys else default]``: an item, a table look-up, or another position\'s value."""
    target = it.value(t.target)
    keys = [it.value(k) for k in t.keys]
    if isinstance(target, Sequence) and not it.growing:
        return place(it, target, keys, None if t.default is None else it.value(t.default))
    fixed = all(is_atom(k) or isinstance(k, tuple) for k in keys)
    if isinstance(target, Table | list | tuple | str) and fixed and not it.growing:
        return item(it, target, keys, t.default)
    rows: list[tuple[Any, Any]]
    match target:
        case Table():
            rows = list(target.values())
        case list() | tuple() | str():
            rows = list(enumerate(target))
        case _:
            raise Fault(f"only a list, a dict, a string or a sequence can be indexed, not {kind(target)}")
    it.spend(len(rows))
    parts = keys if t.default is None else [*keys, it.value(t.default)]
    build = lookup(rows, len(keys), t.default is not None)
    return elementwise(build, parts, it.gather, it.growing, "an index")


def item(it: Interpreter, target: Any, keys: list[Any], default: Tree | None) -> Any:
    """The item of a list, string or dict at a constant."""
    if isinstance(target, Table):
        key = keys[0] if len(keys) == 1 else tuple(keys)
        found = target.get(key_identity(key))
        if found is not None:
            return found[1]
        if default is None:
            raise Fault(
                f"the dict has no key {key!r}{suggestion(str(key), (str(k) for k, _ in target.values()))}"
            )
        return it.value(default)
    if len(keys) != 1:
        raise Fault(f"a list is indexed by one number, got {len(keys)}")
    i = integer(keys[0], "the index of a list or string")
    if -len(target) <= i < len(target):
        return target[i]
    if default is None:
        raise Fault(f"index {i} is out of range: there are {len(target)} items")
    return it.value(default)


def place(it: Interpreter, target: Sequence, keys: list[Any], default: Any) -> Sequence:
    """``x[3]``, ``x[-1]``, ``x[y]``: the value of a sequence at another position."""
    if len(keys) != 1 or not (isinstance(keys[0], Sequence) or is_atom(keys[0])):
        raise Fault("a sequence is indexed by one position or a sequence of positions")
    place = keys[0]
    if not isinstance(place, Sequence) and integer(place, "a position") < 0:
        place = it.apply("+", it.look_up("length"), place)
    if not is_atom(default):
        raise Fault(f"the value for a missing position must be constant, got {kind(default)}")
    return Aggregate(Select(EQUAL, Indices(), sequence(place, "a position")), target, default)
