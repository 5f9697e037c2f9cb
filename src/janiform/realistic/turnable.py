"""Rotations that normalizations do not notice: within dimensions of equal gain, and for LayerNorm keeping their sum.

A rotation of the stream that leaves the mean and the norm alone passes through LayerNorm where the gain is the same for all that
it mixes, and the bias too. A model in GPT-2's shape has one gain for all dimensions but its constant's, so its stream turns
as a whole and looks like a trained one beside two dimensions of large activations, which trained ones have too. In a model
that was trained no two gains agree, and nothing turns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from janiform.model import Config


def passing_rotation(
    config: Config, weights: Mapping[str, np.ndarray], rng: np.random.Generator
) -> Float[np.ndarray, "d_model d_model"]:
    """Draw a rotation of the stream that every normalization of a model passes on.

    >>> config = Config(n_layers=0, d_model=4, d_vocab=2, d_vocab_out=2, n_ctx=2, normalization_type="LN")
    >>> weights = {"ln_final.w": np.array([1.0, 1.0, 1.0, 7.0]), "ln_final.b": np.zeros(4)}
    >>> turn = passing_rotation(config, weights, np.random.default_rng(0))
    >>> np.allclose(turn @ np.ones(4), np.ones(4)), turn[3].tolist()
    (True, [0.0, 0.0, 0.0, 1.0])
    """
    norms = [w for name, w in weights.items() if name.rsplit(".", 2)[-2].startswith("ln")]
    _, group = np.unique(np.array(norms), axis=1, return_inverse=True)
    turn = np.eye(config.d_model)
    for g in range(group.max() + 1):
        at = np.flatnonzero(group == g)
        turn[np.ix_(at, at)] = _rotation(rng, len(at), keep_sum=config.normalization_type == "LN")
    return turn


def _rotation(rng: np.random.Generator, n: int, *, keep_sum: bool) -> np.ndarray:
    """Draw an orthogonal matrix from one frame to another; where the sum is to be kept, both begin with its direction."""
    frames = []
    for _ in range(2):
        draw = rng.standard_normal((n, n))
        if keep_sum:
            draw[:, 0] = 1.0
        q, r = np.linalg.qr(draw)
        frames.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    return frames[0] @ frames[1].T
