"""Tasks on random strings of letters: reverse, sort, hist, double_hist and most_freq (Friedman et al. 2023).

Letters are written '0', '1', ... and come first in the vocabulary, so that a letter's code is its index. An input
is '<s>' and then letters; those of reverse and sort end with '</s>'. A length and then letters are drawn uniformly.
Letters are sorted as strings are: '10' before '2'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from janiform.errors import InputError
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.tasks.examples import Codes
from janiform.tasks.exercise import END, START, Exercise, strings

ENDED = ("reverse", "sort")
NAMES = (*ENDED, "hist", "double_hist", "most_freq")


@dataclass(frozen=True, slots=True)
class Letters(Exercise):
    """A task on strings of ``min_len`` letters and more.

    >>> letters("hist").solve([["<s>", "3", "0", "3"]])
    [[None, '2', '1', '2']]
    """

    @property
    def alphabet(self) -> int:
        """How many letters there are; the other tokens are special."""
        return len(self.signature.vocab) - self._specials

    @property
    def longest(self) -> int:
        """The most letters in an input."""
        return self.max_len - self._specials

    @property
    def _specials(self) -> int:
        return 1 + (self.name in ENDED)

    @property
    def size(self) -> int:
        """How many inputs there are."""
        return sum(self.alphabet**n for n in range(self.min_len, self.longest + 1))

    def draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw lengths and then letters uniformly."""
        lengths = rng.integers(self.min_len, self.longest + 1, size=n)
        return self._between_specials(rng.integers(self.alphabet, size=(n, self.longest)), lengths)

    def every(self) -> Codes:
        """Return every input once, the shortest first."""
        parts = []
        for length in range(self.min_len, self.longest + 1):
            words = strings(self.alphabet, length)
            words = np.pad(words, ((0, 0), (0, self.longest - length)))
            parts.append(self._between_specials(words, np.full(len(words), length)))
        return np.concatenate(parts)

    def _between_specials(self, words: Codes, lengths: Codes) -> Codes:
        x = np.full((len(words), self.max_len), -1, np.int16)
        x[:, 0] = self.signature.vocab.index(START)
        inside = np.arange(self.longest) < lengths[:, None]
        x[:, 1 : self.longest + 1] = np.where(inside, words, -1)
        if self.name in ENDED:
            x[np.arange(len(x)), lengths + 1] = self.signature.vocab.index(END)
        return x

    def targets(self, x: Codes) -> Codes:
        """Return what is asked of inputs given as codes, -1 where nothing is."""
        k = self.alphabet
        asked = (x >= 0) & (x < k)
        if self.name == "sort":
            y = np.sort(np.where(asked, x, k), axis=1)
            y = np.concatenate([y[:, -1:], y[:, :-1]], axis=1)
        elif self.name == "reverse":
            place = asked.sum(1)[:, None] + 1 - np.arange(self.max_len)
            y = np.take_along_axis(x, np.clip(place, 0, self.max_len - 1), axis=1)
        else:
            counts = np.stack([(x == letter).sum(1) for letter in range(k)], axis=1)
            y = self._ranks(x, counts) if self.name == "most_freq" else self._numbers(x, counts)
        return np.where(asked, y, -1).astype(np.int16)

    def _numbers(self, x: Codes, counts: Codes) -> Codes:
        """Return for each letter how often it occurs, or how many letters occur as often as it."""
        numbers = np.take_along_axis(counts, np.clip(x, 0, self.alphabet - 1), axis=1)
        if self.name == "double_hist":
            alike = np.stack([(counts == n).sum(1) for n in range(self.longest + 1)], axis=1)
            numbers = np.take_along_axis(alike, numbers, axis=1)
        top = max(self.longest, self.alphabet)
        code = {label: i for i, label in enumerate(self.labels)}
        return np.array([code.get(str(n), -1) for n in range(top + 1)])[numbers]

    def _ranks(self, x: Codes, counts: Codes) -> Codes:
        """Return at the i-th position the i-th most frequent letter, and the label '<s>' where there is none."""
        k = self.alphabet
        first = np.stack([(x == letter).argmax(1) for letter in range(k)], axis=1)
        ranked = np.argsort(first - counts * self.max_len, axis=1, kind="stable")
        y = np.full(x.shape, k)
        width = min(k, self.longest)
        there = np.arange(width) < (counts > 0).sum(1)[:, None]
        y[:, 1 : width + 1] = np.where(there, ranked[:, :width], k)
        return y

    def rule(self, tokens: list[Value]) -> list[Value]:
        """Return what is asked of one input, None where nothing is."""
        word = [t for t in tokens if t not in (START, END)]
        answers: list[Value]
        match self.name:
            case "reverse":
                answers = word[::-1]
            case "sort":
                answers = sorted(word, key=str)
            case "hist":
                answers = [str(word.count(c)) for c in word]
            case "double_hist":
                answers = [str(sum(word.count(d) == word.count(c) for d in set(word))) for c in word]
            case _:
                ranked = sorted(set(word), key=lambda c: (-word.count(c), word.index(c)))
                answers = ranked + [START] * (len(word) - len(ranked))
        left = iter(answers)
        return [None if t in (START, END) else next(left) for t in tokens]


def letters(name: str, vocab_size: int = 8, max_len: int = 8, min_len: int = 1) -> Letters:
    """Make a task on strings of letters; ``vocab_size`` and ``max_len`` count special tokens and padding too.

    >>> letters("sort").signature.vocab
    ('0', '1', '2', '3', '4', '</s>', '<s>')
    """
    specials = (START, END) if name in ENDED else (START,)
    alphabet, longest = vocab_size - 1 - len(specials), max_len - len(specials)
    if alphabet < 1 or not 1 <= min_len <= longest:
        raise InputError(
            f"{name} over {vocab_size} tokens and up to {max_len} positions has {max(alphabet, 0)} letters in inputs "
            f"of {min_len} to {longest} of them; choose at least {len(specials) + 2} tokens and "
            f"{len(specials) + max(min_len, 1)} positions"
        )
    symbols = [str(i) for i in range(alphabet)]
    labels = {
        "hist": [str(i + 1) for i in range(longest)],
        "double_hist": [str(i + 1) for i in range(min(alphabet, longest))],
        "most_freq": [*symbols, START],
    }.get(name, symbols)
    return Letters(name, Signature([*symbols, *specials], max_len), tuple(sorted(labels)), min_len)
