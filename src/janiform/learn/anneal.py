"""How soft the choices of a relaxed program are, from the first step to the last, and at last hard.

Every discrete choice is a weight with a temperature: one of several is a softmax, yes or no a sigmoid. Noise is added to
the weights (Gumbel and logistic; Maddison et al. 2017), never to what is computed from them, so all inputs of a batch see
one program. Attention cools on its own, and lower layers cool first, so that upper ones learn to read variables that no
longer move.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Heat:
    """The temperatures of weights and of attention, and the noise on both.

    >>> Heat(1.0, 1.0).one(torch.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    weights: float
    attention: float
    noise: float = 0.0
    generator: torch.Generator | None = None

    def one(self, w: Tensor) -> Tensor:
        """Choose one along the last axis."""
        if self.noise > 0:
            w = w - self.noise * torch.empty_like(w).exponential_(generator=self.generator).log()
        return torch.softmax(w / self.weights, -1)

    def one_key(self, w: Tensor) -> Tensor:
        """Choose one key along the last axis, at the temperature of attention."""
        return Heat(self.attention, self.attention, self.noise / 2, self.generator).one(w)

    def some(self, w: Tensor) -> Tensor:
        """Choose each for itself, at the temperature of attention."""
        if self.noise > 0:
            u = torch.empty_like(w).uniform_(1e-4, 1 - 1e-4, generator=self.generator)
            w = w + self.noise / 2 * torch.logit(u)
        return torch.sigmoid(w / self.attention)

    def above(self, x: Tensor) -> Tensor:
        """How surely numbers are not negative, at the temperature of attention."""
        return torch.sigmoid(x / self.attention)


@dataclass(frozen=True, slots=True)
class Frozen:
    """No heat: every choice is what its weights say most.

    >>> Frozen().one(torch.tensor([0.0, 2.0, 1.0])).tolist(), Frozen().some(torch.tensor([-1.0, 1.0])).tolist()
    ([0.0, 1.0, 0.0], [0.0, 1.0])
    """

    def one(self, w: Tensor) -> Tensor:
        """Choose the first of the largest along the last axis."""
        return torch.nn.functional.one_hot(w.argmax(-1), w.shape[-1]).to(w.dtype)

    one_key = one

    def some(self, w: Tensor) -> Tensor:
        """Choose what is positive."""
        return (w > 0).to(w.dtype)

    def above(self, x: Tensor) -> Tensor:
        """Which numbers are not negative."""
        return (x >= 0).to(x.dtype)


@dataclass(frozen=True, slots=True)
class Annealing:
    """From which heat to which: temperatures fall geometrically, noise falls linearly.

    >>> [heat.weights for heat in Annealing(weights=(2.0, 0.5)).heats(1.0, layers=2)]
    [0.5, 0.5]
    """

    weights: tuple[float, float] = (2.0, 0.05)
    attention: tuple[float, float] = (1.0, 0.05)
    noise: tuple[float, float] = (1.0, 0.0)

    def heats(self, progress: float, layers: int, generator: torch.Generator | None = None) -> list[Heat]:
        """The heat of each layer when ``progress``, from 0 to 1, of the steps is done."""
        shares = [min(1.0, progress * (layers + 0.5) / (layer + 1)) for layer in range(layers)]
        return [
            Heat(
                _between(*self.weights, f),
                _between(*self.attention, f),
                self.noise[0] + (self.noise[1] - self.noise[0]) * f,
                generator,
            )
            for f in shares
        ]


def _between(first: float, last: float, share: float) -> float:
    return first * (last / first) ** share
