"""Train a tiny transformer on rows: the loop of warm-ups and diagnostics that are small enough for one core.

The batch of a step is rows step * batch and on of the task's stream, so a training follows from the model it begins with and
from its budget alone. Many seeds run as processes of one thread each, by ``train.sweep`` over ``tiny``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from janiform.errors import InputError
from janiform.model.config import Config
from janiform.model.transformer import Transformer
from janiform.procedural.budget import Budget
from janiform.procedural.descent import Descent, Point
from janiform.procedural.source import Made
from janiform.procedural.step import Step
from janiform.tasks.procedural import Procedure, read
from janiform.train.fit import one_thread

Tell = Callable[[int, int], None]
DEVIATION = 0.02
"""The deviation of weights at the beginning, as in GPT-2."""


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
        descent = Descent(Step(model, tied=tied), Made(task), budget)
        curve: list[Point] = []
        began = time.process_time()
        while True:
            if descent.due:
                found = descent.validate()
                spent = round(time.process_time() - began, 3)
                curve.append(Point(descent.step, found.loss, found.accuracy, spent))
            if descent.ended:
                break
            descent.advance()
            if tell is not None:
                tell(descent.step, budget.steps)
        if tied:
            descent.engine.tie()
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
