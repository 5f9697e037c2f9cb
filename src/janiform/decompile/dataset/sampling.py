"""Random programs for a data set, without those that teach nothing.

A program is rejected where it has no operation (*trivial*), where it says one thing on every input (*constant*), where it
says nothing at more than half of all positions (*undefined*), where its canonical form or its tables are too large
(*large*), where it lies outside the sizes asked for (*size*), and where its canonical form (*form*) or its behavior
(*behavior*) is that of a program before it. All of this is decided on every input of the signature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from janiform.errors import CompileError, InputError, MeaningError
from janiform.ir.canonical.abstract import abstract
from janiform.ir.canonical.concrete import concrete
from janiform.ir.canonical.form import Outcomes, as_shown, behavior, behavior_digest
from janiform.ir.canonical.mechanism import Mechanism
from janiform.ir.canonical.normal import digest, normalize
from janiform.ir.program import Program
from janiform.ir.rewrite import count_inputs
from janiform.ir.sample import sample_program, size_of
from janiform.ir.semantics import Signature

REASONS = ("trivial", "constant", "undefined", "large", "size", "form", "behavior")
"""Why a program is rejected."""

LISTED = 20_000
"""A signature with more inputs than this is refused: behavior is decided by running all of them."""

CELLS = 2_000
"""A mechanism whose tables have more cells than this, taken together, is large."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A program that was kept: its canonical form and hash, its outputs on every input and their hash."""

    program: Program
    form: Program
    canonical: str
    outcomes: Outcomes
    behavior: str

    @property
    def size(self) -> int:
        """The number of operations of the canonical form."""
        return size_of(self.form)


@dataclass(slots=True)
class Sampler:
    """Draws programs one after another; ``rejected`` counts why others were not kept.

    >>> sampler = Sampler(Signature(range(3), 3), (1, 4), seed=0)
    >>> found = next(sampler.programs())
    >>> 1 <= found.size <= 4
    True
    """

    signature: Signature
    sizes: tuple[int, int]
    seed: int
    rejected: Counter[str] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        low, high = self.sizes
        if not 1 <= low <= high:
            raise InputError(f"sizes go from 1 operation up, as in 1-10; got {low}-{high}")
        if count_inputs(self.signature, LISTED + 1) > LISTED:
            raise InputError(
                f"a signature of {len(self.signature.vocab)} tokens up to length {self.signature.max_len} has more than "
                f"{LISTED:,} inputs, and behavior is decided by running all of them; make one of the two smaller"
            )

    def programs(self) -> Iterator[Drawn]:
        """Yield programs without end: the size asked of each draw is uniform between the two sizes."""
        rng = np.random.default_rng([self.seed, 7])
        low, high = self.sizes
        while True:
            found = self.judged(sample_program(rng, self.signature, int(rng.integers(low, high + 1))))
            if isinstance(found, str):
                self.rejected[found] += 1
            else:
                yield found

    def judged(self, program: Program) -> Drawn | str:
        """Return the program with its hashes, or why it is rejected: the cheapest questions first."""
        try:
            normal = normalize(abstract(program, self.signature))
        except (CompileError, MeaningError):
            return "large"
        if cells(normal) > CELLS:
            return "large"
        written = digest(normal)
        if written in self._seen:
            return "form"
        self._seen.add(written)
        outcomes = next(iter(behavior(program, self.signature).values()))
        if len(outcomes.values) == 1:
            return "constant"
        if silent(outcomes) > 0.5:
            return "undefined"
        acted = behavior_digest({"output": outcomes}, self.signature)
        if acted in self._seen:
            return "behavior"
        form = concrete(normal)
        if not size_of(form):
            return "trivial"
        if not self.sizes[0] <= size_of(form) <= self.sizes[1]:
            return "size"
        self._seen.add(acted)
        return Drawn(program, form, digest(as_shown(normal)), outcomes, acted)


def cells(mechanism: Mechanism) -> int:
    """Return how many cells the tables of a mechanism have.

    >>> import janiform as jf
    >>> cells(normalize(abstract(jf.parse("x = tokens == 0;"), Signature(range(3), 3))))
    2
    """
    functions = [v.function for v in mechanism.outputs.values()]
    for s in mechanism.sources():
        if s.selection is not None:
            functions += [f for f in (s.selection.relation, s.selection.score, s.value) if f is not None]
    return sum(f.table.size for f in functions)


def silent(outcomes: Outcomes) -> float:
    """Return the share of positions at which the output is undefined.

    >>> silent(Outcomes((None, 1), (np.array([[0]]), np.array([[1, 0]]))))
    0.6666666666666666
    """
    if None not in outcomes.values:
        return 0.0
    code = outcomes.values.index(None)
    return sum(int((c == code).sum()) for c in outcomes.codes) / sum(c.size for c in outcomes.codes)
