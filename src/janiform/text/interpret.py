"""Run the statements of a RASP text: what they compute is a graph of nodes.

Work is bounded: steps, call depth, list and string lengths. Every fault carries the place in the text where it shows.
Scoping is the published REPL's: functions see the scope they are written in, loops share it, comprehensions nest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from janiform.errors import ParseError
from janiform.ir.nodes import Node, Selector, Sequence, Value
from janiform.ir.program import Span
from janiform.text import calls, operators
from janiform.text import trees as tree
from janiform.text.scope import FIXED, Scope
from janiform.text.syntax import syntax
from janiform.text.trees import Fault, Tree
from janiform.text.values import (
    MAX_LIST,
    Applied,
    Builtin,
    Formula,
    Function,
    Table,
    elementwise,
    is_atom,
    kind,
    operation,
    suggestion,
)

MAX_STEPS = 400_000
MAX_NESTING = 130
Bindings = list[tuple[str | None, Any]]


class Interpreter:
    """Runs statements in a scope; remembers which names and places its nodes were given."""

    def __init__(self, text: str, scope: Scope, load: Callable[[str], str] | None = None) -> None:
        self.text, self.scope, self.load = text, scope, load
        self.empty: Value = None
        self.spans: dict[Node, Span] = {}
        self.names: dict[Node, str] = {}
        self.local_names: dict[Node, str] = {}
        self._steps = self._nesting = self.open_calls = 0
        self.site: Span | None = None
        self.root = scope.parent
        self._loading: tuple[str, ...] = ()
        self.growing = False
        self.gather: list[Sequence] | None = None

    def refresh(self, text: str) -> None:
        """Start on another text with a fresh allowance of steps, keeping the names."""
        self.text, self._steps = text, 0

    # --- statements ---------------------------------------------------------------------------------------------

    def execute(self, statement: Tree) -> Bindings:
        """Run one statement; return the names it bound, or (None, value) for what it wrote."""
        try:
            return self._execute(statement)
        except RecursionError:
            raise Fault("nested too deeply; give parts of it names", statement.at) from None
        except Fault as e:
            e.at = e.at or statement.at
            raise

    def _execute(self, statement: Tree) -> Bindings:
        self.spend()
        match statement:
            case tree.Assign(targets=targets, values=trees):
                return self._assign(targets, [self.value(t) for t in trees], statement.at)
            case tree.Write(values=trees):
                written = [(t.id if isinstance(t, tree.Name) else None, self.value(t)) for t in trees]
                self.scope.names["out"] = written[-1][1]
                return written
            case tree.Define(name=name, parameters=parameters, body=body):
                function = Function(name, parameters, body, self.scope, self.text)
                return [self._bind(name, function, statement.at)]
            case tree.Loop(names=names, source=source, body=body):
                bound: dict[str, Any] = {}
                for item in self._items(self.value(source), "a for loop"):
                    for name, value in self._unpack(names, item):
                        self._bind(name, value, statement.at)
                    for s in body:
                        bound.update((n, v) for n, v in self.execute(s) if n is not None)
                return list(bound.items())
            case tree.Load(path=path):
                return self._load(path, statement.at)
        raise Fault("'return' stands only at the end of a function", statement.at)

    def _assign(self, names: tuple[str, ...], values: list[Any], at: Span) -> Bindings:
        if len(values) == 1 and len(names) > 1:
            if not isinstance(values[0], list | tuple):
                raise Fault(f"expected {len(names)} values, got {kind(values[0])}")
            values = list(values[0])
        if len(names) == 1 and len(values) > 1:
            values = [values]
        if len(values) != len(names):
            raise Fault(f"expected {len(names)} values, got {len(values)}")
        return [self._bind(n, v, at) for n, v in zip(names, values, strict=True)]

    def _bind(self, name: str, value: Any, at: Span) -> tuple[str, Any]:
        label = isinstance(name, tree.Label)
        if name in FIXED and not label:
            raise Fault(f"{name!r} is part of the language and cannot be assigned to", at)
        if isinstance(value, Applied):
            raise Fault(f"cannot assign {kind(value)}", at)
        if label:
            return str(name), value
        self.scope.names[name] = value
        if isinstance(value, Node):
            (self.local_names if self.open_calls or self.site else self.names).setdefault(value, name)
        return name, value

    def _load(self, path: str, at: Span) -> Bindings:
        if self.load is None:
            raise Fault(f"cannot load {path!r}: no folder to load from was given", at)
        if path in self._loading or len(self._loading) > 20:
            raise Fault(f"{path!r} loads itself: {' -> '.join((*self._loading, path))}", at)
        text = self.load(path)
        outer = self.scope
        kept = self.text, self._loading, self.site
        try:
            self.scope = Scope(self.root)
            self.text, self._loading, self.site = text, (*self._loading, path), self.site or at
            for s in syntax(text):
                self.execute(s)
            loaded = {n: v for n, v in self.scope.names.items() if not n.startswith("_") and n != "out"}
        except (Fault, ParseError) as e:
            line = e.at.line if isinstance(e, Fault) and e.at else getattr(e, "line", 0)
            raise Fault(f"in {path!r}, line {line}: {e.message}", at) from None
        finally:
            self.scope = outer
            self.text, self._loading, self.site = kept
        return [self._bind(n, v, at) for n, v in loaded.items()]

    # --- expressions --------------------------------------------------------------------------------------------

    def value(self, t: Tree) -> Any:
        """Evaluate an expression."""
        if isinstance(t, tree.Group):
            t = t.inside
        if isinstance(t, tree.Literal):
            return t.value
        self.spend()
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise Fault("nested too deeply (or a function that calls itself without end)", t.at)
        try:
            v = self._value(t)
        except Fault as e:
            e.at = e.at or t.at
            raise
        finally:
            self._nesting -= 1
        if isinstance(v, Node) and v not in self.spans:
            self.spans[v] = self.site or t.at
        return v

    def _value(self, t: Tree) -> Any:
        match t:
            case tree.Name(id=name):
                return self.look_up(name)
            case tree.Chain():
                return self._chain(t)
            case tree.Unary(op=op, operand=operand):
                return operators.unary(self, op, self.value(operand))
            case tree.Ternary():
                return self._ternary(t)
            case tree.Call():
                return calls.call(self, t)
            case tree.Index():
                return operators.index(self, t)
            case tree.Items(items=items, as_key=as_key):
                self.spend(len(items))
                return tuple(map(self.value, items)) if as_key else [self.value(i) for i in items]
            case tree.Pairs(pairs=pairs):
                self.spend(len(pairs))
                return Table.of((self.value(k), self.value(v)) for k, v in pairs)
            case tree.Comprehension():
                return self._comprehension(t)
        raise Fault("a comparison can only be the last argument of select(keys, queries, ..)", t.at)

    def look_up(self, name: str) -> Any:
        """Return what ``name`` stands for here."""
        try:
            return self.scope.find(name)
        except KeyError:
            raise Fault(f"unknown name {name!r}{suggestion(name, self.scope.known())}") from None

    def apply(self, op: str, *operands: Any) -> Any:
        """Apply an element-wise operation."""
        return elementwise(operation(op), operands, self.gather, self.growing, f"{op!r}")

    def _chain(self, t: tree.Chain) -> Any:
        compares = [op for op, _, _ in t.rest if op in ("==", "!=", "<", "<=", ">", ">=", "in", "not in")]
        if len(compares) > 1:
            raise Fault("comparisons do not chain; write 'a < b and b < c'", t.rest[1][1])
        left = self.value(t.first)
        for op, at, operand in t.rest:
            try:
                left = operators.binary(self, op, left, self.value(operand))
            except Fault as e:
                e.at = e.at or at
                raise
            if isinstance(left, Node):
                self.spans.setdefault(left, self.site or t.at)
        return left

    def _ternary(self, t: tree.Ternary) -> Any:
        branches: list[tuple[Any, Any]] = []
        last = t.values[-1]
        for condition, chosen in zip(t.conditions, t.values, strict=False):
            test = self.value(condition)
            if isinstance(test, Sequence | Formula) or (self.growing and is_atom(test)):
                branches.append((test, self.value(chosen)))
                continue
            if isinstance(test, Selector | Function | Builtin | Applied):
                raise Fault(f"a condition is a sequence or a value, not {kind(test)}", condition.at)
            if test:
                last = chosen
                break
        result = self.value(last)
        for test, chosen in reversed(branches):
            result = self.apply("if", test, chosen, result)
        return result

    def _comprehension(self, t: tree.Comprehension) -> Any:
        source, outer = self.value(t.source), self.scope
        results = []
        try:
            for item in self._items(source, "a comprehension"):
                self.scope = Scope(outer, dict(self._unpack(t.names, item)))
                results.append(
                    self.value(t.value) if t.key is None else tuple(map(self.value, (t.key, t.value)))
                )
        finally:
            self.scope = outer
        return results if t.key is None else Table.of(results)

    def _items(self, source: Any, what: str) -> Iterator[Any]:
        if isinstance(source, Table):
            return iter([k for k, _ in source.values()])
        if isinstance(source, list | tuple | str):
            return iter(source)
        raise Fault(f"{what} goes through a list or a dict, got {kind(source)}")

    def _unpack(self, names: tuple[str, ...], item: Any) -> list[tuple[str, Any]]:
        if len(names) == 1:
            return [(names[0], item)]
        if not isinstance(item, list | tuple | str) or len(item) != len(names):
            size = f" of {len(item)}" if isinstance(item, list | tuple | str) else ""
            raise Fault(f"{len(names)} names for {kind(item)}{size}")
        return list(zip(names, item, strict=True))

    # --- bounds -------------------------------------------------------------------------------------------------

    @contextmanager
    def mode(self, growing: bool, gather: list[Sequence] | None) -> Iterator[None]:
        """Evaluate inside with formulas growing, or not."""
        kept = self.growing, self.gather
        self.growing, self.gather = growing, gather
        try:
            yield
        finally:
            self.growing, self.gather = kept

    def spend(self, steps: int = 1) -> None:
        """Count work; refuse to go on for ever."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Fault(f"the program takes more than {MAX_STEPS} steps")

    def bounded(self, items: list[Any]) -> list[Any]:
        """Refuse lists that are too long."""
        if len(items) > MAX_LIST:
            raise Fault(f"a list of {len(items)} items is too long; at most {MAX_LIST}")
        self.spend(len(items) // 10)
        return items
