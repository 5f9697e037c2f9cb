"""Who writes to the residual stream, who reads it, and through which matrix: the model as a graph of components.

Writers are ``tok`` and ``pos`` (the embeddings), heads ``a{l}.h{h}`` and MLPs ``m{l}``; readers are the heads' ``<q>``,
``<k>`` and ``<v>``, the MLPs and ``logits``. A reader's columns are scaled to a largest entry of 1, so that what it sees
is in the units of the stream. Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from janiform.model import Config, Transformer


def components(config: Config) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the writers in order, and the readers, each with how many writers come before it.

    >>> writers, readers = components(Config(n_layers=1, d_model=4, n_heads=1, d_head=2, d_vocab=3, d_vocab_out=2, n_ctx=4))
    >>> writers, readers[-2:]
    (['tok', 'pos', 'a0.h0', 'm0'], [('m0', 3), ('logits', 4)])
    """
    writers, readers = ["tok", "pos"], []
    for i in range(config.n_layers):
        before = len(writers)
        readers += [(f"a{i}.h{h}<{letter}>", before) for h in range(config.n_heads) for letter in "qkv"]
        writers += [f"a{i}.h{h}" for h in range(config.n_heads)]
        readers.append((f"m{i}", len(writers)))
        writers.append(f"m{i}")
    readers.append(("logits", len(writers)))
    return writers, readers


class Wiring:
    """Writers and readers of a model in order, and the matrix through which each reader sees the stream."""

    def __init__(self, model: Transformer) -> None:
        config = model.config
        self.model = Transformer.from_weights(replace(config, dtype="float64"), model.weights())
        self.model.requires_grad_(False).to(model.device)
        self.writers, self.readers = components(config)
        w = self.model.weights()
        writes = [w["embed.W_E"], w["pos_embed.W_pos"]]
        reads = []
        for i in range(config.n_layers):
            for h in range(config.n_heads):
                reads += [w[f"blocks.{i}.attn.W_{letter}"][h] for letter in "QKV"]
            writes += list(w[f"blocks.{i}.attn.W_O"])
            reads.append(w[f"blocks.{i}.mlp.W_in"])
            writes.append(np.vstack([w[f"blocks.{i}.mlp.W_out"], w[f"blocks.{i}.mlp.b_out"]]))
        reads.append(w["unembed.W_U"])
        self.contacts = _contacts(self.writers, writes, self.readers, reads)

    def written(self, ids: Tensor) -> Iterator[tuple[str, Float[Tensor, "batch pos d_model"]]]:
        """Yield what each writer adds to the stream."""
        wanted = ("hook_embed", "hook_pos_embed", "attn.hook_result", "hook_mlp_out")
        _, cache = self.model.run_with_cache(ids, lambda name: name.endswith(wanted))
        yield "tok", cache["hook_embed"]
        yield "pos", cache["hook_pos_embed"]
        for i in range(self.model.config.n_layers):
            for h in range(self.model.config.n_heads):
                yield f"a{i}.h{h}", cache[f"blocks.{i}.attn.hook_result"][:, :, h]
            yield f"m{i}", cache[f"blocks.{i}.hook_mlp_out"]


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """How all readers see one writer: the dimensions it writes, the distinct directions seen in them, and by whom."""

    dims: np.ndarray
    directions: np.ndarray
    seen_by: dict[str, np.ndarray]


def _contacts(
    writers: list[str], writes: list[np.ndarray], readers: list[tuple[str, int]], reads: list[np.ndarray]
) -> dict[str, Contact]:
    """Reduce readers' matrices to what each writer can touch; the many units of a step share one direction."""
    scaled = [m / np.abs(m).max(0, initial=1e-300) for m in reads]
    found = {}
    for i, (writer, written) in enumerate(zip(writers, writes)):
        dims = np.flatnonzero(np.abs(written).max(0, initial=0.0))
        later = [(reader, m[dims]) for (reader, before), m in zip(readers, scaled) if i < before]
        directions, which = np.unique(np.hstack([m for _, m in later]), axis=1, return_inverse=True)
        ends = np.cumsum([m.shape[1] for _, m in later])
        parts = np.split(which.reshape(-1), ends[:-1])
        found[writer] = Contact(dims, directions, {r: np.unique(p) for (r, _), p in zip(later, parts)})
    return found
