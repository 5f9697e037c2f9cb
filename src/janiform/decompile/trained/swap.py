"""Heads swapped for what they are read as: the causal test of readings.

Overlap says how much of a head's attention a priority list explains, but not whether the rest matters. So the list is put in the
head's place, and what is compared is what the model says. Each query spreads its weight over the keys that it selects, over all
where it selects none: evenly, or, refitted, by a weight for each token under each token at each distance, near ones apart or by
the period that the head tells. These weights are those of the largest likelihood, found by iterative proportional fitting,
and make of the list a soft kernel. A model that counts is on the
edge at each count: two percent more weight for one token make fifty of it fifty-one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from janiform.decompile.trained.evidence import agree, answered, draw, pieces
from janiform.decompile.trained.heads import NEAR, Reading
from janiform.decompile.trained.interventions import Head
from janiform.decompile.trained.observe import interpreted, observe
from janiform.decompile.trained.selectors import first_of
from janiform.ir.evaluate import Run
from janiform.model.hooks import Hook, HookPoint
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences

FITTED, LONGEST = 32, 60
"""How many inputs weights are fitted to, and how many symbols these have at most."""

ROUNDS, NEVER = 100, 1e-9
"""Rounds of proportional fitting, and the least that a token is taken to get."""

Weights = Mapping[Head, NDArray[np.float64]]
"""How much more weight a head gives some tokens (second axis) under some tokens (first axis) at some distances (third)."""


@dataclass(frozen=True, slots=True)
class Swap:
    """On which share of inputs a model says the same with its heads swapped: each alone and all at once, with even weights;
    and all at once, with weights refitted."""

    alone: dict[Head, float]
    together: float
    refitted: float
    seconds: float

    def facts(self) -> dict[str, Any]:
        """It as plain data."""
        alone = {f"{layer}.{head}": share for (layer, head), share in self.alone.items()}
        return {"alone": alone, "together": self.together, "refitted": self.refitted}


def swap(
    model: Transformer,
    sampler: Sampler,
    readings: Sequence[Reading],
    rng: np.random.Generator,
    *,
    n: int = 100,
) -> Swap:
    """Put readings in the place of their heads, one by one and all at once, and compare what a model says on ``n`` inputs.

    >>> from janiform.decompile.trained.extract import extract
    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> model, task = load_trained("D2-1l1h16"), sampler("D2")
    >>> done = swap(model, task, extract(model, task).readings, np.random.default_rng(0))
    >>> done.together < 0.9 < done.refitted
    True
    """
    begun = time.process_time()
    weights = refit(model, sampler, readings, rng)
    drawn = draw(model, sampler, rng, n, short=n // 4)
    said = observe(model, sampler, drawn).said

    def match(several: Sequence[Reading], weights: Weights) -> float:
        mine = np.zeros_like(said)
        for rows, logits in swapped(model, sampler, several, drawn, weights):
            mine[rows, : logits.shape[1]] = answered(logits, sets=sampler.legal).numpy()
        return float(agree(mine, said, drawn.asked).all(1).mean())

    alone = {(r.layer, r.head): match([r], {}) for r in readings}
    together, refitted = match(readings, {}), match(readings, weights)
    return Swap(alone, together, refitted, time.process_time() - begun)


def swapped(
    model: Transformer,
    sampler: Sampler,
    readings: Sequence[Reading],
    drawn: Sequences,
    weights: Weights,
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield rows of a batch with their logits, the heads of ``readings`` attending as they are read."""
    run = interpreted(sampler, drawn)
    tokens = drawn.tokens[:, : run.width]
    patterns: dict[Head, Tensor] = {}
    for r in readings:
        pattern = looked_at(run, r).astype(np.float64)
        if (more := weights.get((r.layer, r.head))) is not None:
            pattern *= more[tokens[:, :, None], tokens[:, None, :], apart(r, run.width)]
        patterns[r.layer, r.head] = torch.from_numpy(pattern / pattern.sum(2, keepdims=True))
    for rows, codes, positions in pieces(model, sampler, drawn):
        hooks = [
            (f"blocks.{layer}.attn.hook_pattern", put(head, pattern[rows]))
            for (layer, head), pattern in patterns.items()
        ]
        with torch.no_grad():
            yield rows, model.run_with_hooks(codes, hooks, positions=positions)


def looked_at(run: Run, reading: Reading) -> NDArray[np.bool_]:
    """The keys that a reading selects for each query, all that it may see where none."""
    taken = run.pairs_selected(first_of(reading.whole))
    return np.where(taken.any(2, keepdims=True), taken, np.tri(run.width, dtype=bool))


def put(head: int, pattern: Tensor) -> Hook:
    """A hook that puts another pattern of attention into one head."""

    def change(value: Tensor, hook: HookPoint) -> Tensor:
        value = value.clone()
        size = value.shape[-1]
        value[:, head] = pattern[:, :size, :size].to(value.dtype)
        return value

    return change


def refit(
    model: Transformer, sampler: Sampler, readings: Sequence[Reading], rng: np.random.Generator
) -> Weights:
    """Return the weights by token and distance with which readings explain their heads' patterns best."""
    drawn = draw(model, sampler, rng, FITTED, longest=min(sampler.longest, LONGEST), short=FITTED // 4)
    seen = observe(model, sampler, drawn, patterns=True)
    run = seen.run()
    size = run.width
    return {
        (r.layer, r.head): likeliest(
            seen.patterns[r.layer, r.head][:, :size, :size],
            looked_at(run, r) & seen.counted[:, :size, None],
            drawn.tokens[:, :size],
            apart(r, size),
            len(sampler.vocab),
        )
        for r in readings
    }


def apart(reading: Reading, size: int) -> NDArray[np.int64]:
    """Return how far apart queries and keys are, as a head tells: by a period, or near and far."""
    places = np.arange(size)
    distance = np.maximum(places[:, None] - places, 0)
    return distance % reading.periods[-1] if reading.periods else np.minimum(distance, NEAR + 1)


def likeliest(
    pattern: NDArray[np.floating],
    taken: NDArray[np.bool_],
    tokens: NDArray[np.integer],
    apart: NDArray[np.integer],
    vocab: int,
) -> NDArray[np.float64]:
    """Return the weights (token of the query, token of the key, how far apart) under which a pattern over ``taken`` keys is
    likeliest.

    >>> tokens, taken = np.array([[0, 1, 1, 0]]), np.tri(4, dtype=bool)[None]
    >>> pattern = taken * np.array([1.0, 3.0])[tokens][:, None, :]
    >>> pattern /= pattern.sum(2, keepdims=True)
    >>> found = likeliest(pattern, taken, tokens, np.zeros((4, 4), int), 2)
    >>> (found[:, 1] / found[:, 0]).round(4).tolist()
    [[3.0], [3.0]]
    """
    rows, queries, keys = np.nonzero(taken)
    query = rows * taken.shape[1] + queries
    shape = vocab, vocab, int(apart.max(initial=0)) + 1
    cell = np.ravel_multi_index((tokens[rows, queries], tokens[rows, keys], apart[queries, keys]), shape)
    size = int(np.prod(shape))
    seen = pattern[rows, queries, keys].astype(float)
    whole = np.bincount(query, seen)
    got = np.bincount(cell, seen, size) + NEVER
    weights = np.ones(size)
    for _ in range(ROUNDS):
        each = weights[cell]
        share = whole / np.maximum(np.bincount(query, each), NEVER)
        told = np.bincount(cell, each * share[query], size) + NEVER
        weights *= got / told
    return weights.reshape(shape)
