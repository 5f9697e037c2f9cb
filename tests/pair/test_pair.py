"""The pair: law 2 on hand-made weights, at any length and padding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from handmade import ALL, fraction, identity, previous

import janiform
from janiform.errors import InputError
from janiform.ir.evaluate import evaluate
from janiform.pair import Pair


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_pair_computes_what_its_program_means(make, length):
    pair = make()
    inputs = [[pair.signature.vocab[(i + k) % 2] for i in range(length)] for k in range(3)]
    assert pair.run(inputs) == evaluate(pair.program, inputs, signature=pair.signature)


@pytest.mark.parametrize("make", ALL)
def test_padding_changes_nothing(make):
    pair = make()
    for pad_to in (2, 3):
        logits = pair.model(pair.encode("ab", "ba", pad_to=pad_to))
        assert pair.decode(logits, [2, 2]) == pair.run(["ab", "ba"])


def test_inputs_of_different_lengths_go_together():
    assert previous().run(["abc", "", "b", "cab"])["prev"] == [[None, "a", "b"], [], [None], [None, "c", "a"]]


def test_a_string_comes_back_as_a_string_where_it_can():
    assert identity()("cab") == "cab"
    assert identity()(["c", "a"]) == ["c", "a"]
    assert identity()("") == ""
    assert previous()("cab") == [None, "c", "a"]


def test_numbers_are_decoded_to_values():
    assert fraction()("abab") == [1, 0.5, pytest.approx(2 / 3), 0.5]


def test_tokens_of_other_kinds():
    pair = identity(vocab=[1, 2.5, True, "one"])
    assert pair([1.0, 2.5, True, "one"]) == [1, 2.5, True, "one"]
    assert [type(v) for v in pair([1, True])] == [int, bool]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("abd", "token 'd' at position 2 is not in the vocabulary"),
        ("abcab", "5 tokens exceed the maximum length of 4"),
        (["a", None], "token None at position 1"),
        ([["a"]], "at position 0"),
        (3, "a string or a list of tokens, got int 3"),
    ],
)
def test_inputs_outside_the_signature_are_refused(tokens, message):
    with pytest.raises(InputError, match=message):
        identity()(tokens)


def test_a_number_given_as_text_is_explained():
    with pytest.raises(InputError, match="did you mean 1, in a list"):
        identity(vocab=[1, 2])("12")


def test_padding_beyond_the_context_is_refused():
    with pytest.raises(InputError, match="from 2 .* to 4, got 5"):
        identity().encode("ab", pad_to=5)


def test_encode_gives_what_the_model_takes():
    pair = previous()
    ids = pair.encode("cab")
    assert ids.tolist() == [[3, 2, 0, 1]] and ids.dtype == torch.int64
    logits, cache = pair.model.run_with_cache(ids)
    assert pair.decode(logits) == {"prev": [[None, "c", "a"]]}
    assert cache["blocks.0.attn.hook_pattern"][0, 0].argmax(-1).tolist()[1:] == [0, 1, 2]


def test_large_batches_are_split(monkeypatch):
    pair = identity()
    monkeypatch.setattr("janiform.pair.pair._BUDGET", 100)
    assert pair.run(["abc", "cb", "a", "bbbb"])["copy"] == [list("abc"), list("cb"), ["a"], list("bbbb")]
    assert pair.run([]) == {"copy": []}


def test_show_names_every_node_and_its_place():
    text = previous().show()
    assert "head 0" in text and "prev" in text and "dims 0-2" in text and "undefined, a, b, c" in text
    assert "folded" in text and "select(indices, indices, key == query - 1)" in text
    assert previous().facts()["layers"] == 1
    assert len(previous().data()["places"]) == 4


def test_a_saved_pair_gives_the_same_in_a_fresh_process(tmp_path):
    path = tmp_path / "prev.safetensors"
    pair = previous()
    pair.save(path)
    script = "import sys; from janiform.pair import load; print(load(sys.argv[1])('cabb'))"
    source = str(Path(janiform.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert run.stdout.strip() == str(pair("cabb")), run.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("make", ALL)
def test_a_pair_is_exact_on_a_gpu(make):
    pair = make()
    pair.model.cuda()
    assert pair.check().good


def test_the_class_is_public():
    assert janiform.Pair is Pair
