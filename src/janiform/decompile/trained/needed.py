"""Which heads a model's answers need: the others, set to their mean, change nothing."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from janiform.decompile.trained.evidence import agree, answered, standing
from janiform.decompile.trained.interventions import Head
from janiform.model.hooks import HookPoint
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler, Sequences


def needed_heads(
    model: Transformer, sampler: Sampler, batch: Sequences, *, least: float = 0.99
) -> tuple[list[Head], float]:
    """Return the heads that are left when others are taken out, and the agreement without those.

    A head is taken out by its mean over all positions; agreement is that of positions, and stays at ``least``. Where heads
    stand in for one another, what is left depends on which goes first: the least missed, or those of the last layers. Of
    both, what leaves fewer heads is taken, and of as many, what agrees more.
    """
    tokens, positions = torch.as_tensor(batch.tokens), standing(model, sampler, batch)
    layers, heads = model.config.n_layers, model.config.n_heads
    points = [f"blocks.{layer}.attn.hook_z" for layer in range(layers)]
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens, points, positions=positions)
    said = answered(logits, sets=sampler.legal)
    asked = torch.from_numpy(batch.asked)
    there = tokens != sampler.pad
    means = {point: cache[point][there].mean(0) for point in points}

    def agreement(out: set[Head]) -> float:
        def cut(value: torch.Tensor, hook: HookPoint) -> torch.Tensor:
            value = value.clone()
            for layer, head in out:
                if hook.name == points[layer]:
                    value[:, :, head] = means[points[layer]][head]
            return value

        with torch.no_grad():
            cuts = [(point, cut) for point in points]
            now = answered(model.run_with_hooks(tokens, cuts, positions=positions), sets=sampler.legal)
        return float(agree(now, said, asked)[asked].double().mean())

    every = [(layer, head) for layer in range(layers) for head in range(heads)]
    alone: Mapping[Head, float] = {head: agreement({head}) for head in every}
    found: list[tuple[int, float, list[Head]]] = []
    for order in (sorted(every, key=lambda h: -alone[h]), sorted(every, key=lambda h: (-h[0], -alone[h]))):
        out: set[Head] = set()
        best = 1.0
        for head in order:
            if alone[head] >= least and (now := agreement(out | {head})) >= least:
                out.add(head)
                best = now
        left = [head for head in every if head not in out]
        found.append((len(left), -best, left))
    _, missed, left = min(found)
    return left, -missed
