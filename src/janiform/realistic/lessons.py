"""What a compressed model is taught by: inputs, interventions, and all that the exact model computes under them.

A lesson is a batch of which half are plain inputs; in a quarter tokens stand at other positions than their own; in a quarter
one variable is replaced by what it is on another input, so that what is learned holds under interchange interventions too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.func import functional_call

from janiform.model import Transformer
from janiform.model.hooks import Hook, HookPoint, NameFilter, hung
from janiform.pair.inputs import drawn
from janiform.realistic.interchange import sites

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

Record = dict[str, Tensor]
"""Activations by hook point, and the logits under ``logits``."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Ids and positions of a batch, where tokens are, the hooks that intervene, and what the exact model computes."""

    ids: Int[Tensor, "batch pos"]
    positions: Int[Tensor, "batch pos"]
    tokens: Bool[Tensor, "batch pos"]
    hooks: list[tuple[str, Hook]]
    record: Record


class Teacher:
    """The exact model in float64, and the lessons that it gives."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        config = replace(pair.model.config, dtype="float64")
        self.model = Transformer.from_weights(config, pair.model.weights()).requires_grad_(False)
        self.model.to(pair.model.device)
        layers = range(config.n_layers)
        self.scores = [f"blocks.{i}.attn.hook_attn_scores" for i in layers if config.n_heads]
        self.heads = [f"blocks.{i}.attn.hook_z" for i in layers if config.n_heads]
        self.units = [f"blocks.{i}.mlp.hook_post" for i in layers if config.d_mlp]
        self.streams = [f"blocks.{i}.hook_resid_{at}" for i in layers for at in ("pre", "mid")]
        self.streams += [f"blocks.{config.n_layers - 1}.hook_resid_post"] if config.n_layers else []
        inner = [s for s in sites(pair) if not any("embed" in name for name in s.names)]
        self.sites = [s for s in inner if s.names]

    def lesson(self, size: int, seed: Sequence[int], *, plain: bool = False) -> Lesson:
        """Draw a lesson of about ``size`` inputs; ``plain`` leaves tokens and variables where they are."""
        rng = np.random.default_rng(list(seed))
        signature, codec = self.pair.signature, self.pair.codec
        batches = drawn(signature, size, size, seed=int(rng.integers(2**31)))
        ids = np.concatenate([codec.frame(codes, signature.max_len) for codes in batches])
        ids = ids[rng.permutation(len(ids))]
        tokens = (ids != codec.pad) & (ids != codec.bos)
        positions = np.tile(np.arange(ids.shape[1]), (len(ids), 1))
        hooks: list[tuple[str, Hook]] = []
        device = self.model.device
        if not plain:
            kind = np.arange(len(ids)) % 4
            lengths = tokens.sum(1, keepdims=True)
            others = 1 + rng.integers(np.broadcast_to(lengths, ids.shape))
            positions = np.where(tokens & (kind == 2)[:, None], others, positions)
            if self.sites:
                site = self.sites[rng.integers(len(self.sites))]
                where = tokens & (kind == 3)[:, None] & (rng.random(ids.shape) < 0.7)
                source = torch.from_numpy(rng.permutation(len(ids))).to(device)
                plainly = self.run(
                    torch.from_numpy(ids).to(device), torch.from_numpy(positions).to(device), site.names
                )
                cache = {name: plainly[name][source] for name in site.names}
                hooks = list(site.hooks(cache, torch.from_numpy(where).to(device)))
        id_, at, real = (torch.from_numpy(x).to(device) for x in (ids, positions, tokens))
        points = [*self.scores, *self.heads, *self.units, *self.streams]
        return Lesson(id_, at, real, hooks, self.run(id_, at, points, hooks))

    def run(
        self, ids: Tensor, positions: Tensor, points: Sequence[str], hooks: Sequence[tuple[str, Hook]] = ()
    ) -> Record:
        """Return what the exact model computes."""
        with torch.no_grad():
            return recorded(self.model, dict(self.model.named_parameters()), ids, positions, points, hooks)


def recorded(
    model: Transformer,
    weights: Mapping[str, Tensor],
    ids: Tensor,
    positions: Tensor,
    points: Sequence[str],
    hooks: Sequence[tuple[NameFilter, Hook]] = (),
) -> Record:
    """Run a model with other weights under hooks, and return activations and logits."""
    record: Record = {}

    def keep(value: Tensor, hook: HookPoint) -> None:
        record[hook.name] = value

    with hung(model.points, [*hooks, (list(points), keep)]):
        record["logits"] = functional_call(model, dict(weights), (ids, positions))
    return record
