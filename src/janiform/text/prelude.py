"""The library of the language, itself RASP (``prelude.rasp``): read once, seen by every program."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from janiform.ir.nodes import Node
from janiform.text.builtins import BUILTINS
from janiform.text.interpret import Interpreter
from janiform.text.scope import TOKENS, Scope
from janiform.text.syntax import syntax


@lru_cache(maxsize=1)
def library() -> Scope:
    """The scope of the prelude, read once."""
    text = files("janiform.text").joinpath("prelude.rasp").read_text(encoding="utf-8")
    scope = Scope(Scope(names={**TOKENS, **BUILTINS}))
    interpreter = Interpreter(text, scope)
    for statement in syntax(text):
        interpreter.execute(statement)
    return scope


@lru_cache(maxsize=1)
def names() -> dict[Node, str]:
    """The nodes that have a name without any definition: ``tokens``, ``indices``, ``length``, ``full_s``, ..

    >>> from janiform.ir.nodes import Tokens
    >>> names()[Tokens()]
    'tokens'
    """
    known: dict[Node, str] = {}
    for found in (TOKENS, library().names):
        for name, value in found.items():
            if isinstance(value, Node):
                known.setdefault(value, name)
    return known
