"""Tasks as text: ``set``, ``dyck(kinds=16, length=128)``, ``shuffled(set)``, ``3*set + union``.

A name with settings in parentheses, those left out as published; ``shuffled(..)`` and ``ngram(.., n=3)`` are controls; a sum
with factors is a mixture with ratios, and ``apart(..)`` around it keeps the tokens of its parts apart. The text is read as the
syntax of an expression and never run. What ``write`` gives, ``read`` reads back.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from typing import Any, get_args

from janiform.errors import InputError
from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.controls import NGram, Shuffled
from janiform.tasks.procedural.diagnostics import Arithmetic, Haystack
from janiform.tasks.procedural.mixture import Mixture
from janiform.tasks.procedural.rows import Procedure
from janiform.tasks.procedural.transductions import Rule, Transduction
from janiform.tasks.procedural.twice import Twice

PROCEDURES: dict[str, Callable[..., Procedure]] = {
    **{rule: partial(Transduction, rule) for rule in get_args(Rule)},
    "ww": Twice,
    "dyck": Dyck,
    "shuffle_dyck": ShuffleDyck,
    "eca": CellularAutomaton,
    "haystack": Haystack,
    "addition": partial(Arithmetic, "addition"),
    "reversed_addition": partial(Arithmetic, "reversed_addition", digits=10),
    "multiplication": partial(Arithmetic, "multiplication"),
}
"""Every task by its name, with the settings of the paper."""
CONTROLS: dict[str, Callable[..., Procedure]] = {"shuffled": Shuffled, "ngram": NGram}


def read(text: str) -> Procedure:
    """Return the task that a text names.

    >>> read("3*set + union(longest=20, shortest=4)").width
    129
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(
            f"{text!r} is no task; write set, dyck(kinds=16, length=128) or 3*set + union"
        ) from None
    return _task(tree)


def write(task: Procedure) -> str:
    """Write a task as ``read`` reads it, settings that are as published left out.

    >>> write(read("dyck(length=128, kinds=64)"))
    'dyck(length=128)'
    """
    match task:
        case Mixture(parts, ratios, apart):
            factors = ["" if r == 1 else f"{int(r) if r.is_integer() else r!r}*" for r in ratios]
            terms = " + ".join(factor + write(task) for task, factor in zip(parts, factors))
            return f"apart({terms})" if apart else terms
        case Shuffled() | NGram():
            name = "shuffled" if isinstance(task, Shuffled) else "ngram"
            return f"{name}({', '.join([write(task.task), *_settings(task, CONTROLS[name](task.task))])})"
        case Transduction(name) | Arithmetic(name):
            pass
        case _:
            name = next(n for n, make in PROCEDURES.items() if make is type(task))
    settings = _settings(task, PROCEDURES[name]())
    return f"{name}({', '.join(settings)})" if settings else name


def _settings(task: Procedure, published: Procedure) -> list[str]:
    """Write the settings in which a task is not as published."""
    names = [f.name for f in fields(task)]  # type: ignore[arg-type]
    pairs = [(n, getattr(task, n)) for n in names if getattr(task, n) != getattr(published, n)]
    return [f"{n}={value!r}" for n, value in pairs]


def _task(tree: ast.expr) -> Procedure:
    match tree:
        case ast.BinOp(op=ast.Add()):
            tasks, ratios = zip(*_terms(tree))
            return Mixture(tasks, ratios)
        case ast.Call(func=ast.Name("apart"), args=[inner], keywords=[]):
            tasks, ratios = zip(*_terms(inner))
            return Mixture(tasks, ratios, apart=True)
        case ast.Call(func=ast.Name(name), args=[inner], keywords=settings) if name in CONTROLS:
            return _make(name, partial(CONTROLS[name], _task(inner)), settings)
        case ast.Call(func=ast.Name(name), args=[], keywords=settings) if name in PROCEDURES:
            return _make(name, PROCEDURES[name], settings)
        case ast.Name(name) if name in PROCEDURES:
            return PROCEDURES[name]()
        case ast.Name(name) | ast.Call(func=ast.Name(name)) if name not in {*PROCEDURES, *CONTROLS, "apart"}:
            near = get_close_matches(name, PROCEDURES, n=1)
            hint = f" ({near[0]}?)" if near else ""
            raise InputError(
                f"no procedural task is called {name!r}{hint}; there are {', '.join(PROCEDURES)}"
            )
    raise InputError(
        f"{ast.unparse(tree)!r} is no task; write set, dyck(kinds=16), shuffled(set) or 3*set + union"
    )


def _terms(tree: ast.expr) -> list[tuple[Procedure, float]]:
    """Return the tasks of a sum with their factors, 1 where there is none."""
    match tree:
        case ast.BinOp(left, ast.Add(), right):
            return [*_terms(left), *_terms(right)]
        case ast.BinOp(ast.Constant(int() | float() as ratio), ast.Mult(), term):
            return [(_task(term), ratio)]
    return [(_task(tree), 1)]


def _make(name: str, make: Callable[..., Procedure], settings: list[ast.keyword]) -> Procedure:
    kind, taken = (make.func, len(make.args)) if isinstance(make, partial) else (make, 0)
    types = {f.name: str(f.type) for f in fields(kind)[taken:]}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for setting in settings:
        if setting.arg not in types:
            raise InputError(f"{name} takes {', '.join(types) or 'no settings'}; got {ast.unparse(setting)}")
        value = setting.value.value if isinstance(setting.value, ast.Constant) else ...
        if type(value).__name__.removesuffix("Type") not in types[setting.arg].split(" | "):
            raise InputError(
                f"{setting.arg} of {name} is of type {types[setting.arg]}; got {ast.unparse(setting)}"
            )
        given[setting.arg] = value
    return make(**given)
