"""The bound by ranks is what exact compression reaches, and learned widths reach the bound that leaves PAD aside."""

import pytest
import torch

from janiform import programs
from janiform.realistic.least import least_width
from janiform.realistic.narrowing import Narrowing

torch.set_num_threads(1)

SMALL = [("hist", 3, 4), ("frac_prevs", 3, 5), ("reverse", 3, 4), ("sort_unique", 3, 4), ("dyck1", 2, 3)]


@pytest.mark.parametrize(("name", "tokens", "length"), SMALL)
def test_no_stream_less_wide_than_the_exact_one_loses_nothing(name, tokens, length):
    e = programs.entry(name)
    exact = programs.load(name).compile(e.vocab[:tokens], length, e.causal).compress()
    assert least_width(exact, padding=True) == exact.model.config.d_model
    assert least_width(exact) == exact.model.config.d_model - 1


@pytest.mark.parametrize(("name", "tokens", "length"), [SMALL[0], SMALL[3]])
def test_a_stream_without_room_for_padding_keeps_all_variables(name, tokens, length):
    pair = programs.load(name).compile(programs.entry(name).vocab[:tokens], length)
    width = least_width(pair.compress())
    small = pair.compress(width, "autoencoder", settings=Narrowing(starts=4))
    assert small.model.config.d_model == width
    assert small.check().good  # also of inputs that are padded
    assert small.faithfulness(inputs=200).verdict == "right for the right reason"
