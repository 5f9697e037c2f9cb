"""Tasks: samples are reproducible, lie within the signature, and have the program's targets."""

import numpy as np
import pytest

from janiform import programs
from janiform.errors import InputError, ProgramError
from janiform.ir.semantics import Signature
from janiform.tasks import from_program, library_task
from janiform.text.rasp import parse


@pytest.mark.parametrize("name", ["sort", "majority", "negation_scope"])
def test_samples_lie_within_the_signature(name):
    """Lengths run from the shortest to the longest, tokens over the whole vocabulary."""
    task = library_task(name, min_len=2, max_len=5)
    inputs, targets = task.sample(np.random.default_rng(0), 200)
    assert {len(x) for x in inputs} == {2, 3, 4, 5}
    assert {t for x in inputs for t in x} == set(task.vocab)
    assert [len(x) for x in inputs] == [len(y) for y in targets]


def test_samples_follow_from_the_generator():
    task = library_task("reverse")
    assert task.sample(np.random.default_rng(1), 5) == task.sample(np.random.default_rng(1), 5)


def test_targets_are_what_the_program_computes():
    """In the direction of the signature: a causal task sees no later token."""
    assert library_task("previous_token").targets([["a", "b"]]) == [[None, "a"]]
    assert library_task("running_mean").targets([[1, 3]]) == [[1, 2]]
    assert library_task("sort").targets([]) == []


def test_faults_are_named():
    task = from_program("double", parse("double = 2 * tokens;"), Signature(range(3), 4))
    with pytest.raises(InputError, match="7"):
        task.targets([[7]])
    with pytest.raises(InputError, match="1 to 10"):
        library_task("sort", min_len=11)
    with pytest.raises(ProgramError, match="2 outputs"):
        from_program("two", parse("a, b = tokens, indices;"), Signature(range(3), 4))


def test_every_library_program_makes_a_task():
    for name in programs.names("behaviors"):
        inputs, targets = library_task(name).sample(np.random.default_rng(0), 2)
        assert len(inputs) == len(targets) == 2
