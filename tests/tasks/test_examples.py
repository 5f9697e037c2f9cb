"""Examples and data: codes stand for tokens, and what is taken or deduplicated keeps its target."""

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.ir.semantics import Signature
from janiform.tasks import Data, Examples
from janiform.tasks.examples import encode


def some(x, y=None):
    return Examples(np.array(x), np.array(x if y is None else y))


def test_shapes_of_targets_are_those_of_inputs_or_one_each():
    assert some([[1, 2], [3, 4]], [1, 2]).y.shape == (2,)
    with pytest.raises(InputError, match=r"\(2, 2\).*got \(3,\)"):
        some([[1, 2], [3, 4]], [1, 2, 3])


def test_distinct_keeps_the_first_of_each_input():
    found = some([[2, 0], [1, -1], [2, 0], [1, 0]], [7, 8, 9, 10]).distinct()
    assert (found.x.tolist(), found.y.tolist()) == ([[2, 0], [1, -1], [1, 0]], [7, 8, 10])


def test_taking_keeps_inputs_and_targets_together():
    e = some([[1], [2], [3]])
    assert e.take(slice(1, 3)).y.tolist() == e.take([1, 2]).x.tolist() == [[2], [3]]
    assert e.take(np.array([True, False, True])).x.tolist() == [[1], [3]]


def test_encoding_and_decoding_are_inverse():
    signature = Signature(["b", "a", 3], 4)
    data = Data("any", signature, ("a",), False, *[some([[0]])] * 3)
    inputs = [["a", "b", 3], [], ["b", "b", "b", "b"]]
    assert data.decode(data.encode(inputs)) == inputs
    assert data.encode(inputs).dtype == np.int16


def test_what_has_no_code_is_refused_or_unknown():
    with pytest.raises(InputError, match="'z' at position 1"):
        encode(Signature("ab", 3), ["az"])
    with pytest.raises(InputError, match="4 tokens"):
        encode(Signature("ab", 3), ["abab"])
    known = Signature(["a", "<unk>"], 2)
    assert encode(known, ["az"]).tolist() == [[1, 0]]
    with pytest.raises(InputError, match="3 tokens"):
        encode(known, ["azz"])
