"""Functions of nodes as nodes: maps of maps are one map, and what reads nothing is a constant."""

from __future__ import annotations

from collections.abc import Sequence as Sized

from janiform.ir.canonical.fitting import arguments
from janiform.ir.functions import Arg, Fn, Lit, substitute
from janiform.ir.nodes import Const, Map, Sequence


def mapped(fn: Fn, args: Sized[Sequence]) -> Sequence:
    """Return a function of nodes as a node; what is a map of few nodes already is written out."""
    base: list[Sequence] = []
    parts: list[Fn] = []
    for a in args:
        for n in a.args if isinstance(a, Map) else (a,):
            if n not in base:
                base.append(n)
        own = tuple(Arg(base.index(n)) for n in (a.args if isinstance(a, Map) else (a,)))
        parts.append(substitute(a.fn, own) if isinstance(a, Map) else own[0])
    f = substitute(fn, tuple(parts))
    if isinstance(f, Lit):
        return Const(f.value)
    kept = sorted(arguments(f))
    f = substitute(f, tuple(Arg(kept.index(i)) if i in kept else Arg(0) for i in range(len(base))))
    return base[kept[0]] if f is Arg(0) else Map(f, tuple(base[i] for i in kept))
