"""How large the coordinates of a pair's residual stream get where tokens stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from janiform.pair.inputs import drawn

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

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
