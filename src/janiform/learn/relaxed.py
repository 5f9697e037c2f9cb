"""Train relaxed programs by gradients: many restarts in one batch, the worse half dropped twice, then every choice made.

Where a single run fails on an unlucky start (Friedman et al. 2023 report the best of 40), restarts share each batch and
each product, and successive halving (Jamieson and Talwalkar 2016) spends the steps on those whose *hard* program is best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from janiform.errors import InputError
from janiform.learn.anneal import Annealing
from janiform.learn.draft import Draft, Frame
from janiform.learn.template import Shape, Template
from janiform.tasks.examples import Data, Examples


@dataclass(frozen=True, slots=True)
class Relaxation:
    """How to train: the shape of the program, how many restarts and steps, and how choices cool.

    ``halvings`` are the shares of the steps after which the worse half of the restarts is dropped.
    """

    shape: Shape = field(default_factory=Shape)
    annealing: Annealing = field(default_factory=Annealing)
    restarts: int = 16
    steps: int = 600
    batch: int = 64
    rate: float = 0.05
    halvings: tuple[float, ...] = (1 / 3, 2 / 3)
    judged: int = 1000
    """How many inputs of the validation part the restarts are compared on."""

    def __post_init__(self) -> None:
        if min(self.restarts, self.steps, self.batch, self.judged) < 1:
            raise InputError(
                f"restarts, steps, batch and judged must be at least 1, not {self.restarts}, {self.steps}, "
                f"{self.batch} and {self.judged}"
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands: steps done, restarts left, and the mean loss of the last batch."""

    step: int
    restarts: int
    loss: float


def relax(
    data: Data,
    settings: Relaxation,
    *,
    seed: int = 0,
    log: Callable[[Progress], None] | None = None,
    vectors: Float[np.ndarray, "token dim"] | None = None,
) -> list[Draft]:
    """Return the drafts of the restarts that are left, best on the validation part first.

    The same seed gives the same drafts. ``vectors``, one a token, start learned embeddings off.

    >>> from janiform.tasks.algorithmic import algorithmic
    >>> data = algorithmic("hist", vocab_size=4, max_len=4).data(size=200)
    >>> small = Relaxation(Shape(layers=1, copies=0, tallies=1, tables=0), restarts=4, steps=30)
    >>> len(relax(data, small)), len(relax(data, small)[0].units)
    (1, 1)
    """
    frame = Frame(
        len(data.signature.vocab),
        data.signature.max_len,
        len(data.labels),
        data.signature.causal,
        data.pooled,
    )
    generator = torch.Generator().manual_seed(seed)
    model = Template(frame, settings.shape, settings.restarts, generator, vectors)
    optimizer = torch.optim.Adam(model.weights.values(), settings.rate, betas=(0.9, 0.98))
    x, y = _tensors(data.train)
    judged = _tensors(data.validation.take(slice(settings.judged)))
    halvings = {round(share * settings.steps) for share in settings.halvings}
    for step in range(settings.steps):
        if step in halvings and model.restarts > 1:
            better = _losses(model, *judged).argsort(stable=True)[: (model.restarts + 1) // 2]
            optimizer = _kept(model, optimizer, better.sort().values)
        rows = torch.randint(0, len(x), (settings.batch,), generator=generator)
        heat = settings.annealing.heats(step / settings.steps, settings.shape.layers, generator)
        loss = _loss(model.logits(x[rows], heat), y[rows])
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        if log:
            log(Progress(step + 1, model.restarts, loss.mean().item()))
    right = _rights(model, *judged)
    return [model.draft(i) for i in right.argsort(descending=True, stable=True).tolist()]


def _tensors(part: Examples) -> tuple[Tensor, Tensor]:
    """Inputs, and targets as (input, position); a pooled target has one position."""
    y = part.y[:, None] if part.y.ndim == 1 else part.y
    return torch.from_numpy(part.x.astype(np.int64)), torch.from_numpy(y.astype(np.int64))


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy of each restart where labels are asked."""
    labels = y.expand(logits.shape[:3]).flatten(1)
    each = torch.nn.functional.cross_entropy(
        logits.flatten(1, 2).transpose(1, 2), labels, ignore_index=-1, reduction="none"
    )
    return each.sum(1) / (y >= 0).sum().clamp(min=1)


def _scores(model: Template, x: Tensor) -> Tensor:
    """The scores of the hard programs, in batches."""
    return torch.cat([model.frozen(rows) for rows in x.split(200)], 1)


def _losses(model: Template, x: Tensor, y: Tensor) -> Tensor:
    return _loss(_scores(model, x), y)


def _rights(model: Template, x: Tensor, y: Tensor) -> Tensor:
    """How many labels the hard program of each restart gets right."""
    return (_scores(model, x).argmax(3) == y).sum((1, 2))


def _kept(model: Template, optimizer: torch.optim.Adam, chosen: Tensor) -> torch.optim.Adam:
    """Keep the chosen restarts, and what the optimizer knows of their weights."""
    states = [optimizer.state[w] for w in model.weights.values()]
    model.keep(chosen)
    options = optimizer.defaults
    new = torch.optim.Adam(model.weights.values(), options["lr"], betas=options["betas"])
    for w, state in zip(model.weights.values(), states, strict=True):
        moments = {name: state[name][chosen] for name in ("exp_avg", "exp_avg_sq")}
        new.state[w] = {"step": state["step"], **moments}
    return new
