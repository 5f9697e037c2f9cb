"""Tasks whose targets a program computes: draw inputs over a vocabulary, run the program on them.

A task is a value: the same generator state gives the same samples, and every input is within its signature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janiform import programs
from janiform.errors import InputError
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature


@dataclass(frozen=True, slots=True)
class Task:
    """What to learn: inputs over ``signature`` of ``min_len`` tokens and more, and ``program``, which solves it.

    >>> task = library_task("reverse")
    >>> inputs, targets = task.sample(np.random.default_rng(0), 3)
    >>> [x[::-1] for x in inputs] == targets
    True
    """

    name: str
    program: Program
    signature: Signature
    min_len: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.min_len <= self.signature.max_len:
            raise InputError(
                f"the shortest input has 1 to {self.signature.max_len} tokens, not {self.min_len}"
            )

    @property
    def vocab(self) -> tuple[Value, ...]:
        """The tokens that inputs are drawn from."""
        return self.signature.vocab

    @property
    def max_len(self) -> int:
        """The length of the longest input."""
        return self.signature.max_len

    def sample(self, rng: np.random.Generator, n: int) -> tuple[list[list[Value]], list[list[Value]]]:
        """Draw ``n`` inputs, each length and then each token with equal chance, and compute their targets."""
        lengths = rng.integers(self.min_len, self.max_len + 1, size=n)
        inputs = [[self.vocab[i] for i in rng.integers(len(self.vocab), size=k)] for k in lengths]
        return inputs, self.targets(inputs)

    def targets(self, inputs: list[list[Value]]) -> list[list[Value]]:
        """Compute the targets of given inputs; refuse those outside the signature."""
        if not inputs:
            return []
        return evaluate(self.program, inputs, signature=self.signature)[next(iter(self.program.outputs))]


def from_program(name: str, program: Program, signature: Signature, *, min_len: int = 1) -> Task:
    """Make the task that ``program``, which has one output, solves.

    >>> from janiform.text.rasp import parse
    >>> task = from_program("double", parse("double = 2 * tokens;"), Signature(range(5), 4))
    >>> task.targets([[1, 2]])
    [[2, 4]]
    """
    program.output  # noqa: B018  refuses several outputs
    return Task(name, program, signature, min_len)


def library_task(name: str, *, max_len: int | None = None, min_len: int = 1) -> Task:
    """Make the task that a library program solves, over the vocabulary of its entry.

    >>> library_task("majority", max_len=20).signature
    Signature(vocab=(0, 1), max_len=20, causal=True, bos='BOS', pad='PAD')
    """
    e = programs.entry(name)
    signature = Signature(e.vocab, max_len or e.max_len, e.causal)
    return Task(name, programs.load(name), signature, min_len)
