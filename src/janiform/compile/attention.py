"""Attention heads: which scores, which values, and what BOS is for.

Every head can attend to BOS. For a mean or a copy, BOS lies half a level below the selected keys, so it is attended
only where nothing is selected, and its value there is the default. For a count, BOS lies level with them, and the
weight it keeps is 1 / (width + 1). Queries at BOS and PAD attend to BOS alone, so what they hold is known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from janiform.compile.variables import Form

Mode = Literal["mean", "count"]


@dataclass(eq=False, slots=True)
class Head:
    """Scores ``sum_j keys[j] * queries[j]`` in levels, and the value columns that readers asked for.

    ``level`` is the form, at the query, of the score that selected keys reach; ``covered`` that something always is
    selected. ``many`` says that several different values may be mixed, so that weights must be equal and not only large.
    ``rank`` scales the scores so that ranks of the keys fit in below one level. Each value column is a form at the key
    with what BOS offers in its place.
    """

    mode: Mode
    name: str
    covered: bool
    many: bool
    keys: list[Form] = field(default_factory=list)
    queries: list[Form] = field(default_factory=list)
    level: Form = field(default_factory=Form)
    lowest_level: float = 1.0
    values: list[tuple[Form, float]] = field(default_factory=list)
    slot: int = -1

    @property
    def needs_level(self) -> bool:
        """Whether BOS competes with the selected keys, so that their level must be known at the query."""
        return self.mode == "count" or not self.covered
