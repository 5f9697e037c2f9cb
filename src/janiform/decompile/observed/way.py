"""The observational way: what heads carry is seen by exchange, statements that foretell it are found by size, an output is added."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.known import answers, variables
from janiform.decompile.neural.finish import Variable, expressed
from janiform.decompile.observed.fits import Fit, fits
from janiform.decompile.observed.located import located
from janiform.decompile.observed.responses import Part
from janiform.decompile.observed.statements import Statements
from janiform.decompile.observed.watch import Watched, watched
from janiform.errors import CompileError, MeaningError
from janiform.ir.canonical.fitting import size
from janiform.ir.canonical.form import canonical, canonical_hash
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Map, Value
from janiform.ir.program import Program

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

LONGEST = 24
"""Models of longer inputs are not watched."""
LARGEST = 8.5
"""Statements that cost more are not looked for."""
WITH_UNITS = 1.5
"""What is added to what heads carry only together with hidden units, where they carry something alone."""
READ = 4
"""So many statements of earlier layers can be read by later ones."""
GIVEN = (1.0, 1.6, 1.0)
"""What it costs to read the place, the length and the token."""
MOST = 4
"""The output is a function of so many variables at most."""
TRIED = 4_000
"""So many choices of variables are tried, the cheapest first."""
CHOICES = 4
"""So many choices that decide the output are written as programs."""
WRITTEN = 3.0
"""So many parts of an output's function cost as much as one of a statement."""
EXCHANGED, ABSENT = 6, 4.0
"""So many of the cheapest programs are exchanged with the model, and what it costs where none of a statement's exchanges agree."""
WRONG = 0.01
"""The share of inputs on which a model may differ from what its variables decide."""


def observed(subject: Subject) -> Iterator[Program]:
    """Yield programs that say what the model says, made of statements that foretell what it says under exchange.

    Raises CannotDecompile where nothing small that heads are seen to carry decides the output, with the least share of inputs
    on which what was found differs as its residual error.
    """
    if len(subject.readouts) != 1:
        raise CannotDecompile(
            f"the observational way reads one output, and this model has {len(subject.readouts)}"
        )
    if subject.signature.max_len > LONGEST:
        raise CannotDecompile(
            f"the observational way watches models up to length {LONGEST}, and this one takes {subject.signature.max_len} tokens"
        )
    seen, found = watched(subject), list[Fit]()
    told = Told.of(subject, found)
    if not next(told.deciding(), None):
        found = carried(seen)
        told = Told.of(subject, found)
    programs: dict[str, tuple[float, Program]] = {}
    for cost, chosen, said in told.deciding():
        for node in expressed(chosen, said, told.values):
            program = Program({subject.readouts[0].name: node})
            try:
                form = canonical(program, subject.signature)
                digest = canonical_hash(program, subject.signature)
            except (CompileError, MeaningError):
                continue
            whole = cost + written(form) / WRITTEN
            if digest not in programs or whole < programs[digest][0]:
                programs[digest] = whole, form
    if not programs:
        raise CannotDecompile(
            f"{len(found)} small statements foretell what {len(seen.mattering)} heads carry, and none of their functions "
            "says what the model says",
            told.least,
        )
    yield from ranked(seen, sorted(programs.values(), key=lambda x: x[0]))


def ranked(seen: Watched, programs: Sequence[tuple[float, Program]]) -> list[Program]:
    """Put programs in order of what they cost; those whose statements are not in the model by exchange cost more."""

    def cost(i: int) -> float:
        """The cost of a program, if it is among those that are exchanged."""
        own, program = programs[i]
        if i >= EXCHANGED or own > programs[0][0] + ABSENT:
            return own + ABSENT
        return own + ABSENT * (1 - min((f.agreed for f in located(seen, program)), default=1.0))

    order = list(range(len(programs)))
    return [programs[i][1] for i in (sorted(order, key=cost) if len(order) > 1 else order)]


