"""Tasks as a causal language model sees them: <bos> x <sep> y <eos>, or <bos> x with the legal next symbols at each place.

Token ids are the task's symbols in order, then <bos>, <sep>, <eos>, <pad> (Huang et al. 2026, arXiv 2602.08857). Where
``legal`` is set the target at each position is the set of tokens that may come next, <eos> included, of which a model's
positive logits are its answer; else it is the next token, of which the largest logit is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SPECIAL = ("<bos>", "<sep>", "<eos>", "<pad>")


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """A batch: ``tokens`` (n, T) ids, <pad> past the end; where ``asked`` (n, T) the prediction counts, and should be
    ``wanted``: the next token (n, T), or the set of legal ones (n, T, tokens) as booleans."""

    tokens: NDArray[np.int64]
    asked: NDArray[np.bool_]
    wanted: NDArray[np.int64] | NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """A task on sequences: ``draw(rng, n, shortest, longest)`` gives n inputs whose x has a length in that range.

    ``positions`` is how many positions a model needs for an x of ``longest`` symbols, and ``offsets`` whether models are trained
    on inputs that begin at random ones, too.
    """

    name: str
    symbols: tuple[str, ...]
    legal: bool
    longest: int = field(kw_only=True, default=150)
    positions: int = field(kw_only=True, default=152)
    offsets: bool = field(kw_only=True, default=True)
    draw: Callable[[np.random.Generator, int, int, int], Sequences] = field(kw_only=True, repr=False)

    @property
    def vocab(self) -> tuple[str, ...]:
        """Every token, in the order of ids."""
        return self.symbols + SPECIAL

    @property
    def bos(self) -> int:
        """The id of <bos>; <sep>, <eos> and <pad> follow."""
        return len(self.symbols)

    @property
    def sep(self) -> int:
        return len(self.symbols) + 1

    @property
    def eos(self) -> int:
        return len(self.symbols) + 2

    @property
    def pad(self) -> int:
        return len(self.symbols) + 3
