"""A training in a folder: begun, killed, resumed to the same weights, and read by Janiform and by Hugging Face.

The folder holds ``config.json`` (its settings), ``log.jsonl`` (a line a validation), ``state.safetensors`` (where it stands),
``result.json``, ``model/``, a GPT-2 in Hugging Face's format, and ``text/``, a text in ids. The first state is saved before the first step, so that what a
model begins with is read once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.model.config import Config
from janiform.model.gpt2_folder import write_gpt2
from janiform.model.transformer import Transformer
from janiform.procedural import report as trackers
from janiform.procedural.autograd import Autograd
from janiform.procedural.corpus import corpus
from janiform.procedural.descent import Descent, Point
from janiform.procedural.documents import require
from janiform.procedural.engine import Engine, choose
from janiform.procedural.from_program import begin_with
from janiform.procedural.report import Report, reporting
from janiform.procedural.source import Made, Source
from janiform.procedural.step import Step
from janiform.procedural.training import Training, read_settings
from janiform.procedural.transfer import MODEL, Taken, parts_of, slower_of, transfer
from janiform.tasks.procedural import floor, read
from janiform.train.fit import SAVED, one_thread
from janiform.train.log import Log
from janiform.train.processes import Processes
from janiform.train.state import load_state, save_state

Tell = Callable[[int, int], None]
DEVIATION = 0.02
"""The deviation of weights at the beginning, as in GPT-2."""
TEXT = "text"
"""The folder of a run that holds the ids of its text."""
SHARE = 20
"""Saving takes at most one in so many seconds, but for the states at validations."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its validations; ``tokens`` are those of all rows it has seen, ``taken`` the weights it began with."""

    task: str
    model: Transformer = field(repr=False)
    curve: tuple[Point, ...]
    tokens: int
    taken: tuple[str, ...]
    cpu_seconds: float
    floor: float | None = None
    """The least mean loss there can be, where that is known."""

    @property
    def best(self) -> Point:
        """The validation of the highest accuracy."""
        return max(self.curve, key=lambda p: p.accuracy)

    def facts(self) -> dict[str, Any]:
        """Return all but the model and the curve."""
        last = self.curve[-1]
        return {
            "task": self.task,
            "steps": last.step,
            "tokens": self.tokens,
            "loss": last.loss,
            "floor": self.floor,
            "accuracy": last.accuracy,
            "best_accuracy": self.best.accuracy,
            "taken": list(self.taken),
            "cpu_seconds": self.cpu_seconds,
        }


def run(
    training: Training,
    out: str | Path | None = None,
    *,
    tell: Tell | None = None,
    report_to: str | None = None,
) -> Trained:
    """Train a model, in a folder if one is given.

    >>> training = Training.of({"task": "identity(symbols=4, longest=3)", "budget": {"steps": 20, "held": 50}})
    >>> trained = run(training)
    >>> [p.step for p in trained.curve], trained.tokens
    ([0, 20], 35840)
    """
    trackers.require(report_to)  # what does not exist leaves no folder
    require(training.text)
    if training.task:
        source_of(training, None, Processes())
    training = training.pinned()
    processes = Processes.here()
    folder = None if out is None else Path(out)
    if folder is not None and processes.first:
        if (folder / "config.json").exists():
            raise InputError(
                f"{folder} holds a training already; go on with it by --resume, or choose another"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "config.json", training.write())
    processes.wait()
    return _run(training, folder, processes, tell, report_to)


def resume(out: str | Path, *, tell: Tell | None = None, report_to: str | None = None) -> Trained:
    """Go on with the training in a folder, to the weights that it would have had without the interruption.

    ``InputError`` if a model that it took weights from has changed since.
    """
    path = Path(out) / "config.json"
    if not path.exists():
        raise FileError(f"{path} is not there, so there is no training to go on with")
    try:
        training = Training.of(read_settings(path))
    except InputError as error:
        raise FileError(f"{path} describes no training: {error}") from None
    return _run(training.pinned(), Path(out), Processes.here(), tell, report_to)


def source_of(training: Training, folder: Path | None, processes: Processes) -> Source:
    """Return where the rows of a training come from; the ids of a text are kept in the folder, written by one process."""
    if training.task:
        return Made(read(training.task), training.budget.batch if training.alike else 1)
    place = None if folder is None else folder / TEXT
    if not processes.first and place is not None:
        processes.wait()
    found = corpus(training.text, training.tokenizer, training.context, place)
    if processes.first and place is not None:
        processes.wait()
    return found


def begin(training: Training, source: Source) -> tuple[Transformer, list[str]]:
    """Return the model that a training begins with, and the names of the weights that it took from others."""
    model = Transformer(shape_of(training, source), seed=None)
    model.initialize(training.budget.seed, DEVIATION)
    models = {word: Taken.read(word) for word in training.take}
    sources = {part: taken.load() for taken in models.values() for part in taken.parts}
    taken = transfer(
        model,
        sources,
        embeddings=training.embeddings,
        shuffle=training.shuffle,
        noise=training.noise,
        seed=training.budget.seed,
    )
    embedded = begin_with(
        model,
        training.from_program,
        training.task,
        tied=not training.untied,
        shuffle=training.shuffle,
        noise=training.noise,
        amplitude=training.amplitude,
        seed=training.budget.seed,
    )
    return model, [*taken, *(name for name in embedded if name not in taken)]


