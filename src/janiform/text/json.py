"""Programs as JSON: a list of nodes, inputs before the nodes that read them. Reading builds nodes and runs no code.

Shape: ``{"format": "janiform program", "version": 1, "nodes": [[kind, ..], ..], "outputs": [[name, index], ..], "names":
{index: name}}``. A node's inputs are indices of earlier rows; a function is ``["arg", 0]``, ``["lit", value]``,
``["apply", op, [..]]`` or ``["lookup", [..], [[keys, value], ..], default]``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

from janiform.errors import FileError, JaniformError
from janiform.ir import nodes as ir
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup
from janiform.ir.nodes import IR_VERSION, Node, Value
from janiform.ir.program import Program

FORMAT = "janiform program"
MAX_NODES = 100_000
MAX_PARTS = 1_000_000
MAX_DEPTH = 100
LARGEST = sys.float_info.max


def to_json(program: Program) -> dict[str, Any]:
    """Write a program as plain lists and dicts.

    >>> from janiform.ir.program import program
    >>> to_json(program(ir.Tokens()))["nodes"]
    [['tokens']]
    """
    order = program.nodes()
    number = {n: i for i, n in enumerate(order)}
    return {
        "format": FORMAT,
        "version": IR_VERSION,
        "nodes": [_row(n, number) for n in order],
        "outputs": [[name, number[n]] for name, n in program.outputs.items()],
        "names": {str(number[n]): name for n, name in program.names.items() if n in number},
    }


def from_json(data: Any) -> Program:
    """Read a program that ``to_json`` wrote; ``FileError`` on anything else.

    >>> from janiform.ir.program import program
    >>> p = program(ir.Count(ir.Select(Lit(True), ir.Indices(), ir.Indices())))
    >>> from_json(to_json(p)) == p
    True
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FileError(f"not a program: expected a JSON object whose 'format' is {FORMAT!r}")
    if data.get("version") not in range(1, IR_VERSION + 1):
        raise FileError(f"the program is of version {data.get('version')!r}; this is version {IR_VERSION}")
    try:
        return _Reader(data).program()
    except FileError:
        raise
    except JaniformError as e:
        raise FileError(f"the file holds no legal program: {e}") from None


def dumps(program: Program) -> str:
    """Write a program as a JSON string."""
    return json.dumps(to_json(program), allow_nan=False)


