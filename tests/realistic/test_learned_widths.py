"""Learned compression: it says what it is, goes on where it was stopped, and exact widths stay exact."""

import numpy as np
import pytest
import torch

from janiform import Pair, programs
from janiform.errors import FileError, InputError
from janiform.realistic.exact import narrowest
from janiform.realistic.narrowing import Narrowing
from janiform.train.log import read_log

torch.set_num_threads(1)

LITTLE = Narrowing(starts=2, forced=3, free=3, polish=3, rounds=1, answers=4, batch=8)


def averages() -> Pair:
    return programs.load("frac_prevs").compile(range(2), 3)


@pytest.mark.parametrize("method", ["orthogonal", "linear", "autoencoder"])
def test_a_learned_width_is_right_for_the_right_reason(method, tmp_path):
    pair = averages()
    small = pair.compress(narrowest(pair) - 1, method, settings=Narrowing(starts=4))
    assert small.model.config.d_model < narrowest(pair)
    found = small.faithfulness(inputs=200)
    assert found.verdict == "right for the right reason", found
    assert small.layout == method and small.origin.pair is pair
    assert [p.name for p in small.places] == [p.name for p in pair.places]
    assert (
        small.basis is not None and not small.basis.exact
    )  # more coordinates than dimensions: they interfere
    small.save(tmp_path / "small.safetensors")
    again = Pair.load(tmp_path / "small.safetensors")
    assert again([1, 0, 1]) == small([1, 0, 1]) == pair([1, 0, 1])
    assert again.faithfulness(inputs=50).faithful


def test_only_the_stream_changes():
    """Heads and units are those of the compiled model: what is learned is how they read the stream and write to it."""
    pair = averages()
    small = pair.compress(narrowest(pair) - 1, "autoencoder", settings=LITTLE)
    one, other = pair.model.config, small.model.config
    assert (one.n_heads, one.d_head, one.d_mlp) == (other.n_heads, other.d_head, other.d_mlp)
    assert np.linalg.matrix_rank(small.basis.write @ small.basis.read) <= other.d_model


def test_too_narrow_a_width_is_called_what_it_is():
    pair = programs.load("hist").compile("ab", 2)
    found = pair.compress(1, "linear", settings=LITTLE).faithfulness(inputs=100)
    assert not found.faithful
    assert found.verdict == "wrong" or found.verdict.startswith("right for the wrong reason: ")


def test_where_faithfulness_cannot_be_had_answers_are_taught():
    """At three below the exact width variables are lost; answers need not be, and the verdict says which."""
    pair, spent = averages(), {"starts": 6, "forced": 4, "free": 4, "polish": 4, "rounds": 1, "batch": 16}
    hardly, taught = (
        pair.compress(narrowest(pair) - 3, "linear", settings=Narrowing(**spent, answers=steps)).faithfulness(
            inputs=200
        )
        for steps in (1, 16)
    )
    assert hardly.outputs < 0.9 and hardly.verdict == "wrong"
    assert taught.outputs >= 0.99 and taught.verdict.startswith("right for the wrong reason: ")


def test_where_nothing_need_be_lost_nothing_is():
    pair = averages()
    small = pair.compress(narrowest(pair), "orthogonal")
    assert small.layout == "exact" and small.check().good
    assert pair.compress().model.config.d_model == narrowest(pair)


def test_a_learning_that_was_stopped_goes_on_to_the_same_end(tmp_path):
    pair, told = averages(), []
    width = narrowest(pair) - 3
    whole = pair.compress(width, "linear", settings=LITTLE, out=tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair.compress(width, "linear", settings=LITTLE, out=tmp_path / "cut", tell=stop)
    assert told == sorted(told) and told[-1][0] < told[-1][1]
    resumed = pair.compress(width, "linear", settings=LITTLE, out=tmp_path / "cut")
    for name, w in whole.model.weights().items():
        assert np.array_equal(w, resumed.model.weights()[name])
    widths = [line["width"] for line in read_log(tmp_path / "cut" / "log.jsonl")]
    assert widths == list(range(widths[0], width - 1, -1))
    # The folder is that of a path down: it goes on to less, not back, and to nothing else.
    pair.compress(width - 1, "linear", settings=LITTLE, out=tmp_path / "cut")
    with pytest.raises(InputError, match=f"at a width of {width - 1} already"):
        pair.compress(width, "linear", settings=LITTLE, out=tmp_path / "cut")
    with pytest.raises(InputError, match="other method"):
        pair.compress(width - 1, "orthogonal", settings=LITTLE, out=tmp_path / "cut")


def test_what_cannot_be_is_refused(tmp_path):
    pair = averages()
    with pytest.raises(
        InputError, match="method must be exact, orthogonal, linear or autoencoder, got 'pca'"
    ):
        pair.compress(4, "pca")
    with pytest.raises(InputError, match="needs a width of 1 or more"):
        pair.compress(method="linear")
    with pytest.raises(InputError, match="compressed or disguised already"):
        pair.compress().compress(3, "linear")
    for wrong in ({"starts": 0}, {"seed": -1}):
        with pytest.raises(InputError, match=f"{[*wrong][0]} must be"):
            Narrowing(**wrong)
    with pytest.raises(InputError, match="a width of 1 or more, got d_model=-3"):
        pair.compress(-3)
    (tmp_path / "config.json").write_text("no")
    with pytest.raises(FileError, match="describes no learning"):
        pair.compress(4, "linear", out=tmp_path)
    with pytest.raises(FileError, match="cannot be the folder of a learning"):
        pair.compress(4, "linear", out=tmp_path / "config.json")
