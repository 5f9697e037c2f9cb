"""What is known at every position of every input: what a model says there, and what variables hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from janiform.decompile.evidence import logits
from janiform.decompile.neural.finish import Variable
from janiform.errors import CompileError, MeaningError
from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.form import behavior
from janiform.ir.derived import length
from janiform.ir.functions import identity
from janiform.ir.nodes import Indices, Tokens, Value
from janiform.ir.nodes import Sequence as Seq
from janiform.ir.program import Program
from janiform.ir.rewrite import batches, count_inputs
from janiform.ir.semantics import Signature
from janiform.pair.codec import classes

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

LISTED, DRAWN = 20_000, 2_000
"""Every input of signatures with so many at most, else so many drawn ones."""


def answers(
    subject: Subject, signature: Signature
) -> tuple[Int[np.ndarray, " where"], tuple[Value, ...], Int[np.ndarray, " where"]]:
    """Return what a model says at every position as codes of values, these, and the number of the input of each.

    ``signature`` names the tokens: as the model's own does, or by number.
    """
    readout = subject.readouts[0]
    number = {identity(v): i for i, v in enumerate(signature.vocab)}
    exhaustive = count_inputs(signature, LISTED + 1) <= LISTED
    said, rows, seen = [], [], 0
    for batch in batches(signature, None if exhaustive else DRAWN, 0):
        codes = np.array([[number[identity(v)] for v in word] for word in batch])
        said.append(classes(readout, logits(subject, codes)).ravel())
        rows.append(np.repeat(seen + np.arange(len(codes)), codes.shape[1]))
        seen += len(codes)
    joined = np.concatenate(said)
    numbered = np.where(joined < 0, len(readout.values), joined)
    return numbered, (*readout.values, None), np.concatenate(rows)


def variables(found: Sequence[Seq], signature: Signature) -> list[Variable]:
    """Return the places, the tokens and statements as variables on every input; statements without a meaning are left out."""
    nodes = {"a": Indices(), "b": length(), "c": Tokens(), **{f"d{i}": n for i, n in enumerate(found)}}
    try:
        seen = behavior(Program(nodes), signature, LISTED, DRAWN)
    except MeaningError:
        return variables([n for n in found if _has_meaning(n, signature)], signature)
    made = []
    for name, n in nodes.items():
        try:
            domain = abstract(Program({name: n}), signature).outputs[name].values
        except (CompileError, MeaningError):
            domain = seen[name].values
        codes = np.concatenate([c.ravel() for c in seen[name].codes])
        known = {identity(v) for v in seen[name].values}
        more = tuple(v for v in domain if identity(v) not in known)
        made.append(Variable(n, codes, seen[name].values, (*seen[name].values, *more)))
    return made


def _has_meaning(n: Seq, signature: Signature) -> bool:
    try:
        behavior(Program({"x": n}), signature, LISTED, DRAWN)
    except MeaningError:
        return False
    return True
