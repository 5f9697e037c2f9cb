"""Calls, and the two forms whose arguments are formulas: ``select`` and ``map``."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from janiform.ir.functions import Apply, Arg, Fn, Lit
from janiform.ir.nodes import Map, Select, Selector, Sequence
from janiform.ir.program import Span
from janiform.text import trees as tree
from janiform.text.builtins import ELEMENTWISE
from janiform.text.scope import Scope
from janiform.text.trees import Fault
from janiform.text.values import Applied, Builtin, Formula, Function, elementwise, is_atom, kind, sequence

if TYPE_CHECKING:
    from janiform.text.interpret import Interpreter

MAX_CALLS = 40


def call(it: Interpreter, t: tree.Call) -> Any:
    """Evaluate ``f(..)``: a built-in, a function of the text, or a sequence applied to an input."""
    if isinstance(t.target, tree.Name):
        form = {"select": selection, "map": one_map}.get(t.target.id)
        if form is not None and not it.scope.has(t.target.id):
            return form(it, t)
    target = it.value(t.target)
    if isinstance(target, Builtin) and target.name in ELEMENTWISE:
        return target.run(it, *arguments(it, t, target)[0])
    with it.mode(False, None):
        args, named = arguments(it, t, target)
        match target:
            case Function():
                return run(it, target, args, named, t.at)
            case Builtin():
                try:
                    signature(target.run).bind(it, *args, **named)
                except TypeError as e:
                    raise Fault(f"the call does not fit {target}: {e}", t.at) from None
                return target.run(it, *args, **named)
            case Sequence() | Selector() if (
                len(args) == 1 and not named and isinstance(args[0], list | tuple | str)
            ):
                if not all(map(is_atom, args[0])):
                    raise Fault("an input is a string or a list of values")
                return Applied(target, tuple(args[0]))
    raise Fault(f'{kind(target)} cannot be called; a sequence takes one input, as in x("hello")', t.at)


def arguments(it: Interpreter, t: tree.Call, target: Any) -> tuple[list[Any], dict[str, Any]]:
    """Evaluate the arguments of a call, by place and by name."""
    args: list[Any] = []
    named: dict[str, Any] = {}
    for a in t.arguments:
        if a.bound is not None:
            raise Fault("'where' belongs to map(.. where x = ..)", a.at)
        if isinstance(a.value, tree.Operator):
            raise Fault("a comparison can only be the last argument of select(keys, queries, ..)", a.at)
        v = it.value(a.value)
        if a.keyword is None:
            if named:
                raise Fault("an argument without a name follows one with a name", a.at)
            args.append(v)
        elif a.keyword in named or isinstance(target, Builtin) and target.name in ELEMENTWISE:
            raise Fault(f"unexpected argument {a.keyword!r} of {target}", a.at)
        else:
            named[a.keyword] = v
    return args, named


def run(it: Interpreter, f: Function, args: list[Any], named: dict[str, Any], at: Span) -> Any:
    """Run a function of the text in a scope inside the one it was written in."""
    given = dict(zip(f.parameters, args, strict=False))
    extra = [n for n in named if n not in f.parameters or n in given]
    if len(args) > len(f.parameters) or extra or len(given) + len(named) < len(f.parameters):
        got = f"no parameter {extra[0]!r}" if extra else f"{len(args) + len(named)} argument(s)"
        raise Fault(f"{f} takes {len(f.parameters)}, got {got}", at)
    if it.open_calls >= MAX_CALLS:
        raise Fault(f"{f.name} calls itself more than {MAX_CALLS} deep", at)
    foreign = f.text != it.text
    kept = it.scope, it.text, it.site
    it.scope, it.text = Scope(f.scope, given | named), f.text
    it.site = (it.site or at) if foreign else it.site
    it.open_calls += 1
    try:
        for s in f.body[:-1]:
            it.execute(s)
        results = [it.value(v) for v in f.body[-1].below()]
    except Fault as e:
        raise (Fault(f"in {f.name}: {e.message}", at) if foreign else e) from None
    finally:
        it.scope, it.text, it.site = kept
        it.open_calls -= 1
    return results[0] if len(results) == 1 else results


def selection(it: Interpreter, t: tree.Call) -> Any:
    """``select(keys, queries, ==)``, or with a formula of ``key`` and ``query``."""
    plain = all(a.keyword is None for a in t.arguments)
    if len(t.arguments) != 3 or not plain:
        raise Fault("select takes keys, queries and a comparison: select(keys, queries, ==)", t.at)
    key, query, how = (a.value for a in t.arguments)
    with it.mode(False, None):
        keys = sequence(it.value(key), "the keys of a select")
        queries = sequence(it.value(query), "the queries of a select")
    if isinstance(how, tree.Operator):
        return Select(Apply(how.op, (Arg(0), Arg(1))), keys, queries)
    outer = it.scope
    it.scope = Scope(outer, {"key": Formula(Arg(0)), "query": Formula(Arg(1))})
    try:
        with it.mode(True, None):
            test = it.value(how)
    finally:
        it.scope = outer
    return Select(as_function(test, how.at), keys, queries)


def one_map(it: Interpreter, t: tree.Call) -> Any:
    """``map(formula where x = a, ..)``: one map, whatever the formula."""
    if not t.arguments or t.arguments[0].bound is None and len(t.arguments) > 1 or it.growing:
        raise Fault("write map(x + y where x = a, y = b), or map(a + b)", t.at)
    gather: list[Sequence] = []
    scope = Scope(it.scope)
    for i, a in enumerate(t.arguments):
        bound = a.bound if i == 0 else a.value
        if a.keyword is None or i > 0 and a.bound is not None:
            if i == 0 and a.bound is None:
                continue
            raise Fault("write map(x + y where x = a, y = b)", a.at)
        assert bound is not None
        gather.append(sequence(it.value(bound), "an argument of a map"))
        if a.keyword in scope.names:
            raise Fault(f"the name {a.keyword!r} is bound twice", a.at)
        scope.names[a.keyword] = Formula(Arg(i))
    outer, it.scope = it.scope, scope
    try:
        with it.mode(True, gather):
            result = it.value(t.arguments[0].value)
            if isinstance(result, Sequence):
                result = elementwise(lambda parts: parts[0], [result], gather, True, "map")
    finally:
        it.scope = outer
    fn = as_function(result, t.at)
    if not gather:
        raise Fault("map(..) reads no sequence", t.at)
    return Map(fn, tuple(gather))


def as_function(value: Any, at: Span) -> Fn:
    """The function that a formula or a constant stands for."""
    if isinstance(value, Formula):
        return value.fn
    if is_atom(value):
        return Lit(value)
    raise Fault(f"expected a formula, got {kind(value)}", at)
