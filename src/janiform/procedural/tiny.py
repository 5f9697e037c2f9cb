"""Train a tiny transformer on rows: the loop of warm-ups and diagnostics that are small enough for one core.

The batch of a step is rows step * batch and on of the task's stream, so a training follows from the model it begins with and
from its budget alone. Many seeds run as processes of one thread each, by ``train.sweep`` over ``tiny``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from janiform.errors import InputError
from janiform.model.config import Config
from janiform.model.transformer import Transformer
from janiform.procedural.step import Outcome, Step
from janiform.tasks.procedural import Procedure, read, rows
from janiform.train.fit import one_thread

Tell = Callable[[int, int], None]
DEVIATION = 0.02
"""The deviation of weights at the beginning, as in GPT-2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train, and how: AdamW at a rate that rises over ``warmup`` steps and falls as a cosine to 0."""

    steps: int = 5000
    batch: int = 256
    rate: float = 5e-3
    warmup: int = 300
    decay: float = 1e-3
    clip: float = 1.0
    """The largest norm of a gradient."""
    every: int = 250
    """Steps from one validation to the next."""
    held: int = 4000
    """How many rows a validation looks at."""
    enough: float = 2.0
    """The accuracy that ends the training when two validations in a row reach it; above 1 none does."""
    seed: int = 0
    """Of the stream of rows."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "every", "held"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.warmup < 0 or self.rate <= 0 or self.clip <= 0 or self.decay < 0:
            raise InputError(f"rate and clip are positive, warmup and decay 0 or more; got {self}")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, the first of which is 0.

        >>> budget = Budget(steps=1000, warmup=100, rate=1.0)
        >>> [round(budget.rate_at(s), 3) for s in (0, 99, 100, 550, 999)]
        [0.01, 1.0, 1.0, 0.5, 0.0]
        """
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        return self.rate * (1 + math.cos(math.pi * (step - self.warmup) / (self.steps - self.warmup))) / 2


@dataclass(frozen=True, slots=True)
class Point:
    """A validation: after so many steps and CPU seconds, the loss and accuracy on rows that are never trained on."""

    step: int
    loss: float
    accuracy: float
    cpu_seconds: float


def train(
    model: Transformer, task: Procedure, budget: Budget, *, tied: bool = True, tell: Tell | None = None
) -> list[Point]:
    """Train a model in place and return its validations, the first before any step.

    >>> task = read("identity(symbols=4, longest=3)")
    >>> model = Transformer(Config.gpt2(2, 4, 16, vocab=task.d_vocab, positions=task.width))
    >>> curve = train(model, task, Budget(steps=60, batch=64, warmup=10, every=60, held=200))
    >>> [p.step for p in curve], curve[1].loss < curve[0].loss
    ([0, 60], True)
    """
    with one_thread():
        step = Step(model, tied=tied)
        optimizer = torch.optim.AdamW(_groups(step, budget), lr=budget.rate, fused=True)
        held = rows(task, 0, budget.held, split="validation")
        curve: list[Point] = []
        began = time.process_time()
        for number in range(budget.steps + 1):
            if number % budget.every == 0 or number == budget.steps:
                curve.append(_point(number, step.evaluate(held), began))
                if min(p.accuracy for p in curve[-2:]) >= budget.enough or number == budget.steps:
                    break
            batch = rows(task, number * budget.batch, (number + 1) * budget.batch, seed=budget.seed)
            step.backward(batch)
            for group in optimizer.param_groups:
                group["lr"] = budget.rate_at(number)
            torch.nn.utils.clip_grad_norm_(step.parameters.values(), budget.clip)
            optimizer.step()
            if tell is not None:
                tell(number + 1, budget.steps)
        if tied:
            step.tie()
    return curve


def tiny(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model of random weights by settings, as ``train.sweep`` takes them, and return its curve.

    Settings are ``task``, a text, ``layers``, ``heads`` and ``width`` of the model, whether its embeddings are ``tied``, and those
    of a ``Budget``, whose seed is the model's too.

    >>> found = tiny({"task": "sort(symbols=4, longest=3)", "steps": 20, "held": 100, "seed": 1})
    >>> [p["step"] for p in found["curve"]]
    [0, 20]
    """
    given = dict(settings)
    shape = {"layers": 2, "heads": 4, "width": 16, "tied": True}
    task = read(given.pop("task"))
    layers, heads, width, tied = (given.pop(name, value) for name, value in shape.items())
    if unknown := sorted(set(given) - {f.name for f in fields(Budget)}):
        known = ", ".join(["task", *shape, *(f.name for f in fields(Budget))])
        raise InputError(f"unknown settings {', '.join(unknown)}; there are {known}")
    budget = Budget(**given)
    model = Transformer(
        Config.gpt2(layers, heads, width, vocab=task.d_vocab, positions=task.width), seed=None
    )
    model.initialize(budget.seed, DEVIATION)
    return {"curve": [asdict(p) for p in train(model, task, budget, tied=tied)]}


def _point(number: int, found: Outcome, began: float) -> Point:
    return Point(number, found.loss, found.accuracy, round(time.process_time() - began, 3))


def _groups(step: Step, budget: Budget) -> list[dict[str, Any]]:
    """Return the parameters in two groups: matrices decay, biases and what normalizes do not."""
    plain = [p for n, p in step.parameters.items() if n.rsplit(".", 1)[-1][0] in "wb"]
    decayed = [p for n, p in step.parameters.items() if n.rsplit(".", 1)[-1][0] == "W"]
    return [{"params": decayed, "weight_decay": budget.decay}, {"params": plain, "weight_decay": 0.0}]
