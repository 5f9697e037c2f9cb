"""Trains a transformer on a task on sequences, to length generalization, in a folder that a killed training goes on from.

Training lengths are answered long before longer ones are, so what ends a training early is the accuracy at lengths beyond,
and what is kept are the weights that were best in all bins together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from janiform.errors import InputError
from janiform.files import write_whole
from janiform.model import checkpoint
from janiform.model.transformer import Transformer
from janiform.tasks.samplers import sampler
from janiform.train.descent import Descent
from janiform.train.log import Log
from janiform.train.recipe import Recipe
from janiform.train.state import load_state, save_state

Tell = Callable[[int, int], None]
SAVED = 20.0
"""Seconds after which the state is saved at the latest."""
TESTED = 2000
"""How many sequences of each bin the accuracy is measured on in the end."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its accuracy by length on draws that decided nothing; ``steps`` are those of its weights."""

    task: str
    model: Transformer = field(repr=False)
    accuracy: dict[str, float]
    steps: int
    cpu_seconds: float

    def facts(self) -> dict[str, Any]:
        """Return all but the model."""
        names = ("task", "accuracy", "steps", "cpu_seconds")
        return {name: getattr(self, name) for name in names}


def fit(recipe: Recipe, out: str | Path | None = None, *, tell: Tell | None = None) -> Trained:
    """Train a model; config.json, log.jsonl, state.safetensors, model.safetensors and result.json are put in ``out``.

    >>> trained = fit(Recipe(task="tomita1", width=8, steps=200, every=100))
    >>> trained.accuracy["0-50"], trained.steps
    (1.0, 200)
    """
    sampler(recipe.task)  # a task that does not exist leaves no folder
    if out is None:
        return _run(recipe, None, tell)
    folder = Path(out)
    if (folder / "config.json").exists():
        raise InputError(f"{folder} holds a training already; go on with it by --resume, or choose another")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.json", recipe.write())
    return _run(recipe, folder, tell)


def resume(out: str | Path, *, tell: Tell | None = None) -> Trained:
    """Go on with the training in a folder, to the weights that it would have had without the interruption."""
    return _run(Recipe.read(Path(out) / "config.json"), Path(out), tell)


def _run(recipe: Recipe, folder: Path | None, tell: Tell | None) -> Trained:
    with one_thread():
        descent, spent = Descent(recipe), 0.0
        if folder is not None and (kept := load_state(folder)) is not None:
            descent.restore(*kept)
            spent = kept[1]["cpu_seconds"]
        began = time.process_time() - spent
        log = None if folder is None else Log.open(folder / "log.jsonl", step=descent.step)
        saved = time.monotonic()
        while not descent.ended:
            descent.advance()
            if tell is not None:
                tell(descent.step, recipe.steps)
            due = descent.step % recipe.every == 0 or descent.step == recipe.steps
            if due:
                loss = descent.loss / ((descent.step - 1) % recipe.every + 1)
                found = descent.validate()
                if log is not None:
                    log.append(descent.step, loss=loss, **found)
            if folder is not None and (due or time.monotonic() - saved > SAVED):
                tensors, facts = descent.state()
                save_state(folder, tensors, facts | {"cpu_seconds": time.process_time() - began})
                saved = time.monotonic()
        seconds = round(time.process_time() - began, 1)
        trained = Trained(
            descent.task.name, descent.model, descent.finish(TESTED), descent.best_step, seconds
        )
    if folder is not None:
        checkpoint.save(trained.model, folder / "model.safetensors")
        write_whole(folder / "result.json", json.dumps(trained.facts()) + "\n")
    return trained


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: faster at these sizes, and the same seed gives the same weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
