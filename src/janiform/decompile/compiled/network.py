"""Weights as a decompiler reads them: what writes to the residual stream, and what reads from it.

Arrays have TransformerLens' shapes and are float64. Layers without any effect are kept; norms and smooth activations are
refused, because what they do is no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from janiform.decompile.compiled.failure import CannotDecompile

if TYPE_CHECKING:
    from janiform.model.transformer import Transformer


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One block: ``heads`` are (W_Q, b_Q, W_K, b_K, W_V, b_V, W_O) each, then the MLP."""

    heads: tuple[tuple[np.ndarray, ...], ...]
    b_O: Float[np.ndarray, " d_model"]
    W_in: Float[np.ndarray, "d_model d_mlp"]
    b_in: Float[np.ndarray, " d_mlp"]
    W_out: Float[np.ndarray, "d_mlp d_model"]
    b_out: Float[np.ndarray, " d_model"]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A transformer's weights; ``W_U`` is None where there is no unembedding."""

    W_E: Float[np.ndarray, "d_vocab d_model"]
    W_pos: Float[np.ndarray, "n_ctx d_model"]
    layers: tuple[Layer, ...]
    W_U: Float[np.ndarray, "d_model d_vocab_out"] | None
    b_U: Float[np.ndarray, " d_vocab_out"] | None
    causal: bool

    @property
    def d_model(self) -> int:
        """The width of the residual stream."""
        return self.W_E.shape[1]

    @property
    def max_len(self) -> int:
        """The longest input, without BOS."""
        return len(self.W_pos) - 1


def network(weights: Mapping[str, np.ndarray], *, causal: bool = False) -> Network:
    """Return weights in TransformerLens' names as a network; biases that are missing are zero.

    >>> network({"embed.W_E": np.eye(3), "pos_embed.W_pos": np.zeros((4, 3))}).max_len
    3
    """

    def get(name: str, *shape: int) -> np.ndarray:
        found = weights.get(name)
        if found is None:
            if name.rsplit(".", 1)[-1].startswith("b_"):
                return np.zeros(shape)
            raise CannotDecompile(f"the weight {name} is missing; it must have shape {list(shape)}")
        return np.asarray(found, np.float64)

    norms = [n for n in weights if n.split(".")[-2:-1] in (["ln1"], ["ln2"], ["ln_final"])]
    if norms:
        raise CannotDecompile(f"{norms[0]} is a normalization; only models without one hold exact tables")
    W_E, W_pos = get("embed.W_E"), get("pos_embed.W_pos")
    d = W_E.shape[1]
    layers: list[Layer] = []
    while any(n.startswith(f"blocks.{len(layers)}.") for n in weights):
        at = f"blocks.{len(layers)}."
        has_mlp = f"{at}mlp.W_in" in weights
        W_in = get(f"{at}mlp.W_in") if has_mlp else np.zeros((d, 0))
        W_out = get(f"{at}mlp.W_out") if has_mlp else np.zeros((0, d))
        n_heads, d_head = (get(f"{at}attn.W_Q").shape[0], get(f"{at}attn.W_Q").shape[2])
        parts = []
        for letter in "QKV":
            parts += [get(f"{at}attn.W_{letter}"), get(f"{at}attn.b_{letter}", n_heads, d_head)]
        parts.append(get(f"{at}attn.W_O"))
        heads = tuple(tuple(p[h] for p in parts) for h in range(n_heads))
        layers.append(
            Layer(
                heads,
                get(f"{at}attn.b_O", d),
                W_in,
                get(f"{at}mlp.b_in", W_in.shape[1]),
                W_out,
                get(f"{at}mlp.b_out", d),
            )
        )
    W_U = get("unembed.W_U") if "unembed.W_U" in weights else None
    b_U = None if W_U is None else get("unembed.b_U", W_U.shape[1])
    return Network(W_E, W_pos, tuple(layers), W_U, b_U, causal)


def of_model(model: Transformer) -> Network:
    """Return a model's weights as a network; CannotDecompile for what is no chain of tables."""
    c = model.config
    if c.normalization_type is not None or c.act_fn != "relu":
        raise CannotDecompile(
            f"the model has {c.normalization_type or 'no'} normalization and the activation {c.act_fn!r}; "
            "compiled weights have none and 'relu'; a trained model is decompiled with its task, --task NAME"
        )
    return network(model.weights(), causal=c.attention_dir == "causal")
