"""Procedural pretraining: rows made by rule, fed to training, to files and to other libraries; tiny models trained on them."""

from janiform.procedural.autograd import Autograd
from janiform.procedural.budget import Budget
from janiform.procedural.circuit import Circuit, circuit
from janiform.procedural.descent import Descent, Point
from janiform.procedural.embedded import embed
from janiform.procedural.engine import Engine, Outcome
from janiform.procedural.feeding import Batches, dataset
from janiform.procedural.files import Written, write_rows
from janiform.procedural.runs import Trained, resume, run
from janiform.procedural.step import Step
from janiform.procedural.tiny import pinned, tiny, train
from janiform.procedural.training import Training
from janiform.procedural.transfer import transfer

__all__ = [
    "Autograd",
    "Batches",
    "Budget",
    "Circuit",
    "Descent",
    "Engine",
    "Outcome",
    "Point",
    "Step",
    "Trained",
    "Training",
    "Written",
    "circuit",
    "dataset",
    "embed",
    "pinned",
    "resume",
    "run",
    "tiny",
    "train",
    "transfer",
    "write_rows",
]
