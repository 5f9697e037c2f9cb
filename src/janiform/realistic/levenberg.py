"""Least squares by the method of Levenberg and Marquardt, many starts in one batch.

Each start has a damping of its own: steps that make its sum of squares less are taken and the damping falls, others are
not and it rises. Derivatives are taken forward, so a problem of few parameters and many residuals is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.func import jvp, vmap

FIRST, LEAST, MOST = 1e-2, 1e-8, 1e6
"""The damping at the start, and its bounds."""
TRIES = 5
"""How often the damping is raised before an iteration gives up."""

ROOM = 500_000
"""How many derivatives of residuals are taken at once: more leave the cache of a processor, and take longer each."""

Residuals = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class Descent:
    """Parameters and damping of each start.

    >>> descent = Descent.begin(torch.tensor([[3.0, 1.0], [-2.0, 5.0]], dtype=torch.float64))
    >>> for _ in range(40):
    ...     loss = descent.step(lambda x: torch.stack([x[0] - 1, 10 * (x[1] - x[0] ** 2)]))
    >>> bool((descent.theta - 1).abs().max() < 1e-4)
    True
    """

    theta: Float[Tensor, "start parameter"]
    damping: Float[Tensor, " start"]

    @classmethod
    def begin(cls, theta: Float[Tensor, "start parameter"]) -> Descent:
        """Return starts that have not gone anywhere."""
        return cls(theta.clone(), theta.new_full(theta.shape[:1], FIRST))

    def first(self, count: int) -> Descent:
        """Return the first starts."""
        return Descent(self.theta[:count], self.damping[:count])

    def step(self, residuals: Residuals) -> Float[Tensor, " start"]:
        """Take one step from each start and return the sums of squares after it."""
        with torch.no_grad():
            tangents = max(1, ROOM // residuals(self.theta[0]).numel())
        at_once = max(1, tangents // self.theta.shape[1])
        value, slope = vmap(_with_jacobian(residuals, tangents), chunk_size=at_once)(self.theta)
        loss = value.square().sum(1)
        curve = torch.einsum("krp,krq->kpq", slope, slope)
        ascent = torch.einsum("krp,kr->kp", slope, value)
        lost = ~torch.isfinite(curve).flatten(1).all(1)  # a start that overflowed stays where it is
        curve[lost], ascent[lost] = torch.eye(curve.shape[1], dtype=curve.dtype, device=curve.device), 0.0
        own = curve.diagonal(dim1=1, dim2=2)
        own = own + 1e-5 * own.amax(1, keepdim=True) + 1e-12
        for _ in range(TRIES):
            damped = curve + torch.diag_embed(self.damping[:, None] * own)
            tried = self.theta - torch.linalg.solve(damped, ascent)
            new = vmap(residuals)(tried).square().sum(1)
            better: Bool[Tensor, " start"] = (new < loss) & torch.isfinite(new)
            self.theta = torch.where(better[:, None], tried, self.theta)
            self.damping = torch.where(better, self.damping / 4, self.damping * 5).clamp(LEAST, MOST)
            loss = torch.where(better, new, loss)
            if bool(better.all()):
                break
        return torch.where(lost, torch.inf, loss)


def _with_jacobian(residuals: Residuals, at_once: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def both(theta: Tensor) -> tuple[Tensor, Tensor]:
        def along(tangent: Tensor) -> Tensor:
            return jvp(residuals, (theta,), (tangent,))[1]

        axes = torch.eye(len(theta), dtype=theta.dtype, device=theta.device)
        return residuals(theta), vmap(along, out_dims=1, chunk_size=at_once)(axes)

    return both
