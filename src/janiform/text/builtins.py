"""The functions of the language itself; what can be written in RASP is in ``prelude.rasp`` instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from janiform.errors import ProgramError
from janiform.ir.functions import OPERATIONS, Apply, Lit
from janiform.ir.nodes import (
    Aggregate,
    Best,
    Const,
    Count,
    Readout,
    Scores,
    Selector,
    Sequence,
    Slope,
    Value,
)
from janiform.text.trees import Fault
from janiform.text.values import (
    MAX_LIST,
    Builtin,
    Table,
    elementwise,
    integer,
    is_atom,
    kind,
    operation,
    selector,
    sequence,
)

if TYPE_CHECKING:
    from janiform.text.interpret import Interpreter

MISSING = object()
WORDS = {"and": "all_of", "or": "any_of"}
"""Operations that take any number of operands, by the name under which they are called."""


def _operation(op: str) -> Builtin:
    low, high = OPERATIONS[op].arity
    name = WORDS.get(op, op)

    def run(interpreter: Interpreter, *args: Any) -> Any:
        if not low <= len(args) <= (high or len(args)):
            most = "" if low == high else f" to {high}" if high else " or more"
            raise Fault(f"{name} takes {low}{most} argument(s), got {len(args)}")
        return elementwise(operation(op), args, interpreter.gather, interpreter.growing, name)

    return Builtin(name, ", ".join("xyz"[:low]) + ("" if low == high else ", .."), run)


def _extreme(op: str) -> Builtin:
    """``max(x)`` is over the sequence, ``max(x, y)`` element-wise, ``max([..])`` over a list."""
    plain = _operation(op)

    def run(interpreter: Interpreter, *args: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], list | tuple):
            if not args[0]:
                raise Fault(f"{op} of an empty list")
            args = tuple(args[0])
        elif len(args) == 1 and isinstance(args[0], Sequence) and not interpreter.growing:
            return Aggregate(interpreter.scope.find("full_s"), args[0], None, op)  # type: ignore[arg-type]
        return plain.run(interpreter, *args)

    return Builtin(op, "x, ..", run)


def _len(interpreter: Interpreter, *args: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], list | tuple | Table):
        return len(args[0])
    return _operation("len").run(interpreter, *args)


def _indicator(interpreter: Interpreter, *args: Any) -> Any:
    if len(args) != 1:
        raise Fault(f"indicator takes 1 argument(s), got {len(args)}")
    build = lambda parts: Apply("if", (parts[0], Lit(1), Lit(0)))  # noqa: E731
    return elementwise(build, args, interpreter.gather, interpreter.growing, "indicator")


def _default(value: Any) -> Value:
    if not is_atom(value):
        raise Fault(f"the default of an aggregate must be a constant, got {kind(value)}")
    return value  # type: ignore[no-any-return]


def _aggregate(fixed: str | None) -> Callable[..., Any]:
    def run(it: Interpreter, sel: Any, seq: Any, default: Any = MISSING, reduce: Any = "mean") -> Sequence:
        rule = fixed or reduce
        if rule not in ("mean", "sum", "min", "max"):
            raise Fault(f"unknown reduction {rule!r}: mean, sum, min or max")
        s, values = selector(sel, "the first argument of aggregate"), sequence(seq, "the values of aggregate")
        other = _default(it.empty if default is MISSING else default)
        return Aggregate(s, values, other, rule)  # type: ignore[arg-type]

    return run


def _best(_: Interpreter, sel: Any, rule: Any, score: Any = None) -> Selector:
    scored = None if score is None else sequence(score, "the score of best")
    try:
        return Best(selector(sel, "the first argument of best"), rule, scored)
    except ProgramError as e:
        raise Fault(str(e)) from None


def _const(_: Interpreter, value: Any) -> Sequence:
    if not is_atom(value):
        raise Fault(f"const takes a value, got {kind(value)}")
    return Const(value)


def _range(interpreter: Interpreter, *bounds: Any) -> list[Any]:
    if not 1 <= len(bounds) <= 3:
        raise Fault(f"range takes 1 to 3 arguments, got {len(bounds)}")
    numbers = range(*(_step(integer(b, "a bound of range"), i) for i, b in enumerate(bounds)))
    if max(map(abs, (numbers.start, numbers.stop, numbers.step))) > 10**15 or len(numbers) > MAX_LIST:
        raise Fault(f"the range is too long; at most {MAX_LIST} items")
    return interpreter.bounded(list(numbers))


def _step(bound: int, place: int) -> int:
    if place == 2 and bound == 0:
        raise Fault("the step of range must not be 0")
    return bound


def _zip(interpreter: Interpreter, *lists: Any) -> list[Any]:
    for x in lists:
        if not isinstance(x, list | tuple | str):
            raise Fault(f"zip takes lists, got {kind(x)}")
    if not lists or len({len(x) for x in lists}) > 1:
        sizes = ", ".join(str(len(x)) for x in lists) or "none"
        raise Fault(f"zip takes lists of one length, got {sizes}")
    interpreter.spend(len(lists) * len(lists[0]) // 10)
    return [list(row) for row in zip(*lists, strict=True)]


def _readout(pooled: bool) -> Callable[..., Any]:
    def run(_: Interpreter, labels: Any, bias: Any, *terms: Any) -> Sequence:
        if not isinstance(labels, list) or not all(map(is_atom, labels)):
            raise Fault(f"the labels of a readout are a list of constants, got {kind(labels)}")
        if len(terms) % 2:
            raise Fault(
                "a readout takes pairs of a sequence and its weights: readout(labels, bias, x, {..}, n, [..])"
            )
        args = tuple(sequence(x, "a term of a readout") for x in terms[::2])
        try:
            return Readout(args, tuple(map(_weights, terms[1::2])), _row(bias), tuple(labels), pooled)
        except ProgramError as e:
            raise Fault(str(e)) from None

    return run


def _weights(w: Any) -> Scores | Slope:
    if not isinstance(w, Table):
        return Slope(_row(w))
    if any(isinstance(k, tuple) for k, _ in w.values()):
        raise Fault("the weights of a readout have one value a row")
    return Scores(tuple(k for k, _ in w.values()), tuple(_row(row) for _, row in w.values()))


def _row(numbers: Any) -> tuple[int | float, ...]:
    if not isinstance(numbers, list) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in numbers
    ):
        raise Fault(f"the scores of a readout are a list of numbers, got {kind(numbers)}")
    return tuple(numbers)


def _width(_: Interpreter, sel: Any) -> Sequence:
    return Count(selector(sel, "the operand of selector_width"))


def _draw(interpreter: Interpreter, *args: Any) -> Any:
    """What is drawn is shown by the REPL; in a program it says nothing."""
    if not 1 <= len(args) <= 2 or not isinstance(args[0], Sequence | Selector):
        raise Fault('draw takes a sequence and an input: draw(x, "hello")')
    return list(args)


_PLAIN = [
    op
    for op in OPERATIONS
    if op.isidentifier() and op not in ("neg", "if", "in", "not", "and", "or", "min", "max", "len")
]
ELEMENTWISE: dict[str, Builtin] = {
    **{op: _operation(op) for op in _PLAIN},
    **{name: _operation(op) for op, name in WORDS.items()},
    **{op: _extreme(op) for op in ("min", "max")},
    "len": Builtin("len", "x", _len),
    "indicator": Builtin("indicator", "x", _indicator),
}
"""Functions that act position by position."""

BUILTINS: dict[str, Builtin] = {
    **ELEMENTWISE,
    "aggregate": Builtin("aggregate", 'sel, seq, default=undefined, reduce="mean"', _aggregate(None)),
    **{
        f"aggregate_{r}": Builtin(f"aggregate_{r}", "sel, seq, default=undefined", _aggregate(r))
        for r in ("mean", "sum", "min", "max")
    },
    "selector_width": Builtin("selector_width", "sel", _width),
    "best": Builtin("best", "sel, rule, score=undefined", _best),
    "readout": Builtin("readout", "labels, bias, x, weights, ..", _readout(False)),
    "readout_mean": Builtin("readout_mean", "labels, bias, x, weights, ..", _readout(True)),
    "const": Builtin("const", "value", _const),
    "range": Builtin("range", "start, stop, step", _range),
    "zip": Builtin("zip", "list, ..", _zip),
    "draw": Builtin("draw", "x, input", _draw),
}
"""Every function of the language, by name."""
