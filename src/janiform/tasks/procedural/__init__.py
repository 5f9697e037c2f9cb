"""Procedural pretraining data: tasks whose rows are made by rule, the same for any batch, process and host."""

from janiform.tasks.procedural.rows import Procedure, Rows, Split, rows
from janiform.tasks.procedural.transductions import Transduction

__all__ = ["Procedure", "Rows", "Split", "Transduction", "rows"]
