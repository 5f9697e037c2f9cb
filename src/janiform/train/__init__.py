"""Runs of many independent pieces: where they run."""

from janiform.train.executor import open_executor

__all__ = ["open_executor"]
