"""Where variables lie in a residual stream whose axes are not theirs, and the pair that such a pair was made from.

The dimensions that places name are coordinates ``c``; ``stream = c @ write`` says which directions of the stream they are,
``c = stream @ read`` how they are read. A pair without a basis is one whose coordinates are the axes of its stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from janiform.errors import InputError

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Directions of the residual stream in float64, a row of ``write`` and a column of ``read`` for each coordinate.

    Where the stream has room for all coordinates ``write @ read`` is the identity; where it has not, they interfere.

    >>> basis = Basis(np.array([[1.0], [1.0]]), np.array([[0.5, 0.5]]))
    >>> basis.dims, basis.d_model, basis.exact
    (1, 2, True)
    """

    read: Float[np.ndarray, "d_model dims"]
    write: Float[np.ndarray, "dims d_model"]

    def __post_init__(self) -> None:
        if self.read.ndim != 2 or self.read.T.shape != self.write.shape:
            raise InputError(
                f"a basis reads {list(self.read.shape)} and writes {list(self.write.shape)}: one is not the other's transpose"
            )

    @classmethod
    def axes(cls, d_model: int) -> Basis:
        """Return the basis of a stream whose axes are the coordinates."""
        return cls(np.eye(d_model), np.eye(d_model))

    @property
    def dims(self) -> int:
        """How many coordinates there are."""
        return self.read.shape[1]

    @property
    def d_model(self) -> int:
        """How wide the stream is."""
        return self.read.shape[0]

    @property
    def exact(self) -> bool:
        """Whether every coordinate is read as it was written, up to rounding."""
        return bool(np.allclose(self.write @ self.read, np.eye(self.dims), atol=1e-6))

    def part(self, dims: Sequence[int]) -> Basis:
        """Return the basis of some coordinates alone: the subspace of a variable."""
        at = list(dims)
        return Basis(self.read[:, at], self.write[at])


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The pair that another was made from.

    ``heads[layer][h]`` is the head of ``pair`` that head ``h`` is in another dress, None for one that is new. Where it is
    given the two have one mechanism, and the circuit of one is that of the other; without it only the program is the same.
    """

    pair: Pair
    heads: tuple[tuple[int | None, ...], ...] | None = None
