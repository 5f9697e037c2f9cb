"""What a model does on inputs of a task: its answers and where its heads look, beside the interpreter's view."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from janiform.decompile.trained.evidence import Answers, answered, pieces
from janiform.ir.evaluate import Run
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences


@dataclass(eq=False)
class Observed:
    """A batch with a model's answers up to the last that is asked, and patterns of attention (layer, head) ->
    (n, query, key) where asked for."""

    sampler: Sampler
    batch: Sequences
    said: Answers
    patterns: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)

    def run(self) -> Run:
        """The interpreter on the same inputs, <pad> left out."""
        return interpreted(self.sampler, self.batch)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which positions bear on an asked one: all up to the last that is asked."""
        return np.logical_or.accumulate(self.batch.asked[:, ::-1], axis=1)[:, ::-1]


def interpreted(sampler: Sampler, batch: Sequences) -> Run:
    """A run of the interpreter on a batch, as tokens."""
    vocab = np.array(sampler.vocab, object)
    lengths = (batch.tokens != sampler.pad).sum(1)
    rows = [list(vocab[row[:n]]) for row, n in zip(batch.tokens, lengths, strict=True)]
    return Run(rows, causal=True)


def observe(
    model: Transformer,
    sampler: Sampler,
    batch: Sequences,
    *,
    patterns: bool = False,
    offsets: bool = True,
) -> Observed:
    """Run a model on a batch, at offsets or from position 0 on."""
    n, width = batch.tokens.shape
    said: Answers = (
        np.zeros((n, width, len(sampler.vocab)), bool) if sampler.legal else np.zeros((n, width), int)
    )
    heads = (
        [(i, j) for i in range(model.config.n_layers) for j in range(model.config.n_heads)]
        if patterns
        else []
    )
    seen = {head: np.zeros((n, width, width), np.float32) for head in heads}
    for rows, tokens, positions in pieces(model, sampler, batch, offsets=offsets):
        size = tokens.shape[1]
        with torch.no_grad():
            logits, cache = model.run_with_cache(
                tokens, lambda name: patterns and name.endswith("hook_pattern"), positions=positions
            )
        said[rows, :size] = answered(logits, sets=sampler.legal).numpy()
        for layer, head in heads:
            seen[layer, head][rows, :size, :size] = cache[f"blocks.{layer}.attn.hook_pattern"][
                :, head
            ].numpy()
    return Observed(sampler, batch, said, seen)
