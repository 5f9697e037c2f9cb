"""Procedural pretraining data: tasks whose rows are made by rule, the same for any batch, process and host."""

from janiform.tasks.procedural.automaton import CellularAutomaton
from janiform.tasks.procedural.brackets import Dyck, ShuffleDyck
from janiform.tasks.procedural.controls import NGram, Shuffled
from janiform.tasks.procedural.diagnostics import Arithmetic, Haystack
from janiform.tasks.procedural.floor import floor, reached
from janiform.tasks.procedural.known import Known, known
from janiform.tasks.procedural.mixture import Mixture
from janiform.tasks.procedural.notation import PROCEDURES, read, write
from janiform.tasks.procedural.program_floor import program_floor
from janiform.tasks.procedural.rows import Procedure, Rows, Split, rows
from janiform.tasks.procedural.transductions import Transduction
from janiform.tasks.procedural.twice import Twice

__all__ = [
    "PROCEDURES",
    "Arithmetic",
    "CellularAutomaton",
    "Dyck",
    "Haystack",
    "Known",
    "Mixture",
    "NGram",
    "Procedure",
    "Rows",
    "ShuffleDyck",
    "Shuffled",
    "Split",
    "Transduction",
    "Twice",
    "floor",
    "known",
    "program_floor",
    "reached",
    "read",
    "rows",
    "write",
]
