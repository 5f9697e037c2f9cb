"""A pair whose weights are run by somebody else, so that its check compares them with the interpreter."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from janiform import Pair
from janiform.pair import Report

Run = Callable[[np.ndarray], np.ndarray]
"""Logits of ids [batch, pos]."""


def checked(pair: Pair, run: Run, limit: int = 200, draws: int = 40) -> Report:
    """Check what another library makes of a pair's ids: all inputs where they are few, else drawn ones, any padding."""

    class Elsewhere(Pair):
        def logits(self, ids: np.ndarray) -> np.ndarray:
            return run(ids)

    return Elsewhere(**{f.name: getattr(pair, f.name) for f in fields(pair)}).check(limit=limit, draws=draws)
