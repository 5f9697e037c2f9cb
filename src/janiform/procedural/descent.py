"""One training on rows as it goes on: weights and optimizer, step by step.

The batch of a step is rows step * batch and on of the stream, so the rest of a training follows from its budget and its state,
and one that goes on from a saved state ends with the weights that it would have had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from janiform.errors import FileError
from janiform.procedural.budget import Budget
from janiform.procedural.engine import Engine, Outcome
from janiform.procedural.source import Source

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""


@dataclass(frozen=True, slots=True)
class Point:
    """A validation: after so many steps and CPU seconds, the loss and accuracy on rows that are never trained on."""

    step: int
    loss: float
    accuracy: float
    cpu_seconds: float


class Descent:
    """A training at a step: ``validate`` whenever it is ``due``, then ``advance``, until it has ``ended``."""

    def __init__(
        self, engine: Engine, source: Source, budget: Budget, slower: Mapping[str, float] | None = None
    ) -> None:
        """``slower`` says by which factor the rate of a weight is less than that of others."""
        self.engine, self.source, self.budget = engine, source, budget
        # Matrices decay, biases and what normalizes do not.
        of: dict[tuple[float, float], list[Tensor]] = defaultdict(list)
        for n, p in engine.trained.items():
            matrix = n.rsplit(".", 1)[-1][0] == "W"
            of[(slower or {}).get(n, 1.0), budget.decay if matrix else 0.0].append(p)
        groups = [{"params": ps, "weight_decay": d, "factor": f} for (f, d), ps in of.items()]
        self.optimizer = torch.optim.AdamW(groups, lr=budget.rate, fused=True)
        self.held = source.rows(0, budget.held, split="validation")
        self.step, self.accuracy, self.loss = 0, 0.0, 0.0
        self.enough_at: int | None = None
        self.validated = -1

    @property
    def due(self) -> bool:
        """Whether to validate before the next step."""
        return self.step != self.validated and (self.step % self.budget.every == 0 or self.ended)

    @property
    def ended(self) -> bool:
        """Whether all steps are taken that there are to take."""
        return self.step >= self.budget.end(self.enough_at)

    def advance(self) -> Outcome:
        """Take a step and return what its batch gave."""
        budget, step = self.budget, self.step
        some = self.source.rows(step * budget.batch, (step + 1) * budget.batch, seed=budget.seed)
        outcome = self.engine.backward(some)
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * budget.rate_at(step, self.enough_at)
        torch.nn.utils.clip_grad_norm_(self.engine.trained.values(), budget.clip)
        self.optimizer.step()
        self.step += 1
        self.loss += outcome.loss
        return outcome

    def validate(self) -> Outcome:
        """Measure loss and accuracy on held-out rows, and see whether it is enough."""
        found = self.engine.evaluate(self.held)
        if self.enough_at is None and min(self.accuracy, found.accuracy) >= self.budget.enough:
            self.enough_at = self.step
        self.accuracy, self.loss, self.validated = found.accuracy, 0.0, self.step
        return found

    @property
    def since(self) -> int:
        """How many steps have added to ``loss``."""
        return (self.step - 1) % self.budget.every + 1 if self.step else 0

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what the rest of the training depends on."""
        tensors: dict[str, Tensor] = {f"now/{n}": p for n, p in self.engine.model.named_parameters()}
        for name, p in self.engine.trained.items():
            tensors |= {f"{key}/{name}": value for key, value in self.optimizer.state[p].items()}
        names = ("step", "accuracy", "loss", "enough_at", "validated")
        return tensors, {name: getattr(self, name) for name in names}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to a state."""
        try:
            with torch.no_grad():
                for name, p in self.engine.model.named_parameters():
                    p.copy_(tensors[f"now/{name}"])
            if facts["step"]:
                for name, p in self.engine.trained.items():
                    moments = {key: tensors[f"{key}/{name}"].clone() for key in MOMENTS}
                    # The count of steps stays where the optimizer counts: beside its parameter.
                    self.optimizer.state[p] = {key: value.to(p.device) for key, value in moments.items()}
            self.step, self.accuracy = facts["step"], facts["accuracy"]
            self.loss, self.enough_at = facts["loss"], facts["enough_at"]
            self.validated = facts["validated"]
        except (KeyError, RuntimeError) as error:
            raise FileError(
                f"the saved state is of another training: {error}; delete it to begin anew"
            ) from None
