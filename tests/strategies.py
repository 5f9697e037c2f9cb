"""Hypothesis strategies: signatures, and random programs that have a meaning under them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from janiform.ir.program import Program
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature

VOCABULARIES = (range(2), range(5), "ab", "abcd", [True, False], [-1, 0, 2, 0.5], ["a", 1, True])


@st.composite
def signatures(draw: st.DrawFn, longest: int = 6) -> Signature:
    """Draw a vocabulary of any kind, a maximum length and a direction."""
    vocab = draw(st.sampled_from(VOCABULARIES))
    return Signature(vocab, draw(st.integers(1, longest)), draw(st.booleans()))


@st.composite
def programs(draw: st.DrawFn, signature: Signature, largest: int = 10) -> Program:
    """Draw a program of up to ``largest`` operations, and a few that join loose ends."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return sample_program(rng, signature, draw(st.integers(1, largest)))


@st.composite
def cases(draw: st.DrawFn, longest: int = 6, largest: int = 10) -> tuple[Program, Signature]:
    """Draw a signature and a program for it."""
    signature = draw(signatures(longest))
    return draw(programs(signature, largest)), signature
