"""Whether a program is a model's mechanism: what both say, on fresh inputs and after interchange interventions.

Behavior alone does not tell, since every right solution of a task agrees with a right model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.decompile.trained.evidence import Answers, agree, part_of, room
from janiform.decompile.trained.features import Feature
from janiform.decompile.trained.interventions import INPUTS, Group, Head, grouped, intervene, pairs
from janiform.decompile.trained.observe import interpreted, observe
from janiform.decompile.trained.rules import alike
from janiform.decompile.trained.synthesis import output_name
from janiform.decompile.trained.wording import of_variable
from janiform.ir.evaluate import Column, Run
from janiform.ir.nodes import Const, Indices, Tokens, walk
from janiform.ir.nodes import Sequence as Variable
from janiform.ir.program import Program
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences

PAIRS = 1 << 22
"""Pairs of positions that the interpreter holds at once."""


def answers(run: Run, program: Program, sampler: Sampler) -> Answers:
    """What a program says at each position, in the form of a model's answers."""
    if not sampler.legal:
        column = run.column(program.outputs["next"])
        code = {name: i for i, name in enumerate(sampler.vocab)}
        return np.array([code.get(str(v), -1) for v in column.values])[column.codes]
    said = np.zeros((len(run.inputs), run.width, len(sampler.vocab)), bool)
    for code in (*range(len(sampler.symbols)), sampler.eos):
        column = run.column(program.outputs[output_name(sampler, code)])
        said[:, :, code] = np.array([v is True for v in column.values])[column.codes]
    return said


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of ``n`` sequences a program and a model agree on at every position, on how many the model is right, and
    both; on how many of the positions that the model gets wrong the program gives the same answer; and how many sequences are
    answered rightly by always saying what is wanted most often."""

    n: int
    matched: int
    right: int
    right_matched: int
    errors: int
    errors_shared: int
    chance: int

    @property
    def match(self) -> float:
        return self.matched / max(1, self.n)


def agreement(
    model: Transformer, program: Program, sampler: Sampler, batch: Sequences, *, chunk: int = 256
) -> Agreement:
    """Compare a program with a model on a batch, whole sequences at a time."""
    total = np.zeros(5, int)
    order = np.argsort((batch.tokens != sampler.pad).sum(1), kind="stable")
    width = batch.tokens.shape[1]
    size = max(1, min(chunk, PAIRS // width**2))
    for start in range(0, len(order), size):
        part = part_of(sampler, batch, order[start : start + size])
        said = observe(model, sampler, part, offsets=False).said
        mine = answers(interpreted(sampler, part), program, sampler)
        same = agree(mine, said, part.asked)
        wrong = ~agree(said, part.wanted, part.asked)
        whole, fine = same.all(1), (~wrong).all(1)
        total += np.array([x.sum() for x in (whole, fine, whole & fine, wrong, wrong & same)])
    matched, right, both, errors, shared = (int(t) for t in total)
    return Agreement(len(batch), matched, right, both, errors, shared, always_the_same(batch))


def always_the_same(batch: Sequences) -> int:
    """How many sequences are answered rightly by saying everywhere what is wanted most often.

    >>> from janiform.tasks import sampler
    >>> 80 < always_the_same(sampler("bin_majority").draw(np.random.default_rng(0), 200, 1, 50)) < 120
    True
    """
    wanted = batch.wanted[batch.asked]
    first, kind = alike(wanted.reshape(len(wanted), -1).T)
    said: Answers = np.broadcast_to(wanted[first[np.bincount(kind).argmax()]], batch.wanted.shape)
    return int(agree(said, batch.wanted, batch.asked).all(1).sum())


@dataclass(frozen=True, slots=True)
class Interchange:
    """Interventions on the heads that write some variables: ``n`` in all, how many program and model then agree on, and
    the same among those that change what either says."""

    heads: tuple[tuple[int, int], ...]
    variables: int
    n: int
    agreed: int
    changing: int
    changing_agreed: int

    @property
    def accuracy(self) -> float:
        """The share of interventions after which both say the same."""
        return self.agreed / max(1, self.n)

    def facts(self) -> dict[str, Any]:
        """The counts as plain data."""
        return {
            "heads": [list(head) for head in self.heads],
            "accuracy": self.accuracy,
            "interventions": self.n,
            "changing": self.changing,
            "changing_agreed": self.changing_agreed,
        }


def interchange(
    model: Transformer,
    program: Program,
    sampler: Sampler,
    several: Sequence[Feature],
    needed: Sequence[Head],
    rng: np.random.Generator,
    *,
    n: int = 200,
    longest: int = 50,
) -> list[Interchange]:
    """Intervene on each group of heads that share a variable of the program, and on each of ``needed`` that has none.

    Of a head that writes no variable of it the program says that nothing changes. Inputs stand at position 0, as those do on
    which answers are compared.
    """
    used = set(walk(*program.outputs.values()))
    groups = grouped([f for f in several if f.node in used and f.heads])
    if not groups:  # a program of the inputs alone: they are its variables
        groups = [Group((), (node,), False) for node in INPUTS if node in used]
    known = {head for group in groups for head in group.heads}
    groups += [Group((head,), (), False) for head in needed if head not in known]
    base, source = pairs(sampler, rng, n, room(model, sampler, longest))
    found = []
    for group in groups:
        told = _interchange(model, program, sampler, group, needed, base, source, rng, any_token=False)
        if group.heads and group.nodes and not told.changing:  # nothing is shown where nothing changes
            told = _interchange(model, program, sampler, group, needed, base, source, rng, any_token=True)
        found.append(told)
    return found


def _interchange(
    model: Transformer,
    program: Program,
    sampler: Sampler,
    group: Group,
    needed: Sequence[Head],
    base: Sequences,
    source: Sequences,
    rng: np.random.Generator,
    *,
    any_token: bool,
) -> Interchange:
    """Count after which interventions on a group of heads model and program say the same."""
    done = intervene(
        model, sampler, group, base, source, rng, needed=needed, any_token=any_token, offsets=False
    )
    mine_before, mine_after = (answers(r, program, sampler) for r in (done.plain, done.changed))
    agreed = agree(done.after, mine_after, done.asked).all(1)
    still = agree(done.before, done.after, done.asked) & agree(mine_before, mine_after, done.asked)
    changing, usable = ~still.all(1), done.usable
    counts = (usable, agreed & usable, changing & usable, agreed & changing & usable)
    return Interchange(group.heads, len(group.nodes), *(int(c.sum()) for c in counts))


def necessity(model: Transformer, program: Program, sampler: Sampler, batch: Sequences) -> dict[str, float]:
    """The match that is left when a variable of a program, but for its inputs, always has the value it has most often."""
    said = observe(model, sampler, batch, offsets=False).said
    plain = interpreted(sampler, batch)
    answers(plain, program, sampler)
    left: dict[str, float] = {}
    others = {*program.outputs.values(), Tokens(), Indices()}
    for node in walk(*program.outputs.values()):
        if isinstance(node, Variable) and node not in others and not isinstance(node, Const):
            column = plain.column(node)
            common = int(np.bincount(column.codes[plain.valid]).argmax())
            fixed = Column(np.full_like(column.codes, common), column.values)
            mine = answers(Run(plain.inputs, causal=True, given={node: fixed}), program, sampler)
            left[of_variable(node)] = float(agree(mine, said, batch.asked).all(1).mean())
    return left
