"""An exercise: a task on strings of tokens that a plain rule solves, with its published distribution of inputs.

A subclass says how inputs are drawn, which inputs there are, and what is asked of them, twice: as a rule in plain
Python that reads as the task's definition, and as array code that marks a hundred thousand inputs at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.examples import Codes, Data, Examples

START, END = "<s>", "</s>"
LIMIT = 2_000_000


@dataclass(frozen=True, slots=True)
class Exercise(ABC):
    """A task over ``signature`` whose answers are ``labels``; ``min_len`` bounds its shortest input.

    >>> from janiform.tasks import algorithmic
    >>> algorithmic("reverse").solve([["<s>", "0", "3", "</s>"]])
    [[None, '3', '0', None]]
    """

    name: str
    signature: Signature
    labels: tuple[Value, ...]
    min_len: int

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many inputs there are."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw ``n`` inputs from the published distribution."""

    @abstractmethod
    def every(self) -> Codes:
        """Return every input once."""

    @abstractmethod
    def targets(self, x: Codes) -> Codes:
        """Return what is asked of inputs given as codes, -1 where nothing is."""

    @abstractmethod
    def rule(self, tokens: list[Value]) -> list[Value]:
        """Return what is asked of one input, None where nothing is."""

    @property
    def max_len(self) -> int:
        """The length of the longest input, with its special tokens."""
        return self.signature.max_len

    def sample(self, rng: np.random.Generator, n: int) -> Examples:
        """Draw ``n`` inputs with their targets."""
        x = self.draw(rng, n)
        return Examples(x, self.targets(x))

    def solve(self, inputs: Sequence[Sequence[Value]]) -> list[list[Value]]:
        """Answer inputs by the rule that defines the task, None where nothing is asked."""
        self.signature.validate(inputs)
        return [self.rule(list(tokens)) for tokens in inputs]

    def domain(self) -> Examples:
        """Return every input with its targets, each once; refuse where there are more than two million."""
        if self.size is None or self.size > LIMIT:
            raise InputError(
                f"{self.name} over {len(self.signature.vocab)} tokens and up to {self.max_len} positions has "
                f"{'too many' if self.size is None else format(self.size, ',')} inputs, and at most {LIMIT:,} are "
                "listed; sample them, or choose a smaller vocabulary or length"
            )
        x = self.every()
        return Examples(x, self.targets(x))

    def data(self, seed: int = 0, size: int = 20_000, distinct: bool = False) -> Data:
        """Draw ``size`` examples, 81 % to train, 9 % to validate and 10 % to test.

        With ``distinct`` no input occurs twice, so that no test input was trained on: inputs are drawn until there
        are ``size``, or all that exist, or as many as ten draws of ``size`` hold.
        """
        if size < 10:
            raise InputError(f"three sets of examples need at least 10 of them, not {size}")
        rng = np.random.default_rng(seed)
        examples = self._distinct(rng, size) if distinct else self.sample(rng, size)
        n = len(examples)
        test, train = n - -(-n // 10), n * 81 // 100
        bounds = (slice(0, train), slice(train, test), slice(test, n))
        parts = [examples.take(rows) for rows in bounds]
        return Data(self.name, self.signature, self.labels, False, parts[0], parts[1], parts[2])

    def _distinct(self, rng: np.random.Generator, size: int) -> Examples:
        if self.size is not None and self.size <= size:
            every = self.domain()
            return every.take(rng.permutation(len(every)))
        x = self.draw(rng, size)
        for _ in range(9):
            if len(found := Examples(x, x).distinct()) >= size:
                break
            x = np.concatenate([found.x, self.draw(rng, size)])
        x = Examples(x, x).distinct().x[:size]
        return Examples(x, self.targets(x))


def strings(symbols: int, length: int) -> Codes:
    """Return every string of ``length`` codes below ``symbols``, one a row, in order.

    >>> strings(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    digits = np.arange(symbols**length)[:, None] // symbols ** np.arange(length - 1, -1, -1)
    return (digits % symbols).astype(np.int16)
