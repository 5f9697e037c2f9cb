"""Runs of many independent pieces: where they run, and how they are kept and resumed."""

from janiform.train.executor import open_executor
from janiform.train.sweep import sweep

__all__ = ["open_executor", "sweep"]
