"""Weights by Haiku's module names, as Tracr's models have them, and by TransformerLens' names, as ours do.

A projection's heads lie side by side in its columns. Invariant: what one way gives, the other takes back to the same arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from janiform.errors import InputError

Params = dict[str, dict[str, np.ndarray]]
_ATTENTION = {"query": "Q", "key": "K", "value": "V"}
_MLP = {"linear_1": "in", "linear_2": "out"}


def to_haiku(weights: Mapping[str, np.ndarray]) -> Params:
    """Return weights under TransformerLens' names by Haiku's modules.

    >>> e = np.zeros((4, 2))
    >>> sorted(to_haiku({"embed.W_E": e, "pos_embed.W_pos": e}))
    ['pos_embed', 'token_embed']
    """
    found: Params = {
        "token_embed": {"embeddings": weights["embed.W_E"]},
        "pos_embed": {"embeddings": weights["pos_embed.W_pos"]},
    }
    layer = 0
    while f"blocks.{layer}.attn.W_Q" in weights:
        ours, theirs = f"blocks.{layer}", f"transformer/layer_{layer}"
        for module, letter in _ATTENTION.items():
            matrix, bias = weights[f"{ours}.attn.W_{letter}"], weights[f"{ours}.attn.b_{letter}"]
            columns = matrix.transpose(1, 0, 2).reshape(matrix.shape[1], -1)
            found[f"{theirs}/attn/{module}"] = {"w": columns, "b": bias.reshape(-1)}
        matrix = weights[f"{ours}.attn.W_O"]
        rows = matrix.reshape(-1, matrix.shape[-1])
        found[f"{theirs}/attn/linear"] = {"w": rows, "b": weights[f"{ours}.attn.b_O"]}
        for module, side in _MLP.items():
            w, b = weights[f"{ours}.mlp.W_{side}"], weights[f"{ours}.mlp.b_{side}"]
            found[f"{theirs}/mlp/{module}"] = {"w": w, "b": b}
        layer += 1
    if "unembed.W_U" in weights:
        found["unembed"] = {"w": weights["unembed.W_U"], "b": weights["unembed.b_U"]}
    return found


def from_haiku(params: Mapping[str, Mapping[str, Any]], heads: int) -> dict[str, np.ndarray]:
    """Return Haiku's parameters under TransformerLens' names; ``InputError`` where they are not those of a model of Tracr.

    >>> e = {"embeddings": np.zeros((4, 2))}
    >>> sorted(from_haiku({"token_embed": e, "pos_embed": e}, 1))
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
                w, b = _both(params, f"{theirs}/attn/{module}")
                size = w.shape[1] // max(heads, 1)
                found[f"{ours}.attn.W_{letter}"] = w.reshape(len(w), heads, size).transpose(1, 0, 2)
                found[f"{ours}.attn.b_{letter}"] = b.reshape(heads, size)
            w, b = _both(params, f"{theirs}/attn/linear")
            rows = w.reshape(heads, len(w) // max(heads, 1), w.shape[-1])
            found[f"{ours}.attn.W_O"], found[f"{ours}.attn.b_O"] = rows, b
            for module, side in _MLP.items():
                w, b = _both(params, f"{theirs}/mlp/{module}")
                found[f"{ours}.mlp.W_{side}"], found[f"{ours}.mlp.b_{side}"] = w, b
            layer += 1
    except (KeyError, ValueError, IndexError) as e:
        raise InputError(f"the parameters are not those of a model of Tracr: {e}") from None
    if "unembed" in params:
        found["unembed.W_U"], found["unembed.b_U"] = _both(params, "unembed")
    return found


def _both(params: Mapping[str, Mapping[str, Any]], module: str) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(params[module]["w"]), np.asarray(params[module]["b"])
