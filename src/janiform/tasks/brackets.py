"""Tasks on brackets: dyck1 and dyck2, causal (Friedman et al. 2023).

Each prefix is told apart: T is balanced, P can be completed to a balanced string, F cannot. An input is '<s>' and
then brackets up to the full length. Half of the inputs are uniformly random; half begin with a balanced string that
is grown in steps, each of which appends a pair or wraps the string in one, and go on randomly or are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.examples import Codes
from janiform.tasks.exercise import START, Exercise, strings

PAIRS = {"dyck1": ("()",), "dyck2": ("()", "{}")}


@dataclass(frozen=True, slots=True)
class Brackets(Exercise):
    """A task on brackets; balanced beginnings are grown in ``min_len // 2`` to ``max_len // 2`` steps.

    >>> brackets("dyck1", 5).solve([["<s>", "(", ")", ")", "("]])
    [[None, 'P', 'T', 'F', 'F']]
    """

    @property
    def size(self) -> int:
        """How many inputs there are: every string of brackets."""
        return int((2 * len(PAIRS[self.name])) ** (self.max_len - 1))

    def _codes(self) -> tuple[Codes, Codes]:
        """Return the codes of the opening brackets and, in the same order, of those that close them."""
        vocab = self.signature.vocab
        both = np.array([[vocab.index(b) for b in pair] for pair in PAIRS[self.name]], np.int16)
        return both[:, 0], both[:, 1]

    def draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw inputs, half of which begin with a balanced string."""
        x = self._starting(rng.choice(np.concatenate(self._codes()), size=(n, self.max_len - 1)))
        grown, lengths = self._grow(rng, n)
        begun = rng.integers(2, size=n).astype(bool)[:, None]
        inside = np.arange(self.max_len - 1) < lengths[:, None]
        x[:, 1:] = np.where(begun & inside, grown[:, : self.max_len - 1], x[:, 1:])
        return x

    def _grow(self, rng: np.random.Generator, n: int) -> tuple[Codes, Codes]:
        """Return balanced strings, at the left of their rows, and their lengths."""
        opening, closing = self._codes()
        most = self.max_len // 2
        steps = rng.integers(max(1, self.min_len // 2), most + 1, size=n)
        pairs = rng.integers(len(opening), size=(n, most))
        wraps = rng.integers(2, size=(n, most)).astype(bool)
        room = np.zeros((n, 3 * most), np.int16)
        start, end = np.full(n, most), np.full(n, most)
        for step in range(most):
            rows = np.flatnonzero(step < steps)
            pair, wrap = pairs[rows, step], wraps[rows, step]
            start[rows] -= wrap
            room[rows, np.where(wrap, start[rows], end[rows])] = opening[pair]
            room[rows, end[rows] + ~wrap] = closing[pair]
            end[rows] += np.where(wrap, 1, 2)
        columns = np.minimum(start[:, None] + np.arange(2 * most), 3 * most - 1)
        return np.take_along_axis(room, columns, axis=1), end - start

    def every(self) -> Codes:
        """Return every input once."""
        symbols = np.sort(np.concatenate(self._codes()))
        return self._starting(symbols[strings(len(symbols), self.max_len - 1)])

    def _starting(self, words: Codes) -> Codes:
        start = np.full((len(words), 1), self.signature.vocab.index(START), np.int16)
        return np.concatenate([start, words], axis=1)

    def targets(self, x: Codes) -> Codes:
        """Return what is asked of inputs given as codes, -1 where nothing is."""
        opening, closing = self._codes()
        rows = np.arange(len(x))
        stack = np.full((len(x), self.max_len + 1), -1, np.int16)
        depth, lost = np.zeros(len(x), int), np.zeros(len(x), bool)
        y = np.full(x.shape, -1, np.int16)
        F, P, T = (self.labels.index(label) for label in "FPT")
        for i in range(self.max_len):
            opens, closes = np.isin(x[:, i], opening), np.isin(x[:, i], closing)
            expected = stack[rows, depth]
            lost |= closes & (expected != x[:, i])
            depth += np.where(opens, 1, np.where(closes & (depth > 0), -1, 0))
            for left, right in zip(opening, closing, strict=True):
                new = x[:, i] == left
                stack[rows[new], depth[new]] = right
            y[:, i] = np.where(opens | closes, np.where(lost, F, np.where(depth == 0, T, P)), -1)
        return y

    def rule(self, tokens: list[Value]) -> list[Value]:
        """Return what is asked of one input: what is left of each prefix when matching pairs are crossed out."""
        answers: list[Value] = []
        left = ""
        for token in tokens:
            if token == START:
                answers.append(None)
                continue
            left += str(token)
            for pair in PAIRS[self.name]:
                left = left.removesuffix(pair)
            opening = {pair[0] for pair in PAIRS[self.name]}
            answers.append("T" if not left else "P" if set(left) <= opening else "F")
        return answers


def brackets(name: str, max_len: int = 16, min_len: int | None = None) -> Brackets:
    """Make a task on brackets; a ``min_len`` below ``max_len`` lets balanced beginnings be shorter.

    >>> brackets("dyck2").signature
    Signature(vocab=('(', ')', '<s>', '{', '}'), max_len=16, causal=True, bos='BOS', pad='PAD')
    """
    min_len = max_len if min_len is None else min_len
    if not 2 <= min_len <= max_len:
        raise InputError(
            f"{name} has inputs of '<s>' and at least one bracket: choose 2 positions or more and a shortest length "
            f"of 2 to that many, not {max_len} and {min_len}"
        )
    vocab = [START, *"".join(PAIRS[name])]
    return Brackets(name, Signature(vocab, max_len, causal=True), ("F", "P", "T"), min_len)
