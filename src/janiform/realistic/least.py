"""The least width at which all that is read can still be read exactly: a bound by ranks, whatever the directions.

Under a projection, in place of a stream x, readers see x P, P of rank d. What a slot writes is read only by later slots, so
the products of rows written and columns that read them are known on and above a diagonal of blocks, and must stay as they are.
The least rank of a matrix that has them is a sum of ranks of its known parts (Woerdeman 1989, *The lower order of lower
triangular operators*).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

TOLERANCE = 1e-8
"""What a rank counts as rounding, rows and columns being of length 1."""


def least_width(pair: Pair, *, padding: bool = False) -> int:
    """Return the least width at which heads, units and read-outs read at tokens and BOS exactly what they read now.

    With ``padding`` also at PAD, to which nobody attends; then it is the width of an exactly compressed pair. Below, something
    must be read otherwise than it is written, and only differences that do not matter can make up for it: attention scores
    that may fall further behind, steps that absorb.

    >>> from janiform import programs
    >>> pair = programs.load("hist").compile("abc", 4).compress()
    >>> pair.model.config.d_model, least_width(pair, padding=True), least_width(pair)
    (5, 5, 4)
    """
    w = {name: x.astype(np.float64) for name, x in pair.model.weights().items()}
    c, codec = pair.model.config, pair.codec
    token, position = w["embed.W_E"], w["pos_embed.W_pos"]
    left_out = {codec.bos} if padding else {codec.bos, codec.pad}
    ids = [i for i in range(len(token)) if i not in left_out]
    standing = (token[ids][:, None] + position[None, 1:]).reshape(-1, c.d_model)
    written = [standing - (token[codec.bos] + position[0])]
    read = []
    for i in range(c.n_layers):
        attn, mlp = f"blocks.{i}.attn", f"blocks.{i}.mlp"
        read.append(np.concatenate([_columns(w[f"{attn}.{k}"]) for k in ("W_Q", "W_K", "W_V")], 1))
        written.append(w[f"{attn}.W_O"].reshape(-1, c.d_model))
        read.append(w[f"{mlp}.W_in"])
        written.append(np.concatenate([w[f"{mlp}.W_out"], w[f"{mlp}.b_out"][None]]))
    read.append(w["unembed.W_U"])
    read.append(np.zeros((c.d_model, 0)))
    least = 0
    for slot in range(len(read) - 1):
        rows = np.concatenate(written[: slot + 1])
        least += _rank(rows @ np.concatenate(read[slot:], 1)) - _rank(
            rows @ np.concatenate(read[slot + 1 :], 1)
        )
    return least


def _columns(weight: Float[np.ndarray, "head d_model d_head"]) -> Float[np.ndarray, "d_model column"]:
    return np.moveaxis(weight, 0, 1).reshape(weight.shape[1], -1)


def _rank(products: Float[np.ndarray, "row column"]) -> int:
    """Return the rank, each row and column counted as of length 1."""
    if not products.size:
        return 0
    rows = np.linalg.norm(products, axis=1, keepdims=True)
    even = products / np.where(rows > 0, rows, 1.0)
    columns = np.linalg.norm(even, axis=0, keepdims=True)
    return int(np.linalg.matrix_rank(even / np.where(columns > 0, columns, 1.0), tol=TOLERANCE))
