"""A linear probe: can the value of a variable be told from the residual stream by a linear classifier, on inputs held out?

The probe begins at the least-squares map onto the coordinates that the values have in the pair that was compiled, where
the nearest value wins (which is a linear classifier too), and goes on by multinomial logistic regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STEPS = 60
"""Iterations of L-BFGS."""
RIDGE = 1e-6
"""The weight of the norm, in the units of whitened activations."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The share of held-out positions that a probe tells rightly, and the share of the most frequent value there."""

    accuracy: float
    most_frequent: float


def probe(
    streams: Float[Tensor, "row d_model"],
    labels: Int[Tensor, " row"],
    coordinates: Float[Tensor, "label dims"],
    held_out: Tensor,
) -> Probed:
    """Fit a probe on the rows that are not held out, and score it on those that are, values never seen before aside.

    >>> x = torch.tensor([[0.0], [1.0], [2.0], [0.1], [0.9], [2.1]])
    >>> held = torch.tensor([False, False, False, True, True, True])
    >>> probe(x, torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([[0.0], [1.0], [2.0]]), held).accuracy
    1.0
    """
    seen = torch.zeros(len(coordinates), dtype=torch.bool, device=labels.device)
    seen[labels[~held_out]] = True
    streams, labels, held_out = (x[seen[labels]] for x in (streams, labels, held_out))
    if not held_out.any() or held_out.all():
        return Probed(1.0, 1.0)
    x = streams.detach().double()
    x = _whitened(x - x[~held_out].mean(0), ~held_out, torch.finfo(streams.dtype).eps)
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype, device=x.device)], 1)
    c = coordinates.detach().double()
    c = (c - c.mean(0)) / c.std(0, correction=0).clamp(min=1e-9)
    train, test = x[~held_out], x[held_out]
    known, right = labels[~held_out], labels[held_out]
    ridge = RIDGE * len(train) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    map_ = torch.linalg.solve(train.T @ train + ridge, train.T @ c[known])
    start = 2 * map_ @ c.T
    start[-1] -= c.square().sum(1)
    found = _refined(start, train, known)
    best = max((start, found), key=lambda w: float(((train @ w).argmax(1) == known).double().mean()))
    return Probed(
        float(((test @ best).argmax(1) == right).double().mean()),
        float(torch.bincount(right).max() / len(right)),
    )


def _whitened(x: Float[Tensor, "row d_model"], known: Tensor, precision: float) -> Float[Tensor, "row rank"]:
    """Turn and scale activations so that every direction that carries more than rounding is as large as any other."""
    _, size, axes = torch.linalg.svd(x[known], full_matrices=False)
    some = size > 8 * precision * size.max()
    return x @ (axes[some].T / size[some]) * len(x[known]) ** 0.5


def _refined(
    start: Float[Tensor, "feature label"], x: Float[Tensor, "row feature"], labels: Int[Tensor, " row"]
) -> Float[Tensor, "feature label"]:
    """Go on from a classifier by logistic regression; where rows are told apart already there is nothing to do."""
    if bool(((x @ start).argmax(1) == labels).all()):
        return start
    scale = 4.0 / (x @ start).std().clamp(min=1e-9)
    w = (start * scale).clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([w], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ w, labels) + RIDGE * w.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return w.detach()
