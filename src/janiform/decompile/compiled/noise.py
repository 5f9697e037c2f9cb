"""Programs of weights that noise has kept from computing them: read, though model and program differ.

Outputs cannot decide then. What is asked instead: scores and hidden units lie off their levels and lines, so that there is
noise; however much is taken for noise, the reading is one; the program is written almost without look-up tables, which noise
makes irregular; and more noise, on the weights as they are, leaves the same reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from janiform.decompile.compiled.exact import TOLERANCES, reading
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.ir.program import Program
from janiform.ir.sample import rows_of, size_of
from janiform.model import Transformer

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

ROUNDING = 1e-5
"""What is off by this share or less is rounding, and no noise."""

LOUDEST = 0.05
"""Beside more noise than this, nothing that is read is sure."""

SHAKEN = 3e-4
"""How much noise is added, as a share of each weight."""

COPIES = 3
"""So many copies with noise of their own are read, of which more than half must be read as the same program."""

MOST_ROWS = 8
"""So many rows may the tables of the program have."""


def denoised(subject: Subject) -> Iterator[Program]:
    """Yield the program that weights hold beside noise; CannotDecompile where none is clear."""
    found = list(readings(subject))
    if len(found) < 2 or any(program != found[0][0] for program, _ in found):
        raise CannotDecompile("what weights are read as depends on how much is taken for noise")
    program, noise = found[0][0], min(noise for _, noise in found)
    if not ROUNDING < noise <= LOUDEST:
        raise CannotDecompile(f"noise of {noise:.1g} is not what keeps the model from its program")
    if not size_of(program) or rows_of(program) > MOST_ROWS:
        raise CannotDecompile("what weights hold beside noise is nothing, or irregular tables")
    same = sum(any(program == p for p, _ in readings(shaken(subject, seed))) for seed in range(COPIES))
    if 2 * same <= COPIES:
        raise CannotDecompile("weights are read as another program when they are shaken")
    yield program


def readings(subject: Subject) -> Iterator[tuple[Program, float]]:
    """Yield what weights are read as at every tolerance that takes something for noise, and how much was."""
    for tolerance in TOLERANCES[1:]:
        try:
            yield reading(subject, tolerance)
        except CannotDecompile:
            continue


def shaken(subject: Subject, seed: int) -> Subject:
    """Return what is to be decompiled with noise on every weight."""
    rng = np.random.default_rng(seed)
    config = replace(subject.model.config, dtype="float64")
    noisy = {
        name: w * (1 + SHAKEN * rng.standard_normal(w.shape))
        for name, w in sorted(subject.model.weights().items())
    }
    return replace(subject, model=Transformer.from_weights(config, noisy))
