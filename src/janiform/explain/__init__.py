"""Why a program gives what it gives: what decided an output, which line is responsible, what happens line by line."""

from janiform.explain.attribution import Explanation, explain
from janiform.explain.debugger import Line, Trace, debug, step
from janiform.explain.responsibility import (
    Responsibilities,
    Responsibility,
    responsibilities,
    responsible,
)

__all__ = [
    "Explanation",
    "Line",
    "Responsibilities",
    "Responsibility",
    "Trace",
    "debug",
    "explain",
    "responsibilities",
    "responsible",
    "step",
]
