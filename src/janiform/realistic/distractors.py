"""Heads and hidden units that do work nobody needs: they read the stream as others do, and write where only they read.

The stream becomes wider by a few coordinates, which no head, unit or read-out of the model reads. Half of the new heads
attend where a head of the same layer attends, the others to whatever random queries and keys find.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from janiform.pair.basis import Basis

if TYPE_CHECKING:
    from janiform.realistic.disguise import Weights

ROOM = 4
"""The stream becomes wider by one coordinate in so many, and by two at least."""
SHARP = 3.0
"""The deviation of the scores of random queries and keys."""


def add_distractors(state: Weights, rng: np.random.Generator, heads: int, units: int) -> None:
    """Add so many heads and units to each layer, and give work to those that have none."""
    if not state.config.n_layers:
        return
    before = state.config
    room = max(2, before.d_model // ROOM)
    d_head = before.d_head or 4
    config = replace(
        before,
        d_model=before.d_model + room,
        n_heads=before.n_heads + heads,
        d_head=d_head,
        d_mlp=before.d_mlp + units,
    )
    state.w = {name: _padded(state.w[name], shape) for name, shape in config.shapes()}
    state.config = config
    basis = state.basis
    state.basis = Basis(np.pad(basis.read, ((0, room), (0, 0))), np.pad(basis.write, ((0, 0), (0, room))))
    state.extents = np.concatenate([state.extents, np.ones(room)])
    reading = np.where(state.extents > 0, 1 / np.maximum(state.extents, 1e-9), 0.0)
    reading /= np.sqrt(np.count_nonzero(reading))
    writing = np.concatenate([np.zeros(before.d_model), np.ones(room)])
    for i in range(config.n_layers):
        state.heads[i] += [None] * heads
        state.units[i] += [None] * units
        if heads:
            _add_heads(state, i, rng, reading, writing)
        if units:
            _add_units(state, i, rng, reading, writing)


def _add_heads(
    state: Weights, layer: int, rng: np.random.Generator, reading: np.ndarray, writing: np.ndarray
) -> None:
    w = {
        key: state.w[f"blocks.{layer}.attn.{key}"]
        for key in ("W_Q", "b_Q", "W_K", "b_K", "W_V", "b_V", "W_O")
    }
    busy = [h for h in range(state.config.n_heads) if w["W_O"][h].any()]
    for h in set(range(state.config.n_heads)) - set(busy):
        shape = w["W_Q"][h].shape
        if busy and rng.random() < 0.5:
            model = rng.choice(busy)
            for key in ("W_Q", "b_Q", "W_K", "b_K"):
                w[key][h] = w[key][model]
        else:
            for key in ("W_Q", "W_K"):
                w[key][h] = reading[:, None] * rng.standard_normal(shape) * np.sqrt(SHARP)
        w["W_V"][h] = reading[:, None] * rng.standard_normal(shape)
        w["W_O"][h] = rng.standard_normal(shape[::-1]) * writing / np.sqrt(shape[1])


def _add_units(
    state: Weights, layer: int, rng: np.random.Generator, reading: np.ndarray, writing: np.ndarray
) -> None:
    read, bias, out = (state.w[f"blocks.{layer}.mlp.{key}"] for key in ("W_in", "b_in", "W_out"))
    idle = [u for u in range(state.config.d_mlp) if not out[u].any()]
    read[:, idle] = reading[:, None] * rng.standard_normal((len(reading), len(idle)))
    bias[idle] = 0.5 * rng.standard_normal(len(idle))
    out[idle] = rng.standard_normal((len(idle), len(writing))) * writing / np.sqrt(max(1, len(idle)))


def _padded(w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.pad(w, [(0, n - have) for have, n in zip(w.shape, shape, strict=True)])
