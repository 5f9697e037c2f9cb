"""The neural way: statements are searched for head by head, an output is added, and the weights choose among what fits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from janiform.decompile.compiled.distance import weight_distance
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.given import subject as subject_of
from janiform.decompile.known import answers, variables
from janiform.decompile.neural.finish import outputs
from janiform.decompile.neural.network import Network, load_network
from janiform.decompile.neural.search import BEAM, Search
from janiform.decompile.neural.views import LENGTH, VOCAB, view
from janiform.errors import CompileError, MeaningError
from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.concrete import concrete
from janiform.ir.canonical.mechanism import Mechanism
from janiform.ir.canonical.normal import normalize
from janiform.ir.nodes import Sequence as Seq
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

COMPILED = 4
"""So many of the shortest programs that fit are compiled, and their weights compared."""
ALIKE = 10
"""Programs whose texts differ by fewer characters are as short; of these, the one that was thought of first."""
SAME = 1e-3
"""Weights this near are the same up to rounding."""
NUMBERED = Signature(range(VOCAB), LENGTH)
"""Inside, tokens are numbers."""


@lru_cache(maxsize=1)
def shipped() -> Network:
    """Return the network that comes with Janiform."""
    return load_network(Path(__file__).with_name("network.safetensors"))


def neural(
    subject: Subject,
    network: Network | None = None,
    *,
    beam: int = BEAM,
    repair: bool = True,
    test: bool = True,
) -> Iterator[Program]:
    """Yield programs of which every statement stood its tests, in the order in which they are to be believed.

    Raises CannotDecompile for a signature that the network has not learned, and where what was found decides no output.
    ``beam``, ``repair`` and ``test`` take parts of the search away, to see what they are worth.
    """
    signature = subject.signature
    if len(signature.vocab) != VOCAB or signature.max_len != LENGTH or signature.causal:
        raise CannotDecompile(
            f"the neural way has learned models of {VOCAB} tokens up to length {LENGTH} that look both ways; this one has "
            f"{len(signature.vocab)} tokens up to length {signature.max_len}"
        )
    if len(subject.readouts) != 1:
        raise CannotDecompile(f"the neural way reads one output, and this model has {len(subject.readouts)}")
    search = Search(network or shipped(), view(subject), beam=beam, repair=repair, test=test)
    found = search.statements()
    said, values, _ = answers(subject, NUMBERED)
    nodes = list(outputs(variables(found, NUMBERED), said, values))
    if not nodes:
        raise CannotDecompile(
            f"{len(found)} statements stand, none for {search.unread} heads, and these do not decide the output"
        )
    made = dict.fromkeys(p for p in (named(node, subject) for node in nodes) if p is not None)
    if not made:
        raise CannotDecompile("what fits the output is too large a table for a program")
    yield from ranked(list(made), subject)


def ranked(programs: list[Program], subject: Subject) -> list[Program]:
    """Put programs in order: first those whose weights, compiled, are the model's own up to every gauge, then the shortest."""
    shortest = sorted(programs, key=lambda p: len(str(p)) // ALIKE)
    if len(programs) == 1:
        return programs
    same = [p for p in shortest[:COMPILED] if distance(p, subject) < SAME]
    return [*same, *(p for p in shortest if p not in same)]


def named(node: Seq, subject: Subject) -> Program | None:
    """Return the canonical program of an output with the model's names of tokens, None where it is too large."""
    name = subject.readouts[0].name
    try:
        inside = normalize(abstract(Program({name: node}), NUMBERED))
        return concrete(Mechanism(inside.grid, subject.signature.vocab, inside.outputs))
    except (CompileError, MeaningError):
        return None


def distance(program: Program, subject: Subject) -> float:
    """Return how far a program's weights are from a model's, 2 where it does not compile."""
    try:
        return weight_distance(subject, subject_of(program.compile(signature=subject.signature)))
    except (CompileError, MeaningError):
        return 2.0
