"""How large the axes of a pair's residual stream get where tokens stand, and how they are scaled to be evened out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from janiform.pair.inputs import drawn

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

WRITING = ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out")
"""The weights whose last axis is the stream."""
READING = ("W_Q", "W_K", "W_V", "W_in", "W_U")
"""The weights whose last axis but one is the stream."""
DRAWS = 200
"""On so many inputs it is looked."""


def extents(pair: Pair) -> Float[np.ndarray, " d_model"]:
    """Return the largest size of each axis of the stream, in any layer, on drawn inputs; BOS and PAD do not count.

    >>> from janiform import programs
    >>> extents(programs.load("has_seen").compile("ab", 3)).shape
    (5,)
    """
    largest = np.zeros(pair.model.config.d_model)
    for codes in drawn(pair.signature, DRAWS, DRAWS, seed=0):
        ids = torch.from_numpy(pair.codec.frame(codes, codes.shape[1])).to(pair.model.device)
        with torch.no_grad():
            _, cache = pair.model.run_with_cache(ids, lambda name: "hook_resid_" in name)
        for x in cache.values():
            np.maximum(largest, x[:, 1:].abs().amax((0, 1)).cpu().numpy(), out=largest)
    return largest


def evening(
    weights: Mapping[str, np.ndarray], stands: Float[np.ndarray, " d_model"]
) -> Float[np.ndarray, " d_model"]:
    """Return factors for the axes under which, squared and summed, what reads them times what stands there is least.

    Weights that read BOS and PAD are large, and nothing stands there where tokens do: their axes get a large factor.
    """
    read = np.zeros(len(stands))
    for name, w in weights.items():
        if name.rsplit(".", 1)[-1] in READING:
            read += np.square(w).sum(-1).reshape(-1, len(read)).sum(0)
    if not read.any() or not stands.any():
        return np.ones(len(stands))
    read, stands = np.maximum(read, 1e-9 * read.max()), np.maximum(stands, 1e-2 * stands.max())
    scale = (read / stands**2) ** 0.25
    return np.asarray(scale / np.exp(np.log(scale).mean()))
