"""The least loss is the entropy of what generators draw: counted out on small tasks, and reached by chains that know the rule."""

import math
from collections import defaultdict

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.tasks.procedural import floor, read, rows
from janiform.tasks.procedural.draws import row_keys, stream


def entropy_of_rows(task, count: int) -> float:
    """The entropy of rows, less that of their first token, by target: from frequencies among all that are drawn, none set aside."""
    tokens = np.empty((count, task.width), np.uint16)
    task.fill(row_keys(stream("floor"), np.arange(count, dtype=np.uint64)), tokens)
    sizes = []
    for part in (tokens, tokens[:, :1]):
        _, seen = np.unique(part, axis=0, return_counts=True)
        share = seen / count
        # Miller and Madow's correction of the entropy of frequencies
        sizes.append(float(-(share * np.log(share)).sum()) + (len(seen) - 1) / (2 * count))
    return (sizes[0] - sizes[1]) / (task.width - 1)


@pytest.mark.parametrize(
    "text",
    [
        "dyck(kinds=2, length=8)",
        "dyck(kinds=3, length=6, p_open=0.7)",
        "dyck(kinds=2, length=8, deepest=2)",
        "shuffle_dyck(kinds=2, length=6)",
        "shuffle_dyck(kinds=3, length=5, p_open=0.6, deepest=3)",
        "shuffle_dyck(kinds=2, length=8, deepest=2)",
        "ww(symbols=5, length=6)",
    ],
)
def test_it_is_the_entropy_of_rows(text):
    task = read(text)
    assert floor(task) == pytest.approx(entropy_of_rows(task, 200_000), abs=0.004)


@pytest.mark.parametrize(
    "text",
    ["sort(symbols=3, longest=4)", "set(symbols=3, longest=4, shortest=2)", "delete(symbols=3, longest=3)"]
    + ["stack(symbols=4, longest=5)", "union(symbols=3, longest=4)", "eca(cells=4, states=3)"]
    + ["addition(digits=1)", "reversed_addition(digits=1)", "multiplication(digits=1)"]
    + ["haystack(pairs=2, symbols=8)", "addition(digits=1, whole=True)"],
)
def test_what_has_no_loss_is_decided_by_what_stands_before(text):
    """The same tokens are never followed by different targets."""
    task = read(text)
    assert floor(task) == 0
    some, after = rows(task, 0, 5000), defaultdict(set)
    for row, begin, end in zip(some.tokens.tolist(), some.begin, some.end):
        for at in range(begin, end):
            after[tuple(row[:at])].add(row[at])
    assert all(len(found) == 1 for found in after.values())


def test_long_words_of_few_open_brackets_approach_the_chain():
    """Nested one deep: an opening of k kinds, then its closing; half the tokens cost log k."""
    assert floor(read("dyck(kinds=8, length=64, deepest=1)")) == pytest.approx(31 / 63 * math.log(8))


def test_what_is_not_known_is_refused():
    for text in ("shuffled(set)", "set + union", "ngram(set)"):
        with pytest.raises(InputError, match="is not known"):
            floor(read(text))
    with pytest.raises(InputError, match="more than 4000 states"):
        floor(read("shuffle_dyck(deepest=40)"))
