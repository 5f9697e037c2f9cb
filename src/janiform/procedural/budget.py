"""How long to train, and how: one frozen value, whose learning rate is a function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from janiform.errors import InputError

Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """AdamW at a rate that rises over ``warmup`` steps, follows its ``schedule``, and falls to 0 over the last ``cooldown``."""

    steps: int = 5000
    """The most there are."""
    batch: int = 256
    rate: float = 5e-3
    warmup: int = 300
    schedule: Schedule = "cosine"
    lowest: float = 0.0
    """What a cosine falls to, as a share of the rate."""
    cooldown: int = 0
    """How many steps are left once it is enough; over them the rate falls to 0."""
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
        if self.schedule not in get_args(Schedule) or not 0 <= self.lowest <= 1 or self.cooldown < 0:
            raise InputError(
                f"the schedule is {' or '.join(get_args(Schedule))}, lowest from 0 to 1, cooldown 0 or more; got {self}"
            )

    def end(self, enough_at: int | None) -> int:
        """Return the number of steps, given the step at which it was enough, if it was.

        >>> Budget(steps=1000, cooldown=100).end(None), Budget(steps=1000, cooldown=100).end(400)
        (1000, 500)
        """
        return self.steps if enough_at is None else min(self.steps, enough_at + self.cooldown)

    def rate_at(self, step: int, enough_at: int | None = None) -> float:
        """Return the learning rate of a step, the first of which is 0.

        >>> budget = Budget(steps=1000, warmup=100, rate=1.0)
        >>> [round(budget.rate_at(s), 3) for s in (0, 99, 100, 550, 999)]
        [0.01, 1.0, 1.0, 0.5, 0.0]
        >>> budget = Budget(steps=1000, warmup=100, rate=1.0, schedule="constant", cooldown=100)
        >>> [round(budget.rate_at(s, enough_at=400), 3) for s in (99, 400, 450, 499)]
        [1.0, 1.0, 0.5, 0.01]
        """
        left = self.end(enough_at) - step
        falling = min(1.0, left / self.cooldown) if self.cooldown else 1.0
        if step < self.warmup:
            return falling * self.rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return falling * self.rate
        part = (1 + math.cos(math.pi * (step - self.warmup) / (self.steps - self.warmup))) / 2
        return falling * self.rate * (self.lowest + (1 - self.lowest) * part)
