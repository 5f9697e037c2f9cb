"""The least loss is the entropy of what generators draw: counted out on small tasks, and reached by chains that know the rule."""

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.tasks.procedural import floor, known, program_floor, reached, read, rows
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


PROGRAMS = [
    "identity(symbols=6, longest=9, shortest=1)",
    "reverse(symbols=6, longest=9)",
    "sort(symbols=6, longest=9)",
    "set(symbols=6, longest=9)",
    "union(symbols=6, longest=10)",
    "delete(symbols=6, longest=9)",
    "stack(symbols=9, longest=12)",
    "ww(symbols=2, length=8)",
    "ww(symbols=3, length=6)",
    "dyck(kinds=1, length=20)",
    "dyck(kinds=2, length=16, deepest=3)",
    "dyck(kinds=3, length=30, p_open=0.7)",
    "shuffle_dyck(kinds=2, length=20, deepest=5)",
    "shuffle_dyck(kinds=3, length=30, p_open=0.6, deepest=7)",
    "eca(cells=11, states=4)",
    "haystack(pairs=4, symbols=20)",
    "addition(digits=2)",
    "reversed_addition(digits=2, whole=True)",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_the_program_has_the_floor_of_its_generator(text):
    """What the program lets follow, asked of the interpreter, leaves as much open as what the generator draws."""
    task = read(text)
    assert program_floor(task) == pytest.approx(floor(task), abs=1e-9)


def test_a_program_that_excludes_a_target_has_no_finite_floor():
    """A program of another task says otherwise than the rows, and would never be sure of what comes."""
    task = read("set(symbols=6, longest=9)")
    assert program_floor(task, replace(known(task), program="continue_sort")) == math.inf


def filled(task, count):
    tokens = np.empty((count, task.width), np.uint16)
    span = task.fill(row_keys(stream("floor"), np.arange(count, dtype=np.uint64)), tokens)
    return tokens, *(np.broadcast_to(places, count) for places in span)


@pytest.mark.parametrize(
    "text",
    ["set(symbols=6, longest=5, shortest=2)", "dyck(kinds=2, length=12)", "reverse(symbols=5, longest=4)"],
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_look_alike_has_the_entropy_of_its_chain(text, n):
    """The entropy of a target given the n - 1 tokens before it, from frequencies among 40,000 rows."""
    task = read(f"ngram({text}, n={n})")
    tokens, begin, end = filled(task, 40_000)
    # A row's beginning and places where the chain begins anew are told by the context.
    padded = np.concatenate([np.full((len(tokens), n - 1), 99), tokens], axis=1).astype(int)
    seen = defaultdict(lambda: defaultdict(int))
    for t in range(task.width):
        asked = (t >= begin) & (t < end)
        for context, token in zip(
            map(bytes, padded[asked, t : t + n - 1].astype(np.uint8)), tokens[asked, t]
        ):
            seen[context][int(token)] += 1
    total = sum(sum(after.values()) for after in seen.values())
    entropy = sum(-c * math.log(c / sum(after.values())) for after in seen.values() for c in after.values())
    assert floor(task) == pytest.approx(entropy / total, abs=0.02)
    assert reached(task)


def test_a_shuffled_row_leaves_the_order_of_what_is_left():
    """A row of 1 1 2 2 | in random order, all tokens but the first three to be told: gone through one by one."""
    task = read("shuffled(identity(symbols=6, longest=2))")
    tokens, begin, _ = filled(task, 4000)
    total = 0.0
    for row, first in zip(tokens.tolist(), begin.tolist()):
        for t in range(first, len(row)):
            left = [row[t:].count(token) / len(row[t:]) for token in set(row[t:])]
            total -= sum(share * math.log(share) for share in left)
    assert floor(task) == pytest.approx(total / (4000 * 2), abs=0.01)
    assert not reached(task)


@pytest.mark.parametrize("text", ["shuffled(dyck(kinds=2, length=6))", "shuffled(ww(symbols=3, length=6))"])
def test_no_model_is_below_the_floor_of_shuffled_rows(text):
    """What is not told which tokens a row holds has a greater entropy, but not by much more than they have."""
    task = read(text)
    assert floor(task) < entropy_of_rows(task, 100_000) < floor(task) + 1


def test_a_mixture_has_the_floors_of_its_parts_by_their_targets():
    """7 targets of Dyck, three times as often, beside 5 of ww; sets, which cost nothing, have as many as there are tokens."""
    one, two = read("dyck(kinds=2, length=8)"), read("ww(symbols=5, length=6)")
    mixed = read("apart(3*dyck(kinds=2, length=8) + ww(symbols=5, length=6))")
    assert floor(mixed) == pytest.approx((21 * floor(one) + 5 * floor(two)) / 26)
    assert (
        reached(mixed)
        and not reached(read("set + union"))
        and not reached(read("apart(set + shuffled(set))"))
    )
    assert floor(read("set + union")) == 0
    assert 0 < floor(read("set + shuffled(set)")) < floor(read("shuffled(set)"))


def test_what_is_not_known_is_refused():
    with pytest.raises(InputError, match="more than 4000 states"):
        floor(read("shuffle_dyck(deepest=40)"))
    for text in ("multiplication", "dyck", "eca(rule=30)", "shuffled(set)", "set + union"):
        with pytest.raises(InputError, match="no program"):
            program_floor(read(text))
    with pytest.raises(InputError, match="only tells members"):
        program_floor(read("ww"))