def shape_of(training: Training, source: Source) -> Config:
    """Return the shape of a training's model."""
    context = training.context or source.width
    if context < source.width - 1:
        raise InputError(
            f"rows of {source.width} tokens take {source.width - 1} positions or more, not {context}"
        )
    return Config.gpt2(
        training.layers, training.heads, training.width, vocab=source.d_vocab, positions=context
    )


def engine_of(training: Training, model: Transformer, processes: Processes) -> Engine:
    """Return what computes the gradients of a training."""
    frozen = parts_of([n for n, _ in model.named_parameters()], training.freeze)
    plain = training.precision == "float32" and processes.world == 1 and processes.device.type == "cpu"
    shared: dict[str, Any] = {"tied": not training.untied, "frozen": frozen}
    if choose(model, training.way, plain=plain) == "compiled":
        return Step(model, **shared)
    model.to(processes.device)
    how: dict[str, Any] = {"precision": training.precision, "accumulate": training.accumulate}
    return Autograd(model, **shared, **how, processes=processes)


def _run(
    training: Training, folder: Path | None, processes: Processes, tell: Tell | None, report_to: str | None
) -> Trained:
    source, kept = source_of(training, folder, processes), None if folder is None else load_state(folder)
    if kept is None:
        model, taken = begin(training, source)
    else:
        model, taken = Transformer(shape_of(training, source), seed=None), kept[1]["taken"]
    engine = engine_of(training, model, processes)
    alone = one_thread() if isinstance(engine, Step) else nullcontext()
    writes = folder is not None and processes.first
    with alone, reporting(report_to if processes.first else None, folder, training.data()) as report:
        descent = Descent(engine, source, training.budget, slower_of(engine.trained, training.slower))
        spent = 0.0
        if kept is not None:
            descent.restore(*kept)
            spent = kept[1]["cpu_seconds"]
        keep = _Keep(descent, folder if writes else None, taken, spent, report)
        keep.curve += [Point(*p) for p in (kept[1]["curve"] if kept is not None else [])]
        if kept is None:
            keep.save()
        while True:
            if descent.due:
                keep.validation()
                keep.save()
            if descent.ended:
                break
            descent.advance()
            if tell is not None:
                tell(descent.step, training.budget.end(descent.enough_at))
            if keep.overdue:
                keep.save()
    if not training.untied:
        engine.tie()
    least = _floor(training)
    tokens = descent.step * training.budget.batch * source.width
    trained = Trained(
        training.data_set, model.cpu(), tuple(keep.curve), tokens, tuple(taken), round(keep.seconds, 1), least
    )
    if folder is not None and writes:
        write_gpt2(model, folder / MODEL)
        write_whole(folder / "result.json", json.dumps(trained.facts()) + "\n")
    processes.wait()
    return trained


def _floor(training: Training) -> float | None:
    """Return the least loss of the task, if there is one and it is known."""
    try:
        return floor(read(training.task)) if training.task else None
    except InputError:
        return None


class _Keep:
    """What is kept of a training on its way: its curve, and in a folder its log and its state."""

    def __init__(
        self, descent: Descent, folder: Path | None, taken: list[str], spent: float, report: Report
    ) -> None:
        self.descent, self.folder, self.taken, self.report = descent, folder, taken, report
        self.curve: list[Point] = []
        self.began = time.process_time() - spent
        self.saved, self.took = time.monotonic(), 0.0
        self.log = None if folder is None else Log.open(folder / "log.jsonl", step=descent.step)

    @property
    def seconds(self) -> float:
        """CPU seconds so far, those before an interruption among them."""
        return time.process_time() - self.began

    @property
    def overdue(self) -> bool:
        """Whether the state was last saved long ago, as measured by how long that takes."""
        return self.folder is not None and time.monotonic() - self.saved > max(SAVED, SHARE * self.took)

    def validation(self) -> None:
        """Validate, and tell the log."""
        d = self.descent
        trained_on = d.loss / d.since if d.since else None
        found = d.validate()
        point = Point(d.step, found.loss, found.accuracy, round(self.seconds, 3))
        self.curve.append(point)
        facts = {"loss": trained_on, "held_loss": found.loss, "accuracy": found.accuracy}
        facts |= {"rate": d.budget.rate_at(max(d.step - 1, 0), d.enough_at)}
        facts |= {"tokens": d.step * d.budget.batch * d.source.width, "cpu_seconds": point.cpu_seconds}
        if self.log is not None:
            self.log.append(d.step, **facts)
        self.report(d.step, facts)

    def save(self) -> None:
        """Save the state, if there is a folder."""
        if self.folder is None:
            return
        began = time.monotonic()
        tensors, facts = self.descent.state()
        curve = [[p.step, p.loss, p.accuracy, p.cpu_seconds] for p in self.curve]
        facts |= {"taken": self.taken, "cpu_seconds": self.seconds, "curve": curve}
        save_state(self.folder, tensors, facts)
        self.saved = time.monotonic()
        self.took = self.saved - began
