"""A residual stream seen through matrices: what is written goes through one, what is read comes back through another.

With ``encode`` [D, d] and ``decode`` [d, D] of any rank, a model of width D becomes one of width d whose readers see, in
place of a stream x, the stream ``x encode decode`` plus an offset. *orthogonal*: ``decode`` has orthonormal rows and
``encode`` is its transpose; *linear*: the transpose of any matrix (Lindner et al. 2023, section 5); *autoencoder*: two
matrices and an offset. Axes are evened out before, so that lengths in the stream mean the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from janiform.realistic.extents import READING, WRITING

Method = Literal["orthogonal", "linear", "autoencoder"]
Matrices = tuple[Float[Tensor, "D d"], Float[Tensor, "d D"], Float[Tensor, " D"]]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """How parameters in one vector make the matrices of a projection; ``scale`` evens out the axes."""

    method: Method
    scale: Float[Tensor, " D"]

    def matrices(self, theta: Float[Tensor, " parameter"], d: int) -> Matrices:
        """Return encode, decode and offset."""
        n = len(self.scale)
        offset = torch.zeros_like(self.scale)
        if self.method == "autoencoder":
            encode, decode, offset = (
                theta[: n * d].view(n, d),
                theta[n * d : 2 * n * d].view(d, n),
                theta[2 * n * d :],
            )
        else:
            encode = theta.view(n, d)
            if self.method == "orthogonal":
                encode = torch.linalg.qr(encode)[0]
            decode = encode.T
        return self.scale[:, None] * encode, decode / self.scale, offset / self.scale

    def parameters(self, matrices: Matrices) -> Float[Tensor, " parameter"]:
        """Return parameters of matrices, as far as the method has them."""
        encode, decode, offset = matrices
        encode, decode, offset = encode / self.scale[:, None], decode * self.scale, offset * self.scale
        if self.method == "autoencoder":
            return torch.cat([encode.flatten(), decode.flatten(), offset])
        return encode.flatten()


def project(weights: Mapping[str, Tensor], matrices: Matrices) -> dict[str, Tensor]:
    """Return the weights of the narrow model."""
    encode, decode, offset = matrices
    found = dict(weights)
    for name, w in weights.items():
        kind = name.rsplit(".", 1)[-1]
        if kind in WRITING:
            found[name] = w @ encode
        elif kind in READING:
            bias = name.replace(".W_", ".b_")
            found[name], found[bias] = decode @ w, weights[bias] + offset @ w
    return found
