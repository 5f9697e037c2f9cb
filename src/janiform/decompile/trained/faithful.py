"""Looking for a program again: from shorter inputs, by stronger interventions, with the heads of a layer as one.

A first extraction may fit few inputs because the model errs on longer ones, or fit what the model says but not what its heads do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from janiform.decompile.trained.evidence import agree, bins, draw
from janiform.decompile.trained.extract import Extracting, Extraction, Tell, extract
from janiform.decompile.trained.observe import observe
from janiform.decompile.trained.verify import agreement, interchange
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler

LEAST = 0.9
"""The share of sequences from which on a program, or a model, is right on most."""

GOOD = 0.9
"""The share of interventions from which on a program is not looked for once more."""

NEARLY = 0.05
"""The share of rows that rules may get wrong and still be tried further."""

TRIED = 60
"""How many inputs tell whether a program, or the model, is right on most."""


def faithful(model: Transformer, sampler: Sampler, extracting: Extracting, tell: Tell) -> Extraction:
    """Extract a program: once more from shorter inputs where it fits few of all but the model errs on longer ones. Where it
    fits what the model says, but not what heads do, once more with stronger interventions, and with the heads of a layer as one."""
    first = extract(model, sampler, extracting, tell=tell)
    if agreed(model, sampler, first) < LEAST and (longest := longest_answered(model, sampler)):
        tell(f"the model errs beyond length {longest}; looking for rules up to there")
        extracting = replace(extracting, longest=longest)
        first = extract(model, sampler, extracting, tell=tell)
    if first.found.wrong > NEARLY or extracting.evidence != "interventions":
        return first
    best, worst = first, faith(model, sampler, first)
    changes = [replace(extracting, any_token=True)]
    if len({layer for layer, _ in first.needed}) < len(first.needed):
        changes.append(replace(extracting, together=True))
    for changed in changes:
        if worst < GOOD:
            other = extract(model, sampler, changed, earlier=first, tell=tell)
            if other.found.wrong <= NEARLY and (found := faith(model, sampler, other)) > worst:
                best, worst = other, found
    return best


def agreed(model: Transformer, sampler: Sampler, extraction: Extraction) -> float:
    """The share of a few fresh inputs on which a program says what the model says."""
    batch = draw(model, sampler, np.random.default_rng(0), TRIED)
    return agreement(model, extraction.found.program, sampler, batch).match


def longest_answered(model: Transformer, sampler: Sampler) -> int | None:
    """The length up to which a model answers most inputs, None if it answers those of every length or of none."""
    rng, longest = np.random.default_rng(0), None
    for shortest, end in bins(model, sampler).values():
        batch = draw(model, sampler, rng, TRIED, shortest, end)
        said = observe(model, sampler, batch, offsets=False).said
        if agree(said, batch.wanted, batch.asked).all(1).mean() < LEAST:
            return longest
        longest = end
    return None


def faith(model: Transformer, sampler: Sampler, extraction: Extraction) -> float:
    """The interchange of the worst variable."""
    program, several = extraction.found.program, extraction.features
    rng = np.random.default_rng(0)
    found = interchange(model, program, sampler, several, extraction.needed, rng)
    return min((i.accuracy for i in found if i.n), default=1.0)
