"""Run the statements of a RASP text: what they compute is a graph of nodes.

Work is bounded: steps, call depth, list and string lengths. Every fault carries the place in the text where it shows.
Scoping is the published REPL's: functions see the scope they are written in, loops share it, comprehensions nest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from janiform.errors import ParseError
from janiform.ir.functions import Apply, Arg, Fn, Lit
from janiform.ir.nodes import (
    Aggregate,
    And,
    Count,
    Indices,
    Map,
    Node,
    Not,
    Or,
    Select,
    Selector,
    Sequence,
    Tokens,
)
from janiform.ir.program import Span
from janiform.text import syntax as tree
from janiform.text.builtins import ELEMENTWISE
from janiform.text.syntax import Fault, Tree
from janiform.text.values import (
    MAX_LIST,
    Applied,
    Builtin,
    Formula,
    Function,
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

MAX_STEPS = 200_000
MAX_NESTING = 120
MAX_CALLS = 40
EQUAL = Apply("==", (Arg(0), Arg(1)))
FIXED = frozenset(
    {
        "indices",
        "tokens_asis",
        "tokens_str",
        "tokens_int",
        "tokens_float",
        "tokens_bool",
        "select",
        "aggregate",
    }
)
TOKENS: dict[str, Sequence] = {
    "indices": Indices(),
    "tokens": Tokens(),
    "tokens_asis": Tokens(),
    **{
        f"tokens_{kind}": Map(Apply(kind, (Arg(0),)), (Tokens(),)) for kind in ("str", "int", "float", "bool")
    },
}
Bindings = list[tuple[str | None, Any]]


class Scope:
    """Names and values, inside another scope."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Scope | None = None, names: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = {} if names is None else names
        self.parent = parent

    def find(self, name: str) -> Any:
        """Return the value of ``name``; ``KeyError`` when it has none."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        raise KeyError(name)

    def has(self, name: str) -> bool:
        """Whether ``name`` has a value here."""
        return name in self.names or (self.parent is not None and self.parent.has(name))

    def known(self) -> set[str]:
        """Every name that can be seen from here."""
        return set(self.names) | (self.parent.known() if self.parent else set())


class Interpreter:
    """Runs statements in a scope; remembers which names and places its nodes were given."""

    def __init__(self, text: str, scope: Scope, load: Callable[[str], str] | None = None) -> None:
        self.text, self.scope, self.load = text, scope, load
        self.spans: dict[Node, Span] = {}
        self.names: dict[Node, str] = {}
        self.local_names: dict[Node, str] = {}
        self._steps = self._nesting = self._calls = 0
        self._site: Span | None = None
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
                return [(t.id if isinstance(t, tree.Name) else None, self.value(t)) for t in trees]
            case tree.Define(name=name, parameters=parameters, body=body):
                return [
                    self._bind(name, Function(name, parameters, body, self.scope, self.text), statement.at)
                ]
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
            (self.local_names if self._calls or self._site else self.names).setdefault(value, name)
        return name, value

    def _load(self, path: str, at: Span) -> Bindings:
        if self.load is None:
            raise Fault(f"cannot load {path!r}: no folder to load from was given", at)
        if path in self._loading or len(self._loading) > 20:
            raise Fault(f"{path!r} loads itself: {' -> '.join((*self._loading, path))}", at)
        text = self.load(path)
        outer = self.scope
        kept = self.text, self._loading, self._site
        try:
            self.scope = Scope(self.root)
            self.text, self._loading, self._site = text, (*self._loading, path), self._site or at
            for s in tree.syntax(text):
                self.execute(s)
            loaded = {n: v for n, v in self.scope.names.items() if not n.startswith("_")}
        except (Fault, ParseError) as e:
            line = e.at.line if isinstance(e, Fault) and e.at else getattr(e, "line", 0)
            raise Fault(f"in {path!r}, line {line}: {e.message}", at) from None
        finally:
            self.scope = outer
            self.text, self._loading, self._site = kept
        return [self._bind(n, v, at) for n, v in loaded.items()]

    # --- expressions --------------------------------------------------------------------------------------------

    def value(self, t: Tree) -> Any:
        """Evaluate an expression."""
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
            self.spans[v] = self._site or t.at
        return v

    def _value(self, t: Tree) -> Any:
        match t:
            case tree.Name(id=name):
                return self._name(name)
            case tree.Literal(value=value):
                return value
            case tree.Group(inside=inside):
                return self.value(inside)
            case tree.Chain():
                return self._chain(t)
            case tree.Unary(op=op, operand=operand):
                return self._unary(op, self.value(operand))
            case tree.Ternary():
                return self._ternary(t)
            case tree.Call():
                return self._call(t)
            case tree.Index():
                return self._index(t)
            case tree.Items(items=items, as_key=as_key):
                self.spend(len(items))
                return tuple(map(self.value, items)) if as_key else [self.value(i) for i in items]
            case tree.Pairs(pairs=pairs):
                return Table.of((self.value(k), self.value(v)) for k, v in pairs)
            case tree.Comprehension():
                return self._comprehension(t)
        raise Fault("a comparison can only be the last argument of select(keys, queries, ..)", t.at)

    def _name(self, name: str) -> Any:
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
                left = self._binary(op, left, self.value(operand))
            except Fault as e:
                e.at = e.at or at
                raise
            if isinstance(left, Node):
                self.spans.setdefault(left, self._site or t.at)
        return left

    def _binary(self, op: str, left: Any, right: Any) -> Any:
        self.spend()
        if op in ("in", "not in"):
            found = self._contains(left, right)
            return found if op == "in" else self._unary("not", found)
        if isinstance(left, Selector) or isinstance(right, Selector):
            if op not in ("and", "or"):
                raise Fault(f"{op!r} does not apply to selectors; they know 'and', 'or' and 'not'")
            if not (isinstance(left, Selector) and isinstance(right, Selector)):
                other = right if isinstance(left, Selector) else left
                raise Fault(f"{op!r} takes two selectors or two sequences, got a selector and {kind(other)}")
            return And(left, right) if op == "and" else Or(left, right)
        if op == "+" and isinstance(left, list) and isinstance(right, list):
            return self.bounded(left + right)
        if op in ("and", "or") and is_atom(left) and is_atom(right) and not self.growing:
            return right if bool(left) == (op == "and") else left
        return self.apply(op, left, right)

    def _unary(self, op: str, operand: Any) -> Any:
        if op == "not" and isinstance(operand, Selector):
            return Not(operand)
        if op == "+" and (isinstance(operand, Sequence | Formula) or is_atom(operand)):
            return operand
        return self.apply("neg" if op == "-" else op, operand)

    def _contains(self, item: Any, container: Any) -> Any:
        if isinstance(container, Sequence) and (isinstance(item, Sequence) or is_atom(item)):
            found = Count(Select(EQUAL, container, sequence(item, "an item")))
            return Map(Apply(">", (Arg(0), Lit(0))), (found,))
        if isinstance(container, str) and isinstance(item, str) and not self.growing:
            return item in container
        if isinstance(container, Table):
            if is_atom(item) or isinstance(item, tuple):
                return key_identity(item) in container
            container = [k for k, _ in container.values()]
        if not isinstance(container, list | tuple | str):
            raise Fault(f"'in' looks in a list, a dict or a sequence, got {kind(container)}")
        choices = list(container)
        self.spend(len(choices))
        return elementwise(operation("in"), [item, *choices], self.gather, self.growing, "'in'")

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
                    self.value(t.value) if t.key is None else (self.value(t.key), self.value(t.value))
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

    def _index(self, t: tree.Index) -> Any:
        target = self.value(t.target)
        keys = [self.value(k) for k in t.keys]
        if isinstance(target, Sequence) and not self.growing:
            return self._place(target, keys, None if t.default is None else self.value(t.default))
        fixed = all(is_atom(k) or isinstance(k, tuple) for k in keys)
        if isinstance(target, Table | list | tuple | str) and fixed and not self.growing:
            return self._at(target, keys, t.default)
        rows: list[tuple[Any, Any]]
        match target:
            case Table():
                rows = list(target.values())
            case list() | tuple() | str():
                rows = list(enumerate(target))
            case _:
                raise Fault(f"only a list, a dict, a string or a sequence can be indexed, not {kind(target)}")
        self.spend(len(rows))
        parts = keys if t.default is None else [*keys, self.value(t.default)]
        build = lookup(rows, len(keys), t.default is not None)
        return elementwise(build, parts, self.gather, self.growing, "an index")

    def _at(self, target: Any, keys: list[Any], default: Tree | None) -> Any:
        if isinstance(target, Table):
            key = keys[0] if len(keys) == 1 else tuple(keys)
            found = target.get(key_identity(key))
            if found is not None:
                return found[1]
            if default is None:
                raise Fault(
                    f"the dict has no key {key!r}{suggestion(str(key), (str(k) for k, _ in target.values()))}"
                )
            return self.value(default)
        if len(keys) != 1:
            raise Fault(f"a list is indexed by one number, got {len(keys)}")
        i = integer(keys[0], "the index of a list or string")
        if -len(target) <= i < len(target):
            return target[i]
        if default is None:
            raise Fault(f"index {i} is out of range: there are {len(target)} items")
        return self.value(default)

    def _place(self, target: Sequence, keys: list[Any], default: Any) -> Sequence:
        """``x[3]``, ``x[-1]``, ``x[y]``: the value of a sequence at another position."""
        if len(keys) != 1 or not (isinstance(keys[0], Sequence) or is_atom(keys[0])):
            raise Fault("a sequence is indexed by one position or a sequence of positions")
        place = keys[0]
        if not isinstance(place, Sequence) and integer(place, "a position") < 0:
            place = self.apply("+", self._name("length"), place)
        if not is_atom(default):
            raise Fault(f"the value for a missing position must be constant, got {kind(default)}")
        return Aggregate(Select(EQUAL, Indices(), sequence(place, "a position")), target, default)

    # --- calls --------------------------------------------------------------------------------------------------

    def _call(self, t: tree.Call) -> Any:
        if isinstance(t.target, tree.Name):
            form = {"select": self._select, "map": self._map}.get(t.target.id)
            if form is not None and not self.scope.has(t.target.id):
                return form(t)
        target = self.value(t.target)
        if isinstance(target, Builtin) and target.name in ELEMENTWISE:
            return target.run(self, *self._arguments(t, target)[0])
        with self.mode(False, None):
            args, named = self._arguments(t, target)
            match target:
                case Function():
                    return self._run(target, args, named, t.at)
                case Builtin():
                    try:
                        return target.run(self, *args, **named)
                    except TypeError as e:
                        if "argument" not in str(e):
                            raise
                        raise Fault(f"the call does not fit {target}", t.at) from None
                case Sequence() | Selector() if (
                    len(args) == 1 and not named and isinstance(args[0], list | tuple | str)
                ):
                    if not all(map(is_atom, args[0])):
                        raise Fault("an input is a string or a list of values")
                    return Applied(target, tuple(args[0]))
        raise Fault(f'{kind(target)} cannot be called; a sequence takes one input, as in x("hello")', t.at)

    def _arguments(self, t: tree.Call, target: Any) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        named: dict[str, Any] = {}
        for a in t.arguments:
            if a.bound is not None:
                raise Fault("'where' belongs to map(.. where x = ..)", a.at)
            if isinstance(a.value, tree.Operator):
                raise Fault("a comparison can only be the last argument of select(keys, queries, ..)", a.at)
            v = self.value(a.value)
            if a.keyword is None:
                if named:
                    raise Fault("an argument without a name follows one with a name", a.at)
                args.append(v)
            elif a.keyword in named or isinstance(target, Builtin) and target.name in ELEMENTWISE:
                raise Fault(f"unexpected argument {a.keyword!r} of {target}", a.at)
            else:
                named[a.keyword] = v
        return args, named

    def _run(self, f: Function, args: list[Any], named: dict[str, Any], at: Span) -> Any:
        given = dict(zip(f.parameters, args, strict=False))
        extra = [n for n in named if n not in f.parameters or n in given]
        if len(args) > len(f.parameters) or extra or len(given) + len(named) < len(f.parameters):
            got = f"no parameter {extra[0]!r}" if extra else f"{len(args) + len(named)} argument(s)"
            raise Fault(f"{f} takes {len(f.parameters)}, got {got}", at)
        if self._calls >= MAX_CALLS:
            raise Fault(f"{f.name} calls itself more than {MAX_CALLS} deep", at)
        foreign = f.text != self.text
        kept = self.scope, self.text, self._site
        self.scope, self.text = Scope(f.scope, given | named), f.text
        self._site = (self._site or at) if foreign else self._site
        self._calls += 1
        try:
            for s in f.body[:-1]:
                self.execute(s)
            results = [self.value(v) for v in f.body[-1].below()]
        except Fault as e:
            raise (Fault(f"in {f.name}: {e.message}", at) if foreign else e) from None
        finally:
            self.scope, self.text, self._site = kept
            self._calls -= 1
        return results[0] if len(results) == 1 else results

    def _select(self, t: tree.Call) -> Any:
        plain = all(a.keyword is None for a in t.arguments)
        if len(t.arguments) != 3 or not plain:
            raise Fault("select takes keys, queries and a comparison: select(keys, queries, ==)", t.at)
        key, query, how = (a.value for a in t.arguments)
        with self.mode(False, None):
            keys = sequence(self.value(key), "the keys of a select")
            queries = sequence(self.value(query), "the queries of a select")
        if isinstance(how, tree.Operator):
            return Select(Apply(how.op, (Arg(0), Arg(1))), keys, queries)
        outer = self.scope
        self.scope = Scope(outer, {"key": Formula(Arg(0)), "query": Formula(Arg(1))})
        try:
            with self.mode(True, None):
                test = self.value(how)
        finally:
            self.scope = outer
        return Select(self._function(test, how.at), keys, queries)

    def _map(self, t: tree.Call) -> Any:
        if not t.arguments or t.arguments[0].bound is None and len(t.arguments) > 1 or self.growing:
            raise Fault("write map(x + y where x = a, y = b), or map(a + b)", t.at)
        gather: list[Sequence] = []
        scope = Scope(self.scope)
        for i, a in enumerate(t.arguments):
            bound = a.bound if i == 0 else a.value
            if a.keyword is None or i > 0 and a.bound is not None:
                if i == 0 and a.bound is None:
                    continue
                raise Fault("write map(x + y where x = a, y = b)", a.at)
            assert bound is not None
            gather.append(sequence(self.value(bound), "an argument of a map"))
            if a.keyword in scope.names:
                raise Fault(f"the name {a.keyword!r} is bound twice", a.at)
            scope.names[a.keyword] = Formula(Arg(i))
        outer, self.scope = self.scope, scope
        try:
            with self.mode(True, gather):
                result = self.value(t.arguments[0].value)
                if isinstance(result, Sequence):
                    result = elementwise(lambda parts: parts[0], [result], gather, True, "map")
        finally:
            self.scope = outer
        fn = self._function(result, t.at)
        if not gather:
            raise Fault("map(..) reads no sequence", t.at)
        return Map(fn, tuple(gather))

    def _function(self, value: Any, at: Span) -> Fn:
        if isinstance(value, Formula):
            return value.fn
        if is_atom(value):
            return Lit(value)
        raise Fault(f"expected a formula, got {kind(value)}", at)

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
