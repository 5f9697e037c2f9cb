"""Why a program gives what it gives: what decided an output, which line is responsible, what happens line by line."""

from janiform.explain.attribution import Explanation, explain
from janiform.explain.debugger import Line, Trace, debug, step

__all__ = [
    "Explanation",
    "Line",
    "Trace",
    "debug",
    "explain",
    "step",
]
