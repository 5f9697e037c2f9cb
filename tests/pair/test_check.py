"""Checking: the whole domain where it can be listed, corners of it elsewhere, and every fault is found."""

import numpy as np
import pytest
import torch
from handmade import ALL, fraction, identity, pair_of, previous

from janiform.compile.result import Bound, Readout
from janiform.ir.functions import Lit
from janiform.ir.nodes import Aggregate, Select, Tokens
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.pair import Pair
from janiform.pair.check import Margin
from janiform.pair.inputs import count, drawn, everything


@pytest.mark.parametrize("make", ALL)
def test_right_weights_pass_on_every_input(make):
    report = make().check()
    assert report.good and report.exhaustive and report.checked == report.domain == count(make().signature)
    assert "all " in str(report) and "no mismatch" in str(report)


@pytest.mark.parametrize("make", ALL)
def test_right_weights_pass_on_drawn_inputs(make):
    report = make(max_len=30).check(draws=300)
    assert report.good and not report.exhaustive and report.checked == 300
    assert "300 drawn inputs (of " in str(report)


def test_observed_errors_stand_beside_the_bound():
    for make in (fraction, previous):
        report = make().check()
        assert 0 <= report.error < 1e-6
        assert f"observed error {report.error:.1e}, bound 1.0e-05, margin 0.25" in str(report)


def test_an_error_is_a_share_of_the_margin():
    """A class that leads by 0.9 where it can lead by 1 has lost a tenth of its lead."""
    margin = Margin(Readout("x", "category", 0, 2, ("a", "b")))
    margin.add(np.array([[1.0, 0.0], [0.9, 0.0]]), np.array([0, 0]))
    assert margin.share() == pytest.approx(0.1)
    margin = Margin(Readout("x", "number", 0, 1, (0, 0.5, 1)))
    margin.add(np.array([[0.5], [0.75]]), np.array([1, 2]))
    assert margin.share() == 1.0


def broken(pair: Pair, name: str, index: tuple, value: float) -> Pair:
    with torch.no_grad():
        dict(pair.model.named_parameters())[name][index] = value
    return pair


def test_one_wrong_weight_is_found_with_the_first_input_that_shows_it():
    report = broken(previous(), "unembed.W_U", (-1, -1), 0.0).check()
    assert not report.good and report.mismatches > 0
    assert report.counterexample.input == ("c", "a")
    assert "expected [None, 'c'], got [None, None]" in str(report)


def test_attention_to_padding_is_found():
    """A head that also attends to PAD is right only on inputs that fill the context."""
    pair = fraction()
    with torch.no_grad():
        pair.model.blocks[0].attn.causal = False
    assert not pair.check().good


def test_a_value_that_no_class_stands_for_is_a_mismatch():
    pair = identity()
    other = Pair(
        Program({"copy": Aggregate(Select(Lit(False), Tokens(), Tokens()), Tokens(), "x")}),
        *list(vars(pair).values())[1:7],
    )
    report = other.check()
    assert report.mismatches == report.checked and report.counterexample.expected == ("x",)


def test_inputs_without_meaning_are_counted_apart():
    """The first of several different tokens is no average of them; where all are equal it is."""
    average = Program({"copy": Aggregate(Select(Lit(True), Tokens(), Tokens()), Tokens())})
    pair = identity(max_len=3)
    report = Pair(average, *list(vars(pair).values())[1:7]).check()
    assert (report.checked, report.refused, report.mismatches) == (39, 30, 0)
    assert report.good and "30 of them have no meaning" in str(report)


def test_everything_is_every_input_once():
    signature = Signature("abc", 4)
    seen = [tuple(row) for batch in everything(signature, 7) for row in batch.tolist()]
    assert len(seen) == len(set(seen)) == count(signature) == 3 + 9 + 27 + 81
    assert max(map(len, seen)) == 4


@pytest.mark.parametrize(
    ("vocab", "max_len", "draws"), [("abcd", 50, 2000), ("ab", 1, 100), (range(30), 100, 1000)]
)
def test_a_draw_looks_into_the_corners(vocab, max_len, draws):
    signature = Signature(vocab, max_len)
    rows = [row for batch in drawn(signature, draws, 64, seed=0) for row in batch]
    assert len(rows) == draws
    assert {len(r) for r in rows} == set(range(1, max_len + 1))
    longest = [r for r in rows if len(r) == max_len]
    assert len(longest) >= draws / 15
    if max_len > 1:
        assert any((np.diff(r) >= 0).all() and r[0] < r[-1] for r in longest)
        assert any((np.diff(r) <= 0).all() and r[0] > r[-1] for r in longest)
        assert {r[0] for r in rows if (r == r[0]).all()} == set(range(len(signature.vocab)))


def test_the_seed_decides_the_draw():
    def draw(seed):
        return [b.tolist() for b in drawn(Signature("abc", 20), 100, 1000, seed=seed)]

    assert draw(0) == draw(0) != draw(1)


def test_progress_is_told():
    told = []
    previous().check(tick=lambda done, total: told.append((done, total)))
    assert told[-1] == (120, 120) and told == sorted(told)


def test_a_report_is_plain_data():
    import json

    data = identity(max_len=1000).check(draws=3).data()
    assert json.loads(json.dumps(data))["domain"].endswith("e477")
    assert Bound(1.0, 0.5, "float32").exact is False


def test_pair_of_makes_pairs_with_their_own_bound():
    pair = identity()
    again = pair_of(
        pair.program,
        pair.signature,
        pair.model.config.to_dict(),
        pair.model.weights(),
        pair.readouts,
        bound=Bound(0.0, 0.5, "float32"),
    )
    assert again.check().bound.error == 0.0
