"""Hypothesis strategies: signatures, and random programs that have a meaning under them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from janiform.ir.domains import infer
from janiform.ir.nodes import Count, Indices, Readout, Scores, Sequence, Slope
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
    program = sample_program(rng, signature, draw(st.integers(1, largest)))
    return read_out(program, signature, rng) if draw(st.integers(0, 3)) == 0 else program


def read_out(program: Program, signature: Signature, rng: np.random.Generator) -> Program:
    """Let a read-out with small whole weights choose the output from a few variables of the program."""
    facts = infer(program, signature)
    known = [
        n
        for n in program.nodes()
        if isinstance(n, Sequence) and len(facts.domains[n].values or ()) in range(1, 40)
    ]
    chosen = [known[i] for i in rng.permutation(len(known))[:3]]
    labels = ("no", "yes", 3)[: int(rng.integers(1, 4))]
    row = lambda: tuple(int(x) for x in rng.integers(-3, 4, len(labels)))  # noqa: E731
    weights: list[Scores | Slope] = []
    for n in chosen:
        values = facts.domains[n].values or ()
        if isinstance(n, Count | Indices) and rng.random() < 0.5:
            weights.append(Slope(row()))
        else:
            listed = [v for v in values if rng.random() < 0.8]
            weights.append(Scores(tuple(listed), tuple(row() for _ in listed)))
    return Program(
        {"output": Readout(tuple(chosen), tuple(weights), row(), labels, bool(rng.random() < 0.3))}
    )


@st.composite
def cases(draw: st.DrawFn, longest: int = 6, largest: int = 10) -> tuple[Program, Signature]:
    """Draw a signature and a program for it."""
    signature = draw(signatures(longest))
    return draw(programs(signature, largest)), signature