def loads(text: str) -> Program:
    """Read a program from a JSON string."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise FileError(f"not JSON: {e}") from None
    return from_json(data)


# --- writing --------------------------------------------------------------------------------------------------------


def _row(n: Node, number: dict[Node, int]) -> list[Any]:
    inputs = [number[i] for i in n.inputs]
    match n:
        case ir.Const(value=v):
            return ["const", _value(v)]
        case ir.Map(fn=fn):
            return ["map", _fn(fn), inputs]
        case ir.Select(pred=pred):
            return ["select", _fn(pred), *inputs]
        case ir.Best(rule=rule):
            return ["best", rule, *inputs]
        case ir.Aggregate(default=default, reduce=reduce):
            return ["aggregate", reduce, *inputs, _value(default)]
        case ir.Readout(weights=weights, bias=bias, labels=labels, pooled=pooled):
            return [
                "readout",
                [_weights(w) for w in weights],
                list(bias),
                [_value(v) for v in labels],
                pooled,
                inputs,
            ]
        case ir.Tokens() | ir.Indices() | ir.And() | ir.Or() | ir.Not() | ir.Count():
            return [type(n).__name__.lower(), *inputs]
    raise TypeError(f"JSON has no form for a {type(n).__name__} node")


def _value(v: Value) -> Any:
    if isinstance(v, float) and not math.isfinite(v):
        raise FileError(f"{v} is not a value; numbers are finite")
    return v


def _weights(w: ir.Scores | ir.Slope) -> list[Any]:
    if isinstance(w, ir.Slope):
        return ["slope", list(w.row)]
    return ["scores", [[_value(v), list(row)] for v, row in zip(w.values, w.rows, strict=True)]]


def _fn(f: Fn) -> list[Any]:
    match f:
        case Arg(index=i):
            return ["arg", i]
        case Lit(value=v):
            return ["lit", _value(v)]
        case Apply(op=op, args=args):
            return ["apply", op, [_fn(a) for a in args]]
        case Lookup(args=args, rows=rows, default=default):
            table = [[[_value(k) for k in keys], _value(v)] for keys, v in rows]
            return ["lookup", [_fn(a) for a in args], table, None if default is None else _fn(default)]
    raise TypeError(f"unknown function expression {type(f).__name__}")


def _shown(data: Any) -> str:
    """A short text for part of a hostile file."""
    plain = (
        data is None
        or isinstance(data, bool | str)
        or (isinstance(data, int | float) and -LARGEST <= data <= LARGEST)
    )
    return repr(data[:40] if isinstance(data, str) else data)[:60] if plain else f"a {type(data).__name__}"


# --- reading --------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads rows into nodes; every fault names its row."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.nodes: list[Node] = []
        self.parts = 0

    def program(self) -> Program:
        rows = self._list(self.data.get("nodes"), "nodes", MAX_NODES)
        for row in rows:
            self.nodes.append(self._node(self._list(row, f"node {len(self.nodes)}")))
        outputs: dict[str, Any] = {}
        for pair in self._list(self.data.get("outputs"), "outputs"):
            match pair:
                case [str(name), int(i)] if name not in outputs:
                    outputs[name] = self._earlier(i)
                case _:
                    raise FileError("an output is a pair of a new name and the number of a node")
        names = self.data.get("names", {})
        if not isinstance(names, dict) or not all(isinstance(n, str) for n in names.values()):
            raise FileError("'names' must map numbers of nodes to names")
        labels = {self._earlier(int(i) if i.isdecimal() and len(i) < 10 else -1): n for i, n in names.items()}
        return Program(outputs, labels)

    def _node(self, row: list[Any]) -> Node:
        kind, *rest = row or [None]
        build: dict[Any, Callable[[], Node]] = {
            "tokens": lambda: ir.Tokens(*rest),
            "indices": lambda: ir.Indices(*rest),
            "const": lambda: ir.Const(*map(self._value, rest)),
            "map": lambda: ir.Map(
                self._fn(rest[0]), tuple(map(self._earlier, self._list(rest[1], "inputs")))
            ),
            "select": lambda: ir.Select(self._fn(rest[0]), *map(self._earlier, rest[1:])),
            "and": lambda: ir.And(*map(self._earlier, rest)),
            "or": lambda: ir.Or(*map(self._earlier, rest)),
            "not": lambda: ir.Not(*map(self._earlier, rest)),
            "best": lambda: ir.Best(
                self._earlier(rest[1]), self._word(rest[0]), *map(self._earlier, rest[2:])
            ),
            "aggregate": lambda: ir.Aggregate(
                self._earlier(rest[1]), self._earlier(rest[2]), self._value(rest[3]), self._word(rest[0])
            ),
            "count": lambda: ir.Count(*map(self._earlier, rest)),
            "readout": lambda: ir.Readout(
                tuple(map(self._earlier, self._list(rest[4], "inputs"))),
                tuple(map(self._weights, self._list(rest[0], "weights"))),
                self._numbers(rest[1]),
                tuple(map(self._value, self._list(rest[2], "labels"))),
                self._flag(rest[3]),
            ),
        }
        if not isinstance(kind, str) or kind not in build:
            raise FileError(f"node {len(self.nodes)} is of the unknown kind {_shown(kind)}")
        sizes = {
            "tokens": 0,
            "indices": 0,
            "const": 1,
            "map": 2,
            "select": 3,
            "and": 2,
            "or": 2,
            "not": 1,
            "count": 1,
            "readout": 5,
        }
        allowed = (sizes[kind],) if kind in sizes else (2, 3) if kind == "best" else (4,)
        if len(rest) not in allowed:
            raise FileError(f"node {len(self.nodes)}, {kind!r}, has {len(rest)} parts; expected {allowed[0]}")
        return build[kind]()

    def _earlier(self, i: Any) -> Any:
        if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < len(self.nodes):
            raise FileError(f"node {len(self.nodes)} refers to {_shown(i)}, which is no earlier node")
        return self.nodes[i]

    def _fn(self, data: Any, depth: int = 0) -> Fn:
        if depth > MAX_DEPTH:
            raise FileError(f"a function is nested more than {MAX_DEPTH} deep")
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise FileError(f"the functions have more than {MAX_PARTS} parts")
        match data:
            case ["arg", int(i)] if not isinstance(i, bool) and 0 <= i < 1000:
                return Arg(i)
            case ["lit", v]:
                return Lit(self._value(v))
            case ["apply", str(op), list(args)]:
                return Apply(op, tuple(self._fn(a, depth + 1) for a in args))
            case ["lookup", list(args), list(rows), default]:
                keys = tuple(self._fn(a, depth + 1) for a in args)
                other = None if default is None else self._fn(default, depth + 1)
                return Lookup(keys, tuple(self._table_row(r, len(keys)) for r in rows), other)
        raise FileError(f"node {len(self.nodes)} holds something that is no function: {_shown(data)}")

    def _table_row(self, row: Any, width: int) -> tuple[tuple[Value, ...], Value]:
        self.parts += 1
        match row:
            case [list(keys), value] if len(keys) == width and self.parts <= MAX_PARTS:
                return tuple(map(self._value, keys)), self._value(value)
        raise FileError(f"node {len(self.nodes)} has a table with a bad row, or one too many: {_shown(row)}")

    def _value(self, v: Any) -> Value:
        if (
            v is None
            or isinstance(v, bool | str)
            or (isinstance(v, int | float) and -LARGEST <= v <= LARGEST)
        ):
            return v
        raise FileError(f"node {len(self.nodes)} holds {_shown(v)}, which is no value")

    def _weights(self, data: Any) -> ir.Scores | ir.Slope:
        match data:
            case ["slope", row]:
                return ir.Slope(self._numbers(row))
            case ["scores", list(rows)] if all(isinstance(r, list) and len(r) == 2 for r in rows):
                return ir.Scores(
                    tuple(self._value(v) for v, _ in rows), tuple(self._numbers(r) for _, r in rows)
                )
        raise FileError(f"node {len(self.nodes)} holds {_shown(data)}, which is no weights of a term")

    def _numbers(self, row: Any) -> tuple[int | float, ...]:
        numbers = tuple(map(self._value, self._list(row, "a row of scores")))
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
            raise FileError(f"node {len(self.nodes)} holds a score that is no number")
        return numbers  # type: ignore[return-value]

    def _flag(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise FileError(f"node {len(self.nodes)} holds {_shown(data)} in place of true or false")
        return data

    def _word(self, word: Any) -> Any:
        if not isinstance(word, str):
            raise FileError(f"node {len(self.nodes)} holds {_shown(word)} in place of a word")
        return word

    def _list(self, data: Any, what: str, most: int = MAX_PARTS) -> list[Any]:
        if not isinstance(data, list) or len(data) > most:
            raise FileError(f"{what[:60]}: expected a list of at most {most}")
        return data
