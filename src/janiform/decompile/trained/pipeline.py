"""The whole way from a trained transformer to a program with its evidence.

L0 lifts the model exactly; L1 prunes the graph; L2 reads heads as selectors; L3 is a program of the common IR. A program is
claimed (L3) where it is short, says what the model says on fresh inputs of every length, and keeps saying it under
interventions; else the level says how far it went, and why no further.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any

import numpy as np
import torch

from janiform.decompile.trained.evidence import Match, agree, bins, draw, room
from janiform.decompile.trained.extract import Extracting, Extraction, Tell
from janiform.decompile.trained.faithful import LEAST, faithful
from janiform.decompile.trained.gates import Gating, train_gates
from janiform.decompile.trained.ledger import Ledger, Step
from janiform.decompile.trained.lift import lift
from janiform.decompile.trained.listing import count_lines
from janiform.decompile.trained.observe import observe
from janiform.decompile.trained.prune import Pruned, Pruning, prune
from janiform.decompile.trained.run import run
from janiform.decompile.trained.swap import Swap, swap
from janiform.decompile.trained.verify import (
    Agreement,
    Interchange,
    agreement,
    interchange,
    necessity,
)
from janiform.errors import InputError
from janiform.ir.program import Program
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler
from janiform.train.progress import Tick

LINES, FAITHFUL = 20, 0.8
"""A program is claimed if it has no more lines, agrees on at least ``LEAST`` of sequences of all lengths, and on this share
of interventions on any of the heads that are needed."""

CHANCE = 0.1
"""The share of sequences of trained lengths that a model must answer beyond those that one constant answer gets right."""

METHODS = ("causal", "gates")
"""How a lifted graph can be pruned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to decompile: ``inputs`` for each bin of lengths to verify on, and whether to prune where a program is found.

    ``method`` is how the lifted graph is pruned: "causal", by trial of cuts, or "gates", the published training of gates, which
    is done in any case where it is asked for.
    """

    inputs: int = 500
    interventions: int = 200
    prune: bool = False
    method: str = "causal"
    extracting: Extracting = field(default_factory=Extracting)
    pruning: Pruning = field(default_factory=Pruning)
    gating: Gating = field(default_factory=Gating)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"there is no method {self.method!r} of pruning; there are {', '.join(METHODS)}")


@dataclass(frozen=True, slots=True, eq=False)
class Decompiled:
    """A program for a model with its evidence, or how far it went without one."""

    task: str
    level: str
    reason: str
    program: Program | None
    listing: str
    lines: int
    lift_error: float
    extraction: Extraction
    swapped: Swap
    pruned: Pruned | None
    agreements: dict[str, Agreement]
    interchanges: tuple[Interchange, ...]
    needs: dict[str, float]
    unigram: float
    ledger: Ledger
    seconds: float
    seconds_verifying: float
    lengths: tuple[str, ...]
    """The bins of lengths that a program is claimed for."""
    warnings: tuple[str, ...]

    @property
    def match(self) -> Match:
        """On how many sequences, of all lengths, model and program (or, without one, the pruned graph) agree everywhere."""
        if self.program is None and self.pruned is not None:
            return self.pruned.match
        every = self.agreements.values()
        return Match(sum(a.matched for a in every), sum(a.n for a in every))

    @property
    def interchange(self) -> float | None:
        """The share of interventions after which both say the same, of the variable where that is least."""
        return min((i.accuracy for i in self.interchanges if i.n), default=None)

    def facts(self) -> dict[str, Any]:
        """The result as plain data."""
        errors = sum(a.errors for a in self.agreements.values())
        return {
            "level": self.level,
            "match": round(self.match.fraction, 5),
            "interchange": self.interchange,
            "lines": self.lines,
            "program": str(self.program) if self.program is not None else self.listing,
            "seconds": round(self.seconds, 2),
            "reason": self.reason,
            "warnings": list(self.warnings),
            "lengths": list(self.lengths),
            "match_interval": [round(x, 4) for x in self.match.interval],
            "match_by_length": {
                name: {
                    "match": a.match,
                    "inputs": a.n,
                    "model_right": a.right / max(1, a.n),
                    "match_where_right": a.right_matched / a.right if a.right else None,
                }
                for name, a in self.agreements.items()
            },
            "model_errors": errors,
            "model_errors_shared": sum(a.errors_shared for a in self.agreements.values()),
            "interchange_by_variable": [i.facts() for i in self.interchanges],
            "match_without_line": self.needs,
            "unigram_match": self.unigram,
            "lift_error": self.lift_error,
            "match_with_heads_swapped": self.swapped.facts(),
            "edges": None if self.pruned is None else len(self.pruned.graph.edges),
            "pruned": None if self.pruned is None else self.pruned.facts(),
            "heads_needed": [list(h) for h in self.extraction.needed],
            "seconds_verifying": round(self.seconds_verifying, 2),
        }


def decompile(
    model: Transformer,
    sampler: Sampler,
    settings: Settings | None = None,
    *,
    tell: Tell = lambda _: None,
    tick: Tick = lambda done, total: None,
) -> Decompiled:
    """Decompile a trained transformer, given how inputs of its task are drawn.

    ``tell`` is told what is done next, ``tick`` how far a training of gates has come.

    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> found = decompile(load_trained("D2-1l1h16"), sampler("D2"), Settings(inputs=50))
    >>> found.level, found.lines, found.match.fraction
    ('L3', 3, 1.0)
    """
    settings = settings or Settings()
    require_fit(model, sampler)
    begun = time.process_time()
    ledger = Ledger()
    tell("lifting")
    error = lift_error(model, sampler)
    ledger.add(
        Step("L0", f"lift, largest error {error:.1e}", True, 0, 0, 1.0, 1.0, time.process_time() - begun)
    )
    extraction = faithful(model, sampler, settings.extracting, tell)
    seconds = time.process_time() - begun
    tell("verifying")
    swapped = swap(model, sampler, extraction.readings, np.random.default_rng([settings.seed, 2]))
    note(ledger, extraction, swapped)
    program = extraction.found.program
    lines = statements(program)
    rng = np.random.default_rng([settings.seed, 1])
    agreements: dict[str, Agreement] = {}
    for name, ends in bins(model, sampler).items():
        batch = draw(model, sampler, rng, settings.inputs, *ends)
        agreements[name] = agreement(model, program, sampler, batch)
    lengths = answered_lengths(agreements)
    warnings = cautions(sampler, agreements, lengths)
    reason = ""
    if lines > LINES or not lengths:
        n, matched = (sum(getattr(a, k) for a in agreements.values()) for k in ("n", "matched"))
        reason = f"no program of at most {LINES} lines agrees on {LEAST:.0%} of sequences: {lines} lines, {matched} of {n}"
    interchanges: tuple[Interchange, ...] = ()
    needs: dict[str, float] = {}
    claimed = not reason
    if claimed:
        interchanges = tuple(
            interchange(
                model, program, sampler, extraction.features, extraction.needed, rng, n=settings.interventions
            )
        )
        needs = necessity(model, program, sampler, draw(model, sampler, rng, 64, longest=50, short=16))
        worst = min((i.accuracy for i in interchanges if i.n), default=1.0)
        if worst < FAITHFUL:
            reason = (
                f"the program says what the model says, but by another mechanism: interchange {worst:.2f}"
            )
    verifying = time.process_time() - begun - seconds
    pruned = None
    if not claimed or settings.prune or settings.method == "gates":
        tell("pruning")
        start = time.process_time()
        if settings.method == "gates":
            pruned = train_gates(model, sampler, settings.gating, tick=tick)
        else:
            pruned = prune(model, sampler, settings.pruning)
        for step in pruned.ledger:
            ledger.add(step)
        seconds += time.process_time() - start
    text = pruned.listing if pruned is not None else ""
    if claimed:
        level = "L2" if reason else "L3"
    else:
        level = "L1" if pruned is not None and pruned.match.fraction >= LEAST else "L0"
    return Decompiled(
        sampler.name,
        level,
        reason,
        program if claimed else None,
        text,
        lines if claimed or pruned is None else count_lines(pruned.graph),
        error,
        extraction,
        swapped,
        pruned,
        agreements,
        interchanges,
        needs,
        unigram(model, sampler, rng),
        ledger,
        seconds,
        verifying,
        lengths if claimed else (),
        tuple(warnings),
    )


def answered_lengths(agreements: Mapping[str, Agreement]) -> tuple[str, ...]:
    """Return the bins of lengths that a program can be claimed for, none if it agrees with the model too rarely.

    These are all of them where it agrees often enough on all together. Else the longer ones are left out, but only those that
    the model itself does not answer, and only if the program agrees wherever it does.
    """

    def enough(several: Iterable[Agreement]) -> bool:
        told = list(several)
        return bool(told) and sum(a.matched for a in told) >= LEAST * sum(a.n for a in told)

    if enough(agreements.values()):
        return tuple(agreements)
    answered = tuple(
        name for name, _ in takewhile(lambda item: item[1].right >= LEAST * item[1].n, agreements.items())
    )
    beyond = [a for name, a in agreements.items() if name not in answered]
    if enough(agreements[name] for name in answered) and all(
        a.right_matched >= LEAST * a.right for a in beyond
    ):
        return answered
    return ()


def cautions(sampler: Sampler, agreements: Mapping[str, Agreement], lengths: Sequence[str]) -> Iterator[str]:
    """Yield what the reader of a result has to know: that a model seems to be of another task, or errs on longer inputs."""
    for name, a in islice(agreements.items(), 1):
        if a.right <= a.chance + CHANCE * a.n:
            yield (
                f"the model answers {a.right} of {a.n} inputs of {sampler.name} of lengths {name} rightly, and {a.chance} are "
                "answered by always saying the same: was it trained on this task?"
            )
    for name, a in agreements.items():
        if lengths and name not in lengths:
            yield (
                f"at lengths {name} the model itself is right on {a.right} of {a.n} inputs; the program agrees on "
                f"{a.matched}, {a.right_matched} of them where it is right, and is not claimed there"
            )


def require_fit(model: Transformer, sampler: Sampler) -> None:
    """Refuse a model that cannot be one of this task."""
    if model.config.d_vocab != len(sampler.vocab):
        raise InputError(
            f"{sampler.name} has {len(sampler.vocab)} tokens ({' '.join(sampler.vocab[-5:])} last), this model "
            f"{model.config.d_vocab}: it is a model of another task"
        )
    if not room(model, sampler, sampler.longest):
        raise InputError(
            f"this model has {model.config.n_ctx} positions, too few for inputs of {sampler.name} of any length up to 8"
        )
    if model.config.attention_dir != "causal":
        raise InputError("tasks on sequences are for causal models; this one attends to both sides")


def lift_error(model: Transformer, sampler: Sampler) -> float:
    """The largest difference of logits between a model and its lifted graph, relative to the largest logit."""
    batch = draw(model, sampler, np.random.default_rng(0), 8, longest=40, short=2)
    tokens = torch.as_tensor(batch.tokens)
    with torch.no_grad():
        wanted, found = model(tokens), run(lift(model), tokens).logits
    return float((wanted - found).abs().max() / wanted.abs().max())


def note(ledger: Ledger, extraction: Extraction, swapped: Swap) -> None:
    """Write down what was read, what stays with readings in the place of heads, and what was found."""
    cut = "all heads are needed"
    if len(extraction.needed) < extraction.heads:
        cut = f"of {extraction.heads} heads {len(extraction.needed)} are needed"
    ledger.add(Step("L2", cut, True, 0, 0, 1.0, extraction.without, 0.0))
    for r in extraction.readings:
        what = f"read head {r.layer}.{r.head} as a list of {len(r.selectors)}, overlap {r.overlap:.3f}, and swap it for them"
        ledger.add(Step("L2", what, True, 0, 0, 1.0, swapped.alone[r.layer, r.head], 0.0))
    if extraction.readings:
        what = "swap all heads that are needed"
        ledger.add(Step("L2", what, True, 0, 0, 1.0, swapped.together, swapped.seconds))
        better = swapped.refitted > swapped.together
        step = (
            "refit their weights by token and distance",
            better,
            0,
            0,
            swapped.together,
            swapped.refitted,
            0.0,
        )
        ledger.add(Step("L2", *step))
    found = extraction.found
    what = f"rules over {len(extraction.features)} variables, {found.bits:.0f} bits"
    ledger.add(Step("L3", what, True, 0, 0, 1.0, 1 - found.wrong, extraction.seconds))


def statements(program: Program) -> int:
    """How many statements the text of a program has."""
    return sum(line.rstrip().endswith(";") for line in str(program).splitlines())


def unigram(model: Transformer, sampler: Sampler, rng: np.random.Generator) -> float:
    """The match of a table from token to answer, which some tasks need no more than."""
    batch = draw(model, sampler, rng, 200, longest=100, short=50)
    said = observe(model, sampler, batch, offsets=False).said
    guess = np.zeros_like(said)
    for token in np.unique(batch.tokens[batch.asked]):
        here = batch.asked & (batch.tokens == token)
        kinds, counts = np.unique(said[here], axis=0, return_counts=True)
        guess[here] = kinds[counts.argmax()]
    return float(agree(guess, said, batch.asked).all(1).mean())
