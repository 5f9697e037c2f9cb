"""Train relaxed programs by gradients: many restarts in one batch, the worse half dropped twice, then every choice made.

Where a single run fails on an unlucky start (Friedman et al. 2023 report the best of 40), restarts share each batch and
each product, and successive halving (Jamieson and Talwalkar 2016) spends the steps on those whose *hard* program is best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from janiform.errors import FileError, InputError
from janiform.learn.anneal import Annealing
from janiform.learn.draft import Draft, Frame
from janiform.learn.template import Shape, Template
from janiform.tasks.examples import Data, Examples

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam knows of a weight."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """How to train: the shape of the program, how many restarts and steps, and how choices cool.

    ``halvings`` are the shares of the steps after which the worse half of the restarts is dropped.
    """

    shape: Shape = field(default_factory=lambda: Shape(numerical=1))
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
    relaxing = Relaxing(data, settings, seed=seed, vectors=vectors)
    while not relaxing.ended:
        progress = relaxing.advance()
        if log:
            log(progress)
    return relaxing.drafts()


class Relaxing:
    """The training of relaxed programs at a step; ``advance`` takes the next one.

    Invariant: all that the next step depends on is in the state, so a training that was restored goes on as it would have.
    """

    def __init__(
        self,
        data: Data,
        settings: Relaxation,
        *,
        seed: int = 0,
        vectors: Float[np.ndarray, "token dim"] | None = None,
    ) -> None:
        self.settings, self.step = settings, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.model = Template(Frame.of(data), settings.shape, settings.restarts, self.generator, vectors)
        self.optimizer = self._adam()
        self.x, self.y = _tensors(data.train)
        self.judged = _tensors(data.validation.take(slice(settings.judged)))
        self.halvings = {round(share * settings.steps) for share in settings.halvings}

    @property
    def ended(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.settings.steps

    def advance(self) -> Progress:
        """Take a step, where it is time on the better half of the restarts alone."""
        settings, model, generator = self.settings, self.model, self.generator
        if self.step in self.halvings and model.restarts > 1:
            better = _losses(model, *self.judged).argsort(stable=True)[: (model.restarts + 1) // 2]
            self._keep(better.sort().values)
        rows = torch.randint(0, len(self.x), (settings.batch,), generator=generator)
        heat = settings.annealing.heats(self.step / settings.steps, settings.shape.layers, generator)
        loss = _loss(model.logits(self.x[rows], heat), self.y[rows])
        self.optimizer.zero_grad()
        loss.sum().backward()
        self.optimizer.step()
        self.step += 1
        return Progress(self.step, model.restarts, loss.mean().item())

    def drafts(self) -> list[Draft]:
        """The drafts of the restarts that are left, best on the validation part first."""
        right = _rights(self.model, *self.judged)
        return [self.model.draft(i) for i in right.argsort(descending=True, stable=True).tolist()]

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on."""
        tensors = {"generator": self.generator.get_state()}
        for name, w in self.model.weights.items():
            tensors[f"weights/{name}"] = w
            tensors |= {f"{key}/{name}": value for key, value in self.optimizer.state[w].items()}
        return tensors, {"step": self.step}

    def restore(self, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to a state; one that does not fit is a FileError."""
        weights = self.model.weights
        try:
            left = len(tensors["weights/bias"])
            for name, w in weights.items():
                if (kept := tensors[f"weights/{name}"]).shape != (left, *w.shape[1:]):
                    raise ValueError(f"{name} has the shape {tuple(kept.shape)}")
                weights[name] = kept.clone().requires_grad_()
            self.optimizer = self._adam()
            for name, w in weights.items() if facts["step"] else ():
                self.optimizer.state[w] = {key: tensors[f"{key}/{name}"].clone() for key in MOMENTS}
            self.generator.set_state(tensors["generator"])
            self.step = int(facts["step"])
        except (KeyError, ValueError, TypeError, RuntimeError) as e:
            raise FileError(
                f"the saved state is no state of this training: {e!r}; delete it to begin anew"
            ) from None

    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.model.weights.values(), self.settings.rate, betas=(0.9, 0.98))

    def _keep(self, chosen: Tensor) -> None:
        """Keep the chosen restarts, and what the optimizer knows of their weights."""
        states = [self.optimizer.state[w] for w in self.model.weights.values()]
        self.model.keep(chosen)
        self.optimizer = self._adam()
        for w, state in zip(self.model.weights.values(), states, strict=True):
            step, *moments = (state[key] for key in MOMENTS)
            kept = (step, *(moment[chosen] for moment in moments))
            self.optimizer.state[w] = dict(zip(MOMENTS, kept, strict=True))


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
