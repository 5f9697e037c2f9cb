"""How a tiny model lies in memory: its weights one after another, as kernels take them, and room for what they compute.

Both are single vectors, so that a step is one call of compiled code. The equations are those of ``model.transformer``, with
matrices as outputs by inputs; the last block, the logits and the loss are computed from the first target on only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from janiform.model.config import Config

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
Entries = TypeVar("Entries", Floats, Places)

BY = 4
"""Kernels take so many features at a time."""
PLACES = 1024
"""How many places there are at most: enough for long loops, few enough for a core's cache."""
TURN = 32
"""How many places a loop takes in one turn; those that are left over go one by one, at a multiple of the time."""
APART = 16
"""How many more places apart features lie: at a power of two they would be kept in the same few lines of a cache."""
OF_A_BLOCK = (
    *("ln1.w", "ln1.b", "ln2.w", "ln2.b", "attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O", "attn.b_Q"),
    *("attn.b_K", "attn.b_V", "attn.b_O", "mlp.W_in", "mlp.W_out", "mlp.b_in", "mlp.b_out"),
)


def where(shapes: Iterable[tuple[int, int]]) -> tuple[Places, int]:
    """Return where each matrix begins when they lie one after another, with its shape, and how long they are together.

    >>> where([(2, 3), (1, 4)])
    (array([[0, 2, 3],
           [6, 1, 4]]), 10)
    """
    found, end = [], 0
    for rows, columns in shapes:
        found.append((end, rows, columns))
        end += rows * columns
    return np.array(found, np.int64), end


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the weights of a model lie for the kernels.

    ``taken`` says which entry of its parameters, one after another and then a zero, each weight is; ``given`` the other way round
    which weight each entry is. Tied weights are unembedded by what embeds them, and a bias of zeros.
    """

    at: Places
    taken: Places
    given: Places

    @classmethod
    def of(cls, config: Config, shapes: Mapping[str, tuple[int, ...]]) -> Layout:
        """Lay out parameters of given shapes, in their order."""
        numbers, end = {}, 0
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            numbers[name] = np.arange(end, end + size).reshape(shape)
            end += size
        blocks = [f"blocks.{i}.{name}" for i in range(config.n_layers) for name in OF_A_BLOCK]
        order = [
            "embed.W_E",
            "pos_embed.W_pos",
            *blocks,
            "ln_final.w",
            "ln_final.b",
            "unembed.W_U",
            "unembed.b_U",
        ]
        packed = [_packed(name, numbers[name], end) for name in order if name in numbers]
        if tied := "unembed.W_U" not in numbers:
            packed.append(np.full((1, len(packed[0])), end))
        at, _ = where([p.shape for p in packed])
        if tied:
            at = np.concatenate([at[:-1], at[:1], at[-1:]])
        taken = np.concatenate([p.ravel() for p in packed])
        given = np.empty(end + 1, np.int64)
        given[taken] = np.arange(len(taken))
        return cls(at, taken, given[:end])


def _packed(name: str, w: Entries, zero: int) -> Entries:
    """Return a weight as kernels take it: outputs by inputs, heads one after another, tokens filled up, a vector as one row."""
    match name.rsplit(".", 1)[-1]:
        case "W_Q" | "W_K" | "W_V":
            w = w.transpose(0, 2, 1).reshape(-1, w.shape[1])
        case "W_O":
            w = w.reshape(-1, w.shape[2]).T
        case "W_in" | "W_out" | "W_U":
            w = w.T
        case "b_Q" | "b_K" | "b_V":
            w = w.reshape(-1)
    if name in ("embed.W_E", "unembed.W_U", "unembed.b_U") and len(w) % BY:
        w = np.concatenate([w, np.full((-len(w) % BY, *w.shape[1:]), zero, w.dtype)])
    return w if w.ndim > 1 else w[None]


@dataclass(frozen=True, slots=True)
class Tape:
    """Room for the activations of sequences of up to ``width`` positions at so many places, and for gradients on the way back."""

    width: int
    places: int
    memory: Floats
    room: Places

    @classmethod
    def of(cls, config: Config, width: int) -> Tape:
        """Make room for a model."""
        heads, places = config.n_heads, max(PLACES, width)
        D, A, F = config.d_model, heads * config.d_head, config.d_mlp
        vocab = config.d_vocab + -config.d_vocab % BY
        # X H1 R1 Z1, Q K V P, S Y middle H2, R2 Z2 pre post
        block = (D, D, 1, D, A, A, A, heads * width, heads, A, D, D, 1, D, F, F)
        # X H R Z logits; the gradients of X Z Q K V Y post
        rows = (*block * config.n_layers, D, D, 1, D, vocab, D, D, A, A, A, A, F)
        room, size = where([(features, places + APART) for features in rows])
        return cls(width, places, np.zeros(size, np.float32), room)

    def lanes(self, last: int) -> int:
        """Return how many sequences of so many positions go side by side: by whole turns of the loops, as far as they can."""
        lanes, turn = self.places // max(last, 1), TURN
        while turn > lanes:
            turn //= 2
        return lanes - lanes % turn
