"""Janiform: a program and a transformer are two faces of one object.

Every public name is imported when it is first used, so ``import janiform`` costs next to nothing and torch is read only
by whoever asks for weights.

>>> import janiform as jf
>>> reverse = jf.parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);")
>>> reverse("hello")
'olleh'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from janiform import decompile, programs
    from janiform.errors import (
        CompileError,
        FileError,
        FunctionError,
        InputError,
        JaniformError,
        MeaningError,
        ParseError,
        ProgramError,
    )
    from janiform.ir.evaluate import evaluate
    from janiform.ir.program import Program
    from janiform.ir.rewrite import equivalent, simplify
    from janiform.ir.semantics import Signature
    from janiform.model import Config, Transformer
    from janiform.pair import Pair, load
    from janiform.text.python import (
        Selection,
        Series,
        aggregate,
        const,
        indices,
        key,
        length,
        map,
        query,
        select,
        selector_width,
        tokens,
        where,
    )
    from janiform.text.rasp import parse
    from janiform.text.rasp import print_program as to_text
    from janiform.text.standalone import to_python

__version__ = "0.1.0"

_HOMES = {
    "janiform": ("decompile", "programs"),
    "janiform.errors": (
        "CompileError",
        "FileError",
        "FunctionError",
        "InputError",
        "JaniformError",
        "MeaningError",
        "ParseError",
        "ProgramError",
    ),
    "janiform.ir.evaluate": ("evaluate",),
    "janiform.ir.program": ("Program",),
    "janiform.ir.rewrite": ("equivalent", "simplify"),
    "janiform.ir.semantics": ("Signature",),
    "janiform.model": ("Config", "Transformer"),
    "janiform.pair": ("Pair", "load"),
    "janiform.text.python": (
        "Selection",
        "Series",
        "aggregate",
        "const",
        "indices",
        "key",
        "length",
        "map",
        "query",
        "select",
        "selector_width",
        "tokens",
        "where",
    ),
    "janiform.text.rasp": ("parse", "to_text=print_program"),
    "janiform.text.standalone": ("to_python",),
}
"""Where each public name lives; ``public=inner`` where the two differ."""

_NAMES = {
    entry.partition("=")[0]: (home, entry.rpartition("=")[2])
    for home, names in _HOMES.items()
    for entry in names
}

__all__ = [
    "CompileError",
    "Config",
    "FileError",
    "FunctionError",
    "InputError",
    "JaniformError",
    "MeaningError",
    "Pair",
    "ParseError",
    "Program",
    "ProgramError",
    "Selection",
    "Series",
    "Signature",
    "Transformer",
    "__version__",
    "aggregate",
    "const",
    "decompile",
    "equivalent",
    "evaluate",
    "indices",
    "key",
    "length",
    "load",
    "map",
    "parse",
    "programs",
    "query",
    "select",
    "selector_width",
    "simplify",
    "to_python",
    "to_text",
    "tokens",
    "where",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'janiform' has no attribute {name!r}")
    home, inner = _NAMES[name]
    value = import_module(f"janiform.{inner}") if home == "janiform" else getattr(import_module(home), inner)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
