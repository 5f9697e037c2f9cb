"""The induction task, causal: after a letter, the number that followed it before (Friedman et al. 2023).

An input is '<s>' and then letters, each followed by its number; which number is a letter's is drawn for each input
anew. Half of the inputs end with one letter more, half are shifted by a random number after '<s>'. At a letter its
number is asked, '<unk>' where the letter is met first.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.examples import UNKNOWN, Codes
from janiform.tasks.exercise import START, Exercise


@dataclass(frozen=True, slots=True)
class Induction(Exercise):
    """The task on inputs of ``min_len`` tokens and more.

    Numbers come first in the vocabulary, then '<s>', then as many letters: a number's code is its index.

    >>> induction(8, 6).solve([["<s>", "a", "2", "b", "0", "a"]])
    [[None, '<unk>', None, '<unk>', None, '2']]
    """

    @property
    def letters(self) -> int:
        """How many letters there are, and how many numbers."""
        return (len(self.signature.vocab) - 1) // 2

    @property
    def _lengths(self) -> range:
        """How many pairs of a letter and its number inputs hold."""
        return range((self.min_len - 2) // 2, (self.max_len - 2) // 2 + 1)

    @property
    def size(self) -> int:
        """How many inputs there are."""
        k = self.letters
        met = [1] + [0] * k  # strings of pairs by the number of distinct letters in them
        total = 0
        for pairs in range(1, self._lengths[-1] + 1):
            met = [0] + [met[m] * m + met[m - 1] * (k - m + 1) * k for m in range(1, k + 1)]
            total += sum(met) * 2 * k if pairs in self._lengths else 0
        return total

    def draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw how many pairs there are, each letter's number, the letters, and whether to shift them."""
        k, most = self.letters, self._lengths[-1]
        pairs = rng.integers(self._lengths[0], most + 1, size=n)
        number = rng.integers(k, size=(n, k))
        letter = rng.integers(k, size=(n, most + 1))
        body = np.empty((n, 2 * most + 2), np.int16)
        body[:, 0::2], body[:, 1::2] = letter + k + 1, np.take_along_axis(number, letter, axis=1)
        shifted = np.concatenate([rng.integers(k, size=(n, 1)), body[:, :-1]], axis=1)
        shift = rng.integers(2, size=(n, 1)).astype(bool)
        return self._starting(np.where(shift, shifted, body)[:, : 2 * most + 1], 2 * pairs + 1)

    def every(self) -> Codes:
        """Return every input once, by growing strings of pairs in which no letter has two numbers."""
        k = self.letters
        words, number = np.zeros((1, 0), np.int16), np.full((1, k), -1, np.int16)
        letter, follow = (a.ravel() for a in np.indices((k, k), np.int16))
        parts = []
        for pairs in range(1, self._lengths[-1] + 1):
            fits = (number[:, letter] == -1) | (number[:, letter] == follow)
            row, pair = np.nonzero(fits)
            words = np.concatenate([words[row], np.stack([letter[pair] + k + 1, follow[pair]], 1)], axis=1)
            number = number[row]
            number[np.arange(len(row)), letter[pair]] = follow[pair]
            if pairs in self._lengths:
                again = np.repeat(words, k, axis=0)
                extra = np.tile(np.arange(k, dtype=np.int16), len(words))[:, None]
                for whole in (np.hstack([again, extra + k + 1]), np.hstack([extra, again])):
                    parts.append(self._starting(whole, np.full(len(whole), 2 * pairs + 1)))
        return np.concatenate(parts)

    def _starting(self, body: Codes, lengths: Codes) -> Codes:
        x = np.full((len(body), self.max_len), -1, np.int16)
        x[:, 0] = self.letters
        x[:, 1 : body.shape[1] + 1] = np.where(np.arange(body.shape[1]) < lengths[:, None], body, -1)
        return x

    def targets(self, x: Codes) -> Codes:
        """Return what is asked of inputs given as codes, -1 where nothing is."""
        k = self.letters
        rows = np.arange(len(x))
        memory = np.full((len(x), k), k, np.int16)  # the label '<unk>' comes after the numbers
        y = np.full(x.shape, -1, np.int16)
        for i in range(self.max_len):
            asked = x[:, i] > k
            y[asked, i] = memory[rows[asked], x[asked, i] - k - 1]
            told = (x[:, i] >= 0) & (x[:, i] < k) & (x[:, max(i - 1, 0)] > k)
            memory[rows[told], x[told, i - 1] - k - 1] = x[told, i]
        return y

    def rule(self, tokens: list[Value]) -> list[Value]:
        """Return what is asked of one input, None where nothing is."""
        answers: list[Value] = []
        followed: dict[Value, Value] = {}
        before: Value = None
        for token in tokens:
            is_letter = str(token) in ascii_lowercase
            answers.append(followed.get(token, UNKNOWN) if is_letter else None)
            if str(token).isdigit() and str(before) in ascii_lowercase:
                followed[before] = token
            before = token
        return answers


def induction(vocab_size: int = 8, max_len: int = 10, min_len: int | None = None) -> Induction:
    """Make the induction task; ``vocab_size`` counts '<s>' and padding too.

    >>> induction().signature.vocab
    ('0', '1', '2', '<s>', 'a', 'b', 'c')
    """
    k, min_len = (vocab_size - 2) // 2, max_len if min_len is None else min_len
    if not 1 <= k <= len(ascii_lowercase) or not 4 <= min_len <= max_len:
        raise InputError(
            "induction takes 4 to 55 tokens, 4 positions or more, and a shortest length of 4 to that many; "
            f"got {vocab_size}, {max_len} and {min_len}"
        )
    numbers = [str(i) for i in range(k)]
    vocab = [*numbers, START, *ascii_lowercase[:k]]
    return Induction(
        "induction", Signature(vocab, max_len, causal=True), (*sorted(numbers), UNKNOWN), min_len
    )
