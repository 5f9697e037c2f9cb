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
from janiform.tasks.procedural import Rows

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter."""
AHEAD = 1 << 17
"""About how many tokens are made at a time."""


@dataclass(frozen=True, slots=True)
class Point:
    """A validation: after so many steps and CPU seconds, the loss and accuracy on rows that are never trained on."""

    step: int
    loss: float
    accuracy: float
    cpu_seconds: float


class Together:
    """Parameters that are trained alike: they become parts of ``all``, one vector, which takes an optimizer one call for all."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = dict(parameters)
        with torch.no_grad():
            self.all = torch.cat([p.flatten() for p in self.parameters.values()])
        self.all.grad = torch.zeros_like(self.all)
        for p, own in zip(self.parameters.values(), self.apart(self.all).values()):
            p.data = own

    def gather(self) -> None:
        """Take the gradients of the parameters for that of the vector."""
        parts = [
            p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self.parameters.values()
        ]
        torch.cat(parts, out=self.all.grad)

    def apart(self, whole: Tensor) -> dict[str, Tensor]:
        """Return what belongs to each parameter, given something of the vector; one number belongs to all."""
        if not whole.ndim:
            return dict.fromkeys(self.parameters, whole)
        parts = whole.split([p.numel() for p in self.parameters.values()])
        return {name: w.view(p.shape) for (name, p), w in zip(self.parameters.items(), parts)}


class Descent:
    """A training at a step: ``validate`` whenever it is ``due``, then ``advance``, until it has ``ended``."""

    def __init__(
        self, engine: Engine, source: Source, budget: Budget, slower: Mapping[str, float] | None = None
    ) -> None:
        """``slower`` says by which factor the rate of a weight is less than that of others."""
        self.engine, self.source, self.budget = engine, source, budget
        # Matrices decay, biases and what normalizes do not.
        of: dict[tuple[float, float], dict[str, Tensor]] = defaultdict(dict)
        for n, p in engine.trained.items():
            matrix = n.rsplit(".", 1)[-1][0] == "W"
            of[(slower or {}).get(n, 1.0), budget.decay if matrix else 0.0][n] = p
        self.together = [Together(several) for several in of.values()]
        groups = [
            {"params": [each.all], "weight_decay": d, "factor": f} for (f, d), each in zip(of, self.together)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=budget.rate, fused=True)
        self.ahead = 0, source.rows(0, 0)
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
        outcome = self.engine.backward(self._batch())
        for each in self.together:
            each.gather()
        for group in self.optimizer.param_groups:
            group["lr"] = group["factor"] * budget.rate_at(step, self.enough_at)
        torch.nn.utils.clip_grad_norm_([each.all for each in self.together], budget.clip)
        self.optimizer.step()
        self.step += 1
        self.loss += outcome.loss
        return outcome

    def _batch(self) -> Rows:
        """Return the rows of this step, which are made several batches at a time."""
        begun, some = self.ahead
        size, first = self.budget.batch, self.step * self.budget.batch
        if not begun <= first < begun + len(some):
            batches = max(1, AHEAD // (size * self.source.width))
            last = min(self.step + batches, self.budget.steps) * size
            begun, some = self.ahead = first, self.source.rows(first, last, seed=self.budget.seed)
        at = slice(first - begun, first - begun + size)
        return Rows(some.tokens[at], some.begin[at], some.end[at])

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
        for each in self.together:
            for key, value in self.optimizer.state[each.all].items():
                tensors |= {f"{key}/{name}": one for name, one in each.apart(value).items()}
        names = ("step", "accuracy", "loss", "enough_at", "validated")
        return tensors, {name: getattr(self, name) for name in names}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go back to a state."""
        try:
            with torch.no_grad():
                for name, p in self.engine.model.named_parameters():
                    p.copy_(tensors[f"now/{name}"])
            if facts["step"]:
                for each in self.together:
                    # The count of steps stays where the optimizer counts: beside its parameters.
                    device, state = each.all.device, self.optimizer.state[each.all]
                    for key in MOMENTS:
                        parts = [tensors[f"{key}/{name}"] for name in each.parameters]
                        whole = (
                            parts[0].clone() if not parts[0].ndim else torch.cat([w.flatten() for w in parts])
                        )
                        state[key] = whole.to(device)
            self.step, self.accuracy = facts["step"], facts["accuracy"]
            self.loss, self.enough_at = facts["loss"], facts["enough_at"]
            self.validated = facts["validated"]
        except (KeyError, RuntimeError) as error:
            raise FileError(
                f"the saved state is of another training: {error}; delete it to begin anew"
            ) from None
