"""Compile programs into exact transformer weights: lower and infer -> plan -> schedule -> lay out -> emit.

NumPy only. The stages are those of the modules; each takes a value and returns a value that can be looked at.
"""

from janiform.compile.pipeline import compile_program
from janiform.compile.result import Bound, Compiled, Place, Readout

__all__ = ["Bound", "Compiled", "Place", "Readout", "compile_program"]
