"""The programs measured on both sides: Tracr's own library, which Janiform has in its library under the same names.

Vocabularies hold ``v`` tokens, those that a program speaks of first.
"""

from __future__ import annotations

import random

from janiform import programs
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature

DYCK = ("pair_balance", "shuffle_dyck1", "shuffle_dyck2")
NUMBERS = (
    "length",
    "hist",
    "reverse",
    "sort_unique",
    "sort",
    "sort_freq",
    "frac_prevs",
    "count",
    "count_less_freq",
)
LETTERS = ("shift_by", "detect_pattern")
CASES = (*NUMBERS, *LETTERS, *DYCK)


def vocabulary(case: str, v: int) -> list[Value]:
    """Return ``v`` tokens for a case.

    >>> vocabulary("sort", 4), vocabulary("shuffle_dyck1", 4)
    ([0, 1, 2, 3], ['(', ')', 'a', 'b'])
    """
    if case in NUMBERS:
        return list(range(v))
    brackets = "(){}" if case == "shuffle_dyck2" else "()" if case in DYCK else ""
    return list((brackets + "abcdefghijklmnopqrstuvwxyz")[:v])


def source(case: str) -> str:
    """Return the RASP text of a case."""
    return programs.text(case)


def signature(case: str, v: int, n: int) -> Signature:
    """Return the signature of a case at ``v`` tokens and length ``n``."""
    return Signature(vocabulary(case, v), n)


def inputs(vocab: list[Value], n: int, each: int, *, seed: int = 0) -> list[list[Value]]:
    """Draw inputs of four lengths up to ``n``, ``each`` of a length.

    Tracr starts its framework anew for every length, so there are few. A quarter is uniform, a quarter repeats one token,
    a quarter has the first two tokens only, and a quarter has one half of each of these two: balanced, if brackets.

    >>> inputs(["(", ")"], 4, 4)[-1]
    ['(', '(', ')', ')']
    """
    rng, rows = random.Random(seed), []
    for length in sorted({max(1, n // 4), max(1, n // 2), max(1, n - 1), n}):
        for i in range(each):
            match i % 4:
                case 0:
                    rows.append(rng.choices(vocab, k=length))
                case 1:
                    rows.append([vocab[i // 4 % len(vocab)]] * length)
                case 2:
                    rows.append(rng.choices(vocab[:2], k=length))
                case _:
                    rows.append([vocab[2 * at >= length] for at in range(length)])
    return rows