def written(form: Program) -> int:
    """Return how large the functions between statements and outputs are.

    >>> import janiform as jf
    >>> written(jf.parse("x = selector_width(select(tokens, tokens, ==)) > 1;"))
    3
    """
    found, left = 0, list(form.outputs.values())
    while left:
        n = left.pop()
        if isinstance(n, Map):
            found += size(n.fn)
            left += n.args
    return found


def carried(seen: Watched) -> list[Fit]:
    """Return the statements that parts carry, layer by layer; those of earlier layers are read by those of later ones."""
    s = seen.subject.signature
    words = [[s.vocab[c] for c in row if c >= 0] for row in seen.codes.tolist()]
    found: dict[bytes, Fit] = {}
    for layer, parts in itertools.groupby((p for p, _ in seen.mattering), key=lambda p: p.layer):
        asked = [Part(layer, p.heads, units) for p in parts for units in (False, True)]
        before = sorted(found.values(), key=lambda f: f.cost)[:READ]
        statements = Statements(Run(words, causal=s.causal), s.vocab, [f.node for f in before])
        clear: set[tuple[int, ...]] = set()
        own = fits(seen, statements, [seen.responses(p) for p in asked], LARGEST)
        for part, standing in zip(asked, own, strict=True):
            more = WITH_UNITS if part.heads in clear else 0.0
            if standing and not part.units:
                clear.add(part.heads)
            for f in standing:  # what a later layer carries on is the statement that was there first
                first = found.get(f.held, f)
                found[f.held] = replace(
                    first, cost=min(first.cost, f.cost + more) if f.held in found else f.cost + more
                )
    return list(found.values())


@dataclass(eq=False)
class Told:
    """Variables on every input beside what the model says there."""

    known: list[tuple[float, Variable]]
    said: Int[np.ndarray, " where"]
    values: Sequence[Value]
    rows: Int[np.ndarray, " where"]
    least: float = 1.0

    @classmethod
    def of(cls, subject: Subject, found: Sequence[Fit]) -> Told:
        """Run statements on every input."""
        said, values, rows = answers(subject, subject.signature)
        made = variables([f.node for f in found], subject.signature)
        cost = {f.node: f.cost for f in found}
        costs = [*GIVEN, *(cost[v.node] for v in made[3:])]
        return cls(list(zip(costs, made, strict=True)), said, values, rows)

    def deciding(self) -> Iterator[tuple[float, list[Variable], Int[np.ndarray, " where"]]]:
        """Yield variables that decide what is said on all inputs but ``WRONG``, the cheapest first, and what they say."""
        order = sorted(self.known, key=lambda x: x[0])
        choices = [chosen for n in range(MOST + 1) for chosen in itertools.combinations(range(len(order)), n)]
        choices.sort(key=lambda c: sum(max(0.5, order[i][0]) for i in c))
        found: list[tuple[int, ...]] = []
        for chosen in choices[:TRIED]:
            if any(set(f) <= set(chosen) for f in found):
                continue
            picked = [order[i][1] for i in chosen]
            said = decided(picked, self.said)
            wrong = len(np.unique(self.rows[said != self.said])) / (int(self.rows.max()) + 1)
            self.least = min(self.least, wrong)
            if wrong > WRONG:
                continue
            found.append(chosen)
            yield sum(max(0.5, order[i][0]) for i in chosen), picked, said
            if len(found) == CHOICES:
                return


def decided(chosen: Sequence[Variable], said: Int[np.ndarray, " where"]) -> Int[np.ndarray, " where"]:
    """Return what is said most often where variables hold the same."""
    joint = np.zeros(len(said), np.int64)
    for v in chosen:
        joint = np.unique(joint * len(v.values) + v.codes, return_inverse=True)[1]
    most = int(said.max()) + 1
    counts = np.bincount(joint * most + said, minlength=(int(joint.max()) + 1) * most).reshape(-1, most)
    return counts.argmax(1)[joint]
