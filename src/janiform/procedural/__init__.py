"""Procedural pretraining: feeding rows made by rule to training, to files and to other libraries."""

from janiform.procedural.feeding import Batches, dataset
from janiform.procedural.files import Written, write_rows

__all__ = ["Batches", "Written", "dataset", "write_rows"]
