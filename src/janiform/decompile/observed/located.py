"""Whether a program's variables are in a model: where, and how often model and program say the same when one is exchanged.

Agreement on inputs shows what a model says, not why. If a part of it holds what a statement holds, then putting in what it
holds on another input makes it say what the program says with the statement's other value (Geiger et al. 2021, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janiform.decompile.observed.responses import Part
from janiform.decompile.observed.watch import Watched, watched
from janiform.ir.derived import length
from janiform.ir.evaluate import Column, Run
from janiform.ir.nodes import Aggregate, Count
from janiform.ir.nodes import Sequence as Seq
from janiform.pair.codec import Index

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject
    from janiform.ir.program import Program

EXCHANGES = 400
"""So many exchanges are made for each statement and part."""


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A statement, the part of the model that holds it best, and the share of exchanges after which model and program agree.

    Exchanges that change what the program says, and those that change nothing, are counted apart; ``agreed`` is the lesser share.
    """

    node: Seq
    part: Part
    agreed: float


def located(seen: Watched, program: Program) -> list[Located]:
    """Return where each statement of a program is in a model; none where no part of the model matters.

    >>> import janiform as jf
    >>> from janiform.decompile.given import subject
    >>> from janiform.decompile.observed.watch import watched
    >>> pair = jf.programs.load("hist").compile("abc", 4)
    >>> [(str(f.part), f.agreed) for f in located(watched(subject(pair)), pair.program)]
    [('a0.h0', 1.0)]
    """
    statements = [n for n in program.nodes() if isinstance(n, Aggregate | Count) and n is not length()]
    parts = [Part(p.layer, p.heads, units) for p, _ in seen.mattering for units in (False, True)]
    found = []
    for n in statements if parts else ():
        held = [(exchange(seen, program, n, part), i) for i, part in enumerate(parts)]
        best, where = max(held, key=lambda x: (x[0], -x[1]))
        found.append(Located(n, parts[where], best))
    return found


def interchange(subject: Subject, program: Program) -> float | None:
    """Return the least share over a program's statements, None where it has none."""
    return min((f.agreed for f in located(watched(subject), program)), default=None)


def exchange(seen: Watched, program: Program, n: Seq, part: Part) -> float:
    """Return how often model and program agree when a part, and a statement, are what they are at another position."""
    s = seen.subject.signature
    words = [[s.vocab[c] for c in row if c >= 0] for row in seen.codes.tolist()]
    column = Run(words, causal=s.causal, program=program).column(n)
    held = column.codes[seen.valid]
    natural = np.zeros((int(seen.grid.max()) + 1, int(held.max()) + 1), bool)
    natural[seen.grid, held] = True
    rng = np.random.default_rng(23)
    good: list[np.ndarray] = []
    changed: list[np.ndarray] = []
    for rows in seen.groups():
        k = int(seen.lengths[rows[0]])
        rows = rng.choice(rows, size=max(1, EXCHANGES * k // int(sum(set(seen.lengths.tolist())))))
        at = rng.integers(k, size=len(rows))
        source = rng.integers(len(held), size=len(rows))
        keep = natural[seen.grid[seen.number[rows, at]], held[source]]
        rows, at, source = rows[keep], at[keep], source[keep]
        if not len(rows):
            continue
        put = np.full((len(rows), k), -1)
        put[np.arange(len(rows)), at] = source
        codes = column.codes[rows, :k].copy()
        codes[np.arange(len(rows)), at] = held[source]
        said = seen.answers(seen.ids(rows), seen.exchanged(part, put))
        own = [words[i] for i in rows]
        before, after = (
            _meant(seen, Run(own, causal=s.causal, program=program, given=given), program)
            for given in (None, {n: Column(codes, column.values)})
        )
        good.append((said == after).all(1))
        changed.append((before != after).any(1))
    agreed, told = np.concatenate(good), np.concatenate(changed)
    return min((float(agreed[x].mean()) for x in (told, ~told) if x.any()), default=0.0)


def _meant(seen: Watched, run: Run, program: Program) -> np.ndarray:
    """What a program says, numbered as ``Watched.answers`` does."""
    joint = np.zeros((len(run.inputs), run.width), np.int64)
    for r in seen.subject.readouts:
        index, column = Index(r), run.column(program.outputs[r.name])
        joint = joint * (len(r.values) + 1) + np.array([index(v) for v in column.values])[column.codes] + 1
    return joint
