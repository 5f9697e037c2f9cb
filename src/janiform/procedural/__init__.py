"""Procedural pretraining: rows made by rule, fed to training, to files and to other libraries; tiny models trained on them."""

from janiform.procedural.feeding import Batches, dataset
from janiform.procedural.files import Written, write_rows
from janiform.procedural.step import Outcome, Step
from janiform.procedural.tiny import Budget, Point, tiny, train

__all__ = [
    "Batches",
    "Budget",
    "Outcome",
    "Point",
    "Step",
    "Written",
    "dataset",
    "tiny",
    "train",
    "write_rows",
]
