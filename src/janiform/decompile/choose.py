"""The door: every way to decompile, the surest first, and the comparison that each of them has to pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from janiform.decompile.assembled import Assembled
from janiform.decompile.compiled.distance import weight_distance
from janiform.decompile.compiled.exact import exact
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.noise import denoised
from janiform.decompile.evidence import Evidence, compare
from janiform.decompile.given import subject
from janiform.decompile.neural.way import neural
from janiform.decompile.observed.located import interchange
from janiform.decompile.observed.way import observed
from janiform.decompile.result import Decompiled
from janiform.decompile.subject import Subject
from janiform.errors import CompileError, InputError
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.sample import rows_of
from janiform.model import Transformer
from janiform.pair import Pair

Way = Callable[[Subject], Iterator[Program]]
ALIKE = 0.99
"""The least share of inputs on which the best program must agree with its model, else there is none."""

Method = Literal["exact", "denoised", "neural", "observed"]

WAYS: tuple[tuple[Method, Way, float], ...] = (
    ("exact", exact, ALIKE),
    ("denoised", denoised, 0.0),
    ("neural", neural, ALIKE),
    ("observed", observed, ALIKE),
)
"""The ways in the order in which they are tried: each yields programs, which are compared and have to agree so far.

Under noise outputs decide nothing: what may count there is for that way to judge."""

LARGEST = 256
"""A program whose tables have more rows than this is not compiled again: as a form it is canonical, as a plan it is large."""

LAYOUTS: tuple[Literal["separate", "reuse"], ...] = ("separate", "reuse")
SAME = 1e-3
"""A distance of weights that is rounding; another layout need not be tried."""

GLANCE = 100
HOPELESS = 0.9
"""A program is compared no further if it agrees on this share of so many inputs or fewer, and another was."""


def decompile(
    given: Pair | Transformer | Assembled | Mapping[str, np.ndarray] | str | os.PathLike[str],
    *,
    vocab: Iterable[Value] | None = None,
    classes: Iterable[Value] | None = None,
    causal: bool | None = None,
    ways: Iterable[Method] = ("exact", "denoised", "neural", "observed"),
    limit: int = 20_000,
    draws: int = 1_000,
    seed: int = 0,
) -> Decompiled:
    """Return the program of a compiled transformer, from its weights alone.

    ``given`` is a pair, of which only model and codec are looked at, a model, its weights by TransformerLens' names, a file
    of any of these (.safetensors, .npz), or a model that Tracr assembled. ``vocab`` and ``classes`` name the ids and the outputs of what has no names.
    Program and model are compared on every input up to the length that ``limit`` covers, and on ``draws`` longer ones.
    ``ways`` are those that may be tried: the exact one takes a tenth of a second, the observational one up to half a minute.

    The exact way is tried first. Where it finds no program that the model computes, but weights are clearly those of one beside
    noise, that is returned as *denoised*, and its evidence says on how few inputs the model still agrees. Then the neural way
    is tried, and the observational one. Raises CannotDecompile where all fail: with what the exact one says and its residual error,
    where what was seen is no table, or with the share of inputs on which the best program differs; where the exact way has no
    number, with what another way says that has one.

    >>> import janiform as jf
    >>> reverse = jf.parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);")
    >>> found = jf.decompile(reverse.compile("abc", 4).disguise(seed=1))
    >>> found.method, found.evidence.checked, found.evidence.exact, found("cab")
    ('exact', 120, True, 'bac')
    """
    start = time.perf_counter()
    tried = _chosen(ways)
    what = subject(given, vocab=vocab, classes=classes, causal=causal)
    failures: list[CannotDecompile] = []
    for method, way, least in tried:
        best: tuple[Program, Evidence] | None = None
        try:
            for program in way(what):
                first = compare(what, program, limit=0, draws=GLANCE, seed=seed)
                if best is not None and first.agreed <= HOPELESS * first.checked:
                    continue
                found = compared(what, program, limit=limit, draws=draws, seed=seed)
                if best is None or found.agreed > best[1].agreed:
                    best = program, found
                if found.exact:
                    break
        except CannotDecompile as e:
            failures.append(e)
            continue
        assert best is not None, "a way yields a program or raises"
        if best[1].agreed >= least * best[1].checked:
            if method == "observed":
                best = best[0], replace(best[1], interchange=interchange(what, best[0]))
            return Decompiled(best[0], what.signature, method, best[1], time.perf_counter() - start, what)
        share = 1 - best[1].agreed / best[1].checked
        seen = list(best[1].counterexample or ())
        failures.append(
            CannotDecompile(
                f"the weights were read as a program that differs from them on {share:.1%} of {best[1].checked:,} inputs, such as {seen}",
                share,
            )
        )
    raise min(failures, key=lambda e: (e.residual is None, e is not failures[0])) from failures[-1]


def _chosen(ways: Iterable[Method]) -> list[tuple[Method, Way, float]]:
    """The ways of given names, in the order in which they are tried."""
    names = tuple(ways)
    known = [name for name, _, _ in WAYS]
    if not names or (unknown := [n for n in names if n not in known]):
        what = f"no way is called {unknown[0]!r}" if names else "no way is given"
        raise InputError(f"{what}; there are {', '.join(known)}")
    return [w for w in WAYS if w[0] in names]


def compared(what: Subject, program: Program, *, limit: int, draws: int, seed: int) -> Evidence:
    """Compare a program with the model that it was read from, by outputs and, compiled again, by weights."""
    found = compare(what, program, limit=limit, draws=draws, seed=seed)
    if rows_of(program) > LARGEST:
        return found
    apart = []
    for layout in LAYOUTS:
        try:
            again = program.compile(signature=what.signature, layout=layout)
        except CompileError:
            continue
        apart.append(weight_distance(what, subject(again)))
        if apart[-1] < SAME:
            break
    return replace(found, weight_distance=min(apart, default=None))
