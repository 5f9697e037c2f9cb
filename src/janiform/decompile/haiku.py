"""Tracr's models as they stand: weights by Haiku's module names, and the encoders that name ids and outputs.

Tracr keeps no unembedding among its parameters; the output is then what the last component writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value

_ATTENTION = {"query": "Q", "key": "K", "value": "V"}


class Assembled(Protocol):
    """What of an assembled model of Tracr is read: no labels, no expressions."""

    @property
    def params(self) -> Any:
        """Arrays by module and name."""

    @property
    def model_config(self) -> Any:
        """The number of heads, and whether attention is causal."""

    @property
    def input_encoder(self) -> Any:
        """The ids of tokens, BOS and PAD."""

    @property
    def output_encoder(self) -> Any:
        """The ids of output values, where they are categories."""


def is_assembled(given: object) -> TypeGuard[Assembled]:
    """Return whether something has the parts of an assembled model of Tracr."""
    return all(hasattr(given, name) for name in ("params", "model_config", "input_encoder", "output_encoder"))


def weights(params: Mapping[str, Mapping[str, Any]], heads: int) -> dict[str, np.ndarray]:
    """Return Haiku's parameters under TransformerLens' names.

    >>> e = {"embeddings": np.zeros((4, 2))}
    >>> sorted(weights({"token_embed": e, "pos_embed": e}, 1))
    ['embed.W_E', 'pos_embed.W_pos']
    """
    try:
        found = {
            "embed.W_E": np.asarray(params["token_embed"]["embeddings"]),
            "pos_embed.W_pos": np.asarray(params["pos_embed"]["embeddings"]),
        }
        layer = 0
        while f"transformer/layer_{layer}/attn/query" in params:
            ours, theirs = f"blocks.{layer}", f"transformer/layer_{layer}"
            for module, letter in _ATTENTION.items():
                w, b = (np.asarray(params[f"{theirs}/attn/{module}"][k]) for k in ("w", "b"))
                found[f"{ours}.attn.W_{letter}"] = w.reshape(len(w), heads, -1).transpose(1, 0, 2)
                found[f"{ours}.attn.b_{letter}"] = b.reshape(heads, -1)
            w, b = (np.asarray(params[f"{theirs}/attn/linear"][k]) for k in ("w", "b"))
            found[f"{ours}.attn.W_O"], found[f"{ours}.attn.b_O"] = w.reshape(heads, -1, w.shape[-1]), b
            for module, side in (("linear_1", "in"), ("linear_2", "out")):
                for k in ("w", "b"):
                    name = f"{ours}.mlp.{'W' if k == 'w' else 'b'}_{side}"
                    found[name] = np.asarray(params[f"{theirs}/mlp/{module}"][k])
            layer += 1
    except (KeyError, ValueError) as e:
        raise InputError(f"the parameters are not those of a model of Tracr: {e}") from None
    if "unembed" in params:
        found["unembed.W_U"], found["unembed.b_U"] = (np.asarray(params["unembed"][k]) for k in ("w", "b"))
    return found


def names(model: Assembled) -> tuple[list[Value], list[Value] | None]:
    """Return the names of a model's tokens in the order of their ids, and of its classes if its outputs have any."""
    ids, special = (
        model.input_encoder.encoding_map,
        (model.input_encoder.bos_token, model.input_encoder.pad_token),
    )
    vocab = [v for v in sorted(ids, key=ids.get) if v not in special]
    outputs = getattr(model.output_encoder, "encoding_map", None)
    return vocab, None if outputs is None else sorted(outputs, key=outputs.get)
