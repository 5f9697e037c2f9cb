"""Masks whose chances are learned: each gate is open, closed or, seldom, somewhere between, where its gradient is read off.

A gate of chance t is drawn uniformly from (0, 1) with probability t (1 - t), else it is 0 or 1, so that it is open by t on
average. What a loss changes by from 0 to 1 is the mean of its slope in between; so the slope at those drawn between, times
how often that is, is without bias the derivative of the expected loss by the logit of t.
Source: uniform gradient sampling, Li and Janson 2024, arXiv 2409.09951, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

CONFIDENT = 2.0
"""The logit of a chance at the beginning."""


class Masks:
    """Chances of gates for several trainings at once; an edge is open by the product of the one or two gates it names.

    >>> masks = Masks([("a",), ("a", "b"), ()], trainings=2)
    >>> masks.names, masks.expected().shape
    (['a', 'b'], torch.Size([2, 3]))
    >>> masks.draw(5, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(
        self, edges: Sequence[Sequence[str]], *, trainings: int, dtype: torch.dtype = torch.float32
    ) -> None:
        self.names = sorted({name for names in edges for name in names})
        number = {name: i for i, name in enumerate(self.names)}
        # The last gate is one that is always open.
        always = len(self.names)
        self._gates = torch.tensor([[*(number[n] for n in names), always, always][:2] for names in edges])
        self.logits = torch.full((trainings, always), CONFIDENT, dtype=dtype, requires_grad=True)

    def expected(self) -> Float[Tensor, "training edge"]:
        """Return how far edges are open on average."""
        return self._edges(self.logits.sigmoid())

    def open(self) -> Float[Tensor, "training edge"]:
        """Return 1 for edges all of whose gates are rather open than closed, else 0."""
        return self._edges((self.logits.detach() > 0).to(self.logits.dtype))

    def draw(self, rows: int, generator: torch.Generator) -> Float[Tensor, "training row edge"]:
        """Draw a mask for every row."""
        chance = self.logits.detach().sigmoid()[:, None].expand(-1, rows, -1)
        window = chance * (1 - chance)
        which, where = (torch.rand(chance.shape, generator=generator, dtype=chance.dtype) for _ in range(2))
        between = which < window
        drawn = torch.where(between, where, (which < chance + window / 2).to(chance.dtype))
        slope = between * (self.logits - self.logits.detach())[:, None]
        return self._edges(drawn + slope)

    def _edges(self, gates: Tensor) -> Tensor:
        return F.pad(gates, (0, 1), value=1.0)[..., self._gates].prod(-1)
