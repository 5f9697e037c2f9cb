"""Train a tiny transformer on rows: the loop of warm-ups and diagnostics that are small enough for one core.

The batch of a step is rows step * batch and on of the task's stream, so a training follows from the model it begins with and
from its budget alone. Many seeds run as processes of one thread each, by ``train.sweep`` over ``tiny``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from janiform.errors import InputError
from janiform.model.transformer import Transformer
from janiform.procedural.budget import Budget
from janiform.procedural.descent import Descent, Point
from janiform.procedural.runs import resume, run
from janiform.procedural.source import Made
from janiform.procedural.step import Step
from janiform.procedural.training import Training, read_settings
from janiform.tasks.procedural import Procedure
from janiform.train.fit import one_thread

Tell = Callable[[int, int], None]


def train(
    model: Transformer, task: Procedure, budget: Budget, *, tied: bool = True, tell: Tell | None = None
) -> list[Point]:
    """Train a model in place and return its validations, the first before any step.

    >>> from janiform.model import Config
    >>> from janiform.tasks.procedural import read
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
    """Train by settings, as ``train.sweep`` takes them, and return the curve, the tokens and the CPU seconds that it took.

    Settings are those of a ``Training`` and of its ``Budget`` together, and ``out``, a folder for the model that is begun with, or
    gone on with, there. ``InputError`` if another one is there.

    >>> found = tiny({"task": "sort(symbols=4, longest=3)", "steps": 20, "held": 100, "seed": 1})
    >>> [p["step"] for p in found["curve"]]
    [0, 20]
    """
    training, out = _training(settings), settings.get("out")
    path = None if out is None else Path(out) / "config.json"
    if path is not None and path.exists():
        if replace(Training.of(read_settings(path)), sources=()) != replace(training, sources=()):
            raise InputError(
                f"{out} holds a training with other settings; remove it, or choose another folder"
            )
        found = resume(path.parent)
    else:
        found = run(training, out)
    curve = [asdict(p) for p in found.curve]
    return {"curve": curve, "tokens": found.tokens, "cpu_seconds": found.cpu_seconds}


def pinned(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the hashes of the models that they take weights from: a sweep names runs by these.

    >>> pinned({"task": "sort", "steps": 20})
    {'task': 'sort', 'steps': 20}

    A run is then done again when a model at the same path has changed.
    """
    sources = _training(settings).pinned().sources
    return {**settings, "sources": list(sources)} if sources else dict(settings)


def _training(settings: Mapping[str, Any]) -> Training:
    """Return the training that settings say, those of its budget among them."""
    names = {f.name for f in fields(Budget)}
    budget = {name: value for name, value in settings.items() if name in names}
    others = {name: value for name, value in settings.items() if name not in names and name != "out"}
    return Training.of({**others, "budget": budget})
