"""What a compressed model is taught by: inputs, interventions, and all that the exact model computes under them.

A lesson is a batch of which half are plain inputs; in the other half one variable is replaced by what it is on another input,
as far as that can be, so that what is learned holds under interchange interventions too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from janiform.realistic.interchange import Meaning, Site, Swap, sites, swap

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

TRIES = 6
"""How often interventions are drawn for a lesson, where few of them change anything."""

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
        self.meaning, self.sites = Meaning.of(pair), sites(pair)

    def lesson(
        self, size: int, seed: Sequence[int], *, plain: bool = False, site: Site | None = None
    ) -> Lesson:
        """Draw a lesson of about ``size`` inputs: half of them with interventions, on a site or any, or none where ``plain``."""
        rng = np.random.default_rng(list(seed))
        ids = self._inputs(size if plain else size - size // 2, rng)
        positions = np.tile(np.arange(ids.shape[1]), (len(ids), 1))
        hooks: list[tuple[str, Hook]] = []
        if not plain and self.sites:
            if site is None:
                site = self.sites[rng.integers(len(self.sites))]
            changed, moved, hooks = self._intervention(site, size // 2, len(ids), rng)
            ids, positions = np.concatenate([ids, changed]), np.concatenate([positions, moved])
        codec, device = self.pair.codec, self.model.device
        tokens = torch.from_numpy((ids != codec.pad) & (ids != codec.bos)).to(device)
        id_, at = (torch.from_numpy(x).to(device) for x in (ids, positions))
        points = [*self.scores, *self.heads, *self.units, *self.streams]
        return Lesson(id_, at, tokens, hooks, self.run(id_, at, points, hooks))

    def _inputs(self, count: int, rng: np.random.Generator) -> Int[np.ndarray, "batch pos"]:
        """Draw padded inputs of all lengths."""
        batches = drawn(self.pair.signature, count, count, seed=int(rng.integers(2**31)))
        longest = self.pair.signature.max_len
        return np.concatenate([self.pair.codec.frame(codes, longest) for codes in batches])

    def _intervention(
        self, site: Site, count: int, before: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[str, Hook]]]:
        """Draw interventions on a site, after ``before`` inputs without: ids, positions, and the hooks that make them.

        What stands at another position, or another token, is put in as such; the rest by hooks.
        """
        codec, longest = self.pair.codec, self.pair.signature.max_len
        drawn = list(self._swaps(site, count, rng))
        ids, others = (
            np.concatenate([codec.frame(x, longest) for x in xs])
            for xs in ([s.base for s in drawn], [s.source for s in drawn])
        )
        origin = np.concatenate([_framed(s.origin + 1, longest) for s in drawn])
        positions = np.tile(np.arange(longest + 1), (len(ids), 1))
        if site.names == ["hook_pos_embed"]:
            return ids, np.where(origin > 0, origin, positions), []
        if site.names == ["hook_embed"]:
            return np.where(origin > 0, np.take_along_axis(others, origin, 1), ids), positions, []
        device = self.model.device
        cache = self.run(
            torch.from_numpy(others).to(device), torch.from_numpy(positions).to(device), site.names
        )
        where = torch.from_numpy(np.pad(origin > 0, ((before, 0), (0, 0)))).to(device)
        rows = torch.arange(len(ids))[:, None]
        taken = {}
        for name in site.names:
            found = cache[name][rows, torch.from_numpy(origin)]
            taken[name] = torch.cat([found.new_zeros((before, *found.shape[1:])), found])
        return ids, positions, list(site.hooks(taken, where))

    def _swaps(self, site: Site, count: int, rng: np.random.Generator) -> Iterator[Swap]:
        """Draw interventions until ``count`` change an answer, as long as that can be hoped for."""
        longest, vocab = self.pair.signature.max_len, len(self.pair.signature.vocab)
        left = count
        for _ in range(TRIES):
            n, m = (1 + max(rng.integers(longest, size=2)) for _ in range(2))
            base, source = rng.integers(vocab, size=(2 * count, n)), rng.integers(vocab, size=(2 * count, m))
            scattered = bool(rng.integers(2))
            made = swap(self.pair, self.meaning, site.nodes, base, source, rng, scattered=scattered)
            changed = np.flatnonzero(made.changed)
            rest = np.flatnonzero(~made.changed)[: max(0, left // 2 - len(changed))]
            kept = np.concatenate([changed[:left], rest])
            yield made.part(kept)
            left -= len(kept)
            if left <= 0:
                return

    def run(
        self, ids: Tensor, positions: Tensor, points: Sequence[str], hooks: Sequence[tuple[str, Hook]] = ()
    ) -> Record:
        """Return what the exact model computes."""
        with torch.no_grad():
            return recorded(self.model, dict(self.model.named_parameters()), ids, positions, points, hooks)


def _framed(origin: Int[np.ndarray, "batch length"], longest: int) -> Int[np.ndarray, "batch pos"]:
    """Put positions after BOS and before PAD, where nothing is put in."""
    return np.pad(origin, ((0, 0), (1, longest - origin.shape[1])))


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
