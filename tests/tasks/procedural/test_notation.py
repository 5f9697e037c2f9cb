"""A task's text: what is written is read back, and what is no task is refused with what would be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janiform.errors import InputError
from janiform.tasks.procedural import (
    PROCEDURES,
    Arithmetic,
    CellularAutomaton,
    Dyck,
    Haystack,
    Mixture,
    NGram,
    Shuffled,
    ShuffleDyck,
    Transduction,
    Twice,
    read,
    write,
)

PLAIN = st.one_of(
    st.builds(
        Transduction,
        st.sampled_from(["identity", "reverse", "sort", "set", "union", "delete", "stack"]),
        st.integers(2, 300),
        st.integers(20, 90),
        st.none() | st.integers(2, 20),
    ),
    st.builds(
        Dyck,
        st.integers(1, 99),
        st.integers(1, 99).map(lambda n: 2 * n),
        st.floats(0.01, 0.99),
        st.none() | st.integers(1, 9),
    ),
    st.builds(ShuffleDyck, st.integers(1, 99), st.integers(2, 99), st.floats(0.01, 0.99), st.integers(1, 9)),
    st.builds(CellularAutomaton, st.integers(0, 255), st.integers(1, 99), st.integers(2, 9)),
    st.builds(Haystack, st.integers(1, 9), st.integers(20, 99).map(lambda n: 2 * n)),
    st.builds(
        Arithmetic, st.sampled_from(["addition", "reversed_addition", "multiplication"]), st.integers(1, 9)
    ),
    st.builds(Twice, st.integers(1, 99), st.integers(1, 99).map(lambda n: 2 * n)),
)


def mixtures(tasks):
    """Mixtures whose parts keep apart, and of the same task twice."""
    ratios = st.one_of(st.integers(1, 9), st.floats(0.01, 9))
    several = st.lists(st.tuples(tasks, ratios), min_size=1, max_size=3)
    apart = several.map(lambda pairs: Mixture(*zip(*pairs), apart=True))
    return apart | st.tuples(tasks, ratios).map(lambda p: Mixture((p[0], p[0]), (p[1], 1)))


TASKS = st.one_of(
    PLAIN,
    PLAIN.map(Shuffled),
    st.builds(NGram, PLAIN, st.integers(1, 3), st.just(2**20)),
    mixtures(PLAIN),
    mixtures(PLAIN.map(Shuffled)),
    mixtures(PLAIN).map(Shuffled),
)


@given(TASKS)
def test_what_is_written_is_read_back(task):
    again = read(write(task))
    assert again == task and repr(again) == repr(task)


@given(TASKS)
def test_a_repr_constructs_the_task(task):
    names = {
        c.__name__: c
        for c in (
            Transduction,
            Dyck,
            ShuffleDyck,
            CellularAutomaton,
            Haystack,
            Arithmetic,
            Twice,
            Mixture,
            NGram,
            Shuffled,
        )
    }
    assert eval(repr(task), names) == task


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_name_alone_is_the_published_task(name):
    assert write(read(name)) == name and write(read(f"{name}()")) == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sett", r"no procedural task is called 'sett' \(set\?\)"),
        ("set(", "'set\\(' is no task; write set, dyck"),
        ("", "is no task"),
        ("set(100)", "is no task"),
        ("set(symbols=2**9)", r"symbols of set is of type int; got symbols=2 \*\* 9"),
        ("set(symbols='a')", "of type int; got symbols='a'"),
        ("set(**x)", r"got \*\*x"),
        ("set(length=3)", "set takes symbols, longest, shortest; got length=3"),
        ("set(symbols=1.5)", "of type int; got symbols=1.5"),
        ("set(symbols=True)", "of type int"),
        ("ngram(set, n=None)", "of type int"),
        ("dyck(p_open=1)", "of type float"),
        ("shuffled(set, task=2)", "shuffled takes no settings; got"),
        ("shuffled()", "is no task"),
        ("set * 3", "is no task"),
        ("set - union", "is no task"),
        ("0*set + union", "positive numbers"),
        ("set + dyck", "tasks that share their tokens .* got 102 .* 129"),
        ("__import__('os')", "is no task|no procedural task"),
        ("(" * 500 + "set" + ")" * 500, "is no task"),
    ],
)
def test_other_texts_are_refused(text, says):
    with pytest.raises(InputError, match=says):
        read(text)
