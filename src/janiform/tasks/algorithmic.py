"""The algorithmic tasks on which Transformer Programs were published (Friedman et al. 2023), by name.

Vocabularies, lengths and distributions are the published ones; sizes count special tokens and padding.
"""

from __future__ import annotations

from janiform.errors import InputError
from janiform.tasks import letters
from janiform.tasks.brackets import PAIRS, brackets
from janiform.tasks.exercise import Exercise
from janiform.tasks.induction import induction

NAMES = (*letters.NAMES, *PAIRS, "induction")
"""Every task, by name."""


def algorithmic(
    name: str, vocab_size: int = 8, max_len: int | None = None, min_len: int | None = None
) -> Exercise:
    """Make the published task ``name`` over inputs of up to ``max_len`` tokens.

    Without ``max_len`` inputs have up to 8 tokens, 16 where the task is on brackets, whose vocabulary is fixed, and 10
    for induction, which was published with a ``vocab_size`` of 10. ``min_len`` is the fewest letters (1), or the
    shortest length of a beginning in brackets or of an input of induction (``max_len``).

    >>> task = algorithmic("most_freq")
    >>> task.solve([["<s>", "1", "4", "4"]]), task.size
    ([[None, '4', '1', '<s>']], 335922)
    >>> algorithmic("reverse").data(size=1000, distinct=True).train.x.shape
    (810, 8)
    """
    if name in PAIRS:
        return brackets(name, 16 if max_len is None else max_len, min_len)
    if name == "induction":
        return induction(vocab_size, 10 if max_len is None else max_len, min_len)
    if name in letters.NAMES:
        return letters.letters(
            name, vocab_size, 8 if max_len is None else max_len, 1 if min_len is None else min_len
        )
    raise InputError(f"no algorithmic task is called {name!r}; there are {', '.join(NAMES)}")
