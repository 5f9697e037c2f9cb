"""Examples to learn from: a head of a compiled program, and the statement that it carries out.

Canonical forms are written; which head carries out a statement is seen on the probes: it looks where the statement's
selector does. What a view shows is the same in every basis, gauge and order, so a program needs to be compiled only once,
whatever weights are drawn for it (a test says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from janiform.decompile.given import subject
from janiform.decompile.neural.grammar import REFS, Token, Unwritable, statements, write_statement
from janiform.decompile.neural.views import (
    CODES,
    HeadView,
    attention_features,
    code_features,
    layer_features,
    value_features,
    view,
    words,
)
from janiform.errors import CompileError, MeaningError
from janiform.ir.canonical import canonical
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Aggregate, Count, Node
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

LONGEST = 48
"""Longer statements are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What a head is seen by, what the statements known before it hold, and the statement it carries out."""

    attention: np.ndarray
    values: np.ndarray
    layer: np.ndarray
    codes: np.ndarray
    tokens: list[Token]


def examples(programs: Iterable[Program], signature: Signature) -> Iterator[list[Example]]:
    """Yield the examples of each program; none of one that does not compile or is not written.

    >>> import janiform as jf
    >>> p = jf.parse("x = aggregate(select(indices, indices, key == query + 1), tokens);")
    >>> [e.tokens[0] for e in next(examples([p], Signature(range(5), 5)))]
    [('mean',)]
    """
    for program in programs:
        try:
            form = canonical(program, signature)
            seen = view(subject(program.compile(signature=signature)))
        except (CompileError, MeaningError):
            yield []
            continue
        run = Run(words(), program=form)
        known: dict[Node, int] = {}
        codes: list[np.ndarray] = []
        found = []
        for n in statements(*form.outputs.values()):
            if len(known) >= REFS:
                break
            assert isinstance(n, Aggregate | Count)
            looks = run.pairs_selected(n.selector)
            carriers = [h for h in seen.heads if (h.looks == looks).all()]
            try:
                tokens = write_statement(n, known)
            except Unwritable:
                tokens = []
            if tokens and len(tokens) <= LONGEST:
                found += [example(h, seen.n_layers, codes, tokens) for h in carriers[:2]]
            known[n] = len(known)
            codes.append(code_features(run, run.values(n)))
        yield found


def example(head: HeadView, n_layers: int, codes: list[np.ndarray], tokens: list[Token]) -> Example:
    """Put together what a head is seen by."""
    known = np.zeros((REFS, CODES), np.float32)
    if codes:
        known[: len(codes)] = codes
    return Example(
        attention_features(head),
        value_features(head),
        layer_features(head, n_layers),
        known[: len(codes)],
        tokens,
    )
