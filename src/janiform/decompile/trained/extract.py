"""A program out of a model: heads read as selectors (L2), then rules over what they write (L3).

Rules are found on inputs and on interventions together, so that they say what heads do and not only what comes out. The
program is then compared with the model on fresh inputs; where they differ, those inputs join, and rules are found anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from janiform.decompile.trained.evidence import agree, draw, part_of, room
from janiform.decompile.trained.features import Feature, copied, features, supposed
from janiform.decompile.trained.heads import PARTLY, Reading, read_head
from janiform.decompile.trained.interventions import Head, grouped, intervene, pairs
from janiform.decompile.trained.needed import needed_heads
from janiform.decompile.trained.observe import Observed, interpreted, observe
from janiform.decompile.trained.selectors import SMALL, offset
from janiform.decompile.trained.synthesis import Found, Situations, synthesize
from janiform.decompile.trained.verify import answers
from janiform.ir.nodes import Sequence as Variable
from janiform.ir.nodes import Tokens
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences

RARE = 0.1
"""What counterexamples weigh beside inputs at random: they may be errors of the model that no rule is for."""

UNUSUAL = 0.2
"""What interventions weigh beside inputs: they tell mechanisms apart in many rows at once, and what a model does on a few of
them, which are like no input, is not worth a literal."""

Evidence = Literal["interventions", "inputs", "behavior"]
"""What rules are fitted to: what heads do, on inputs and under interventions; on inputs alone; or what a model says, by
variables that no head was asked for. The latter two are there for comparison."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracting:
    """Settings: how many inputs heads are read on, rules are found on, interventions are made on, and a round of
    comparison draws; those of a task of many symbols are a quarter. Rules are found on inputs of up to ``longest`` symbols.
    ``any_token`` also intervenes under other tokens, which tells a head apart from the token it stands under. ``together`` takes
    the heads of a layer for one, as some share a variable between them, each for some of its values."""

    read: int = 32
    inputs: int = 150
    interventions: int = 200
    compared: int = 200
    rounds: int = 3
    longest: int | None = None
    longest_read: int = 60
    longest_intervened: int = 30
    evidence: Evidence = "interventions"
    any_token: bool = False
    together: bool = False
    seed: int = 0

    def of(self, sampler: Sampler) -> Extracting:
        """The settings for a task."""
        if len(sampler.symbols) <= SMALL:
            return self
        return replace(
            self,
            read=self.read // 3,
            inputs=self.inputs // 3,
            interventions=self.interventions // 3,
            compared=self.compared // 4,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """A program that says what a model says, with the readings of the heads it needs and the features that came of them."""

    found: Found
    readings: tuple[Reading, ...]
    features: tuple[Feature, ...]
    needed: tuple[Head, ...]
    heads: int
    without: float
    seconds: float


def extract(
    model: Transformer,
    sampler: Sampler,
    settings: Extracting | None = None,
    *,
    earlier: Extraction | None = None,
    tell: Tell = lambda _: None,
) -> Extraction:
    """Find the shortest program that says what a model says, by what its heads do, as ``earlier`` read them if that is given.

    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> found = extract(load_trained("tomita2-1l1h16"), sampler("tomita2")).found
    >>> print(found.program)
    may_1 = tokens != "1";
    may_0, may_1, may_end = tokens == "1", may_1, may_1;
    """
    begun = time.process_time()
    settings = (settings or Extracting()).of(sampler)
    rng = np.random.default_rng(settings.seed)
    longest = min(settings.longest or sampler.longest, settings.longest_read)
    batch = draw(model, sampler, rng, settings.read, longest=longest, short=settings.read // 4)
    needed: Sequence[Head]
    readings: Sequence[Reading] = ()
    if earlier is not None:
        needed, without, readings = earlier.needed, earlier.without, earlier.readings
    else:
        tell("looking for the heads that are needed")
        needed, without = needed_heads(model, sampler, batch)
        tell("reading heads")
        if settings.evidence != "behavior":
            readings = read(observe(model, sampler, batch, patterns=True), model.config.n_layers, needed)
    if settings.evidence == "behavior":
        several = supposed(sampler, interpreted(sampler, batch))
    else:
        several = features(sampler, interpreted(sampler, batch), readings)
        several = joint(several, needed) if settings.together else several
    tell("finding rules")
    inputs = draw(model, sampler, rng, settings.inputs, longest=settings.longest, short=settings.inputs // 4)
    where = [situations(model, sampler, inputs)]
    if settings.evidence == "interventions":
        base, source = pairs(
            sampler, rng, settings.interventions, room(model, sampler, settings.longest_intervened)
        )
        for group in grouped([f for f in several if f.heads]):
            any_token = settings.any_token
            done = intervene(model, sampler, group, base, source, rng, needed=needed, any_token=any_token)
            if done.asked.any():
                where.append(Situations(done.changed, done.after, done.asked, UNUSUAL))
    found = synthesize(sampler, several, where)
    for _ in range(settings.rounds):
        fresh = draw(
            model, sampler, rng, settings.compared, longest=settings.longest, short=settings.compared // 4
        )
        observed = observe(model, sampler, fresh)
        mine = answers(observed.run(), found.program, sampler)
        wrong = np.flatnonzero(~agree(mine, observed.said, fresh.asked).all(1))
        if not len(wrong):
            break
        tell(f"{len(wrong)} counterexamples")
        where.append(replace(situations(model, sampler, part_of(sampler, fresh, wrong)), weight=RARE))
        before, found = found, synthesize(sampler, several, where)
        if found.program == before.program:
            break
    seconds = time.process_time() - begun
    heads = model.config.n_layers * model.config.n_heads
    return Extraction(found, tuple(readings), tuple(several), tuple(needed), heads, without, seconds)


def read(observed: Observed, layers: int, needed: Sequence[Head]) -> list[Reading]:
    """Read the heads that are needed of a model of so many layers, each layer's with what the layers below copy."""
    run = observed.run()
    readings: list[Reading] = []
    known: list[Variable] = []
    for layer in sorted({layer for layer, _ in needed}):
        last = layer == layers - 1
        here = [read_head(observed, run, *head, known, last=last) for head in needed if head[0] == layer]
        readings += here
        known += [copied(r.selector, Tokens()) for r in here if r.single]
        partly = [r for r in here if not r.single or r.overlap < PARTLY]
        known += [copied(offset(by), Tokens()) for r in partly for by in r.offsets if by]
        known = list(dict.fromkeys(known))
    return readings


def joint(several: Sequence[Feature], needed: Sequence[Head]) -> list[Feature]:
    """Features as what all needed heads of their layers write."""
    layers = [{layer for layer, _ in f.heads} for f in several]
    return [replace(f, heads=tuple(h for h in needed if h[0] in own)) for f, own in zip(several, layers)]


def situations(model: Transformer, sampler: Sampler, batch: Sequences) -> Situations:
    """What a model says on inputs as they are."""
    observed = observe(model, sampler, batch)
    return Situations(observed.run(), observed.said, batch.asked)
