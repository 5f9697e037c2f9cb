"""Strict interchange-intervention training: what it reaches, what it keeps, and that it goes on where it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from janiform import Pair, programs
from janiform.errors import InputError
from janiform.realistic.interchange import sites
from janiform.realistic.retrain import Retraining
from janiform.realistic.strict import Layout
from janiform.train.log import read_log

torch.set_num_threads(1)

FEW = Retraining(d_model=16, heads=3, d_mlp=12, steps=4, every=2, batch=8, stock=4)


def counts() -> Pair:
    return programs.load("hist").compile("ab", 2)


@pytest.mark.slow
def test_a_trained_model_has_the_mechanism(tmp_path):
    settings = Retraining(d_model=32, d_mlp=64, steps=2_000, rate=5e-3, batch=48)
    found = programs.load("hist").compile("abc", 4).retrain(settings, out=tmp_path)
    last = read_log(tmp_path / "log.jsonl")[-1]
    assert min(last["behavior"], last["interchange"], last["strict"]) >= 0.995
    assert last["step"] < settings.steps
    judged = found.faithfulness(inputs=300)
    assert judged.verdict == "right for the right reason", judged


def test_the_correspondence_is_kept(tmp_path):
    pair = counts()
    found = pair.retrain(FEW)
    config = found.model.config
    assert (config.act_fn, config.d_model, config.n_heads, config.d_mlp) == ("gelu", 16, 3, 12)
    assert found.layout == "retrained" and found.origin.pair is pair
    assert [s.name for s in sites(found)] == [s.name for s in sites(pair)]
    mine = {(w, r) for w, r in ((e.writer, e.reader) for e in found.circuit().edges)}
    assert mine == {(e.writer, e.reader) for e in pair.circuit().edges}
    place = next(p for p in found.places if p.kind == "mlp" and p.dims)
    assert found.subspace(place).write.shape == (len(place.dims), 16)
    found.save(tmp_path / "found.safetensors")
    again = Pair.load(tmp_path / "found.safetensors")
    assert again("ab") == found("ab") and again.places == found.places
    assert again.faithfulness(inputs=20).verdict == found.faithfulness(inputs=20).verdict


def test_variables_share_nothing_and_leave_something():
    pair = programs.load("shuffle_dyck1").compile("()", 3)
    layout = Layout.of(pair, 16, 4, 40)
    held = [
        (name, i)
        for s in sites(replace(pair, places=layout.places))
        for name, part in s.points
        for i in part or ()
    ]
    spare = [(name, i) for s in layout.idle for name, part in s.points for i in part]
    assert len(set(held)) == len(held) and not set(held) & set(spare)
    layers = layout.config.n_layers
    assert len(held) + len(spare) == layers * (layout.config.n_heads + layout.config.d_mlp)


def test_a_training_that_was_stopped_goes_on_to_the_same_end(tmp_path):
    whole = counts().retrain(FEW, out=tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        assert total == FEW.steps
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counts().retrain(FEW, out=tmp_path / "cut", tell=stop)
    resumed = counts().retrain(FEW, out=tmp_path / "cut")
    for name, w in whole.model.weights().items():
        assert np.array_equal(w, resumed.model.weights()[name])
    assert [line["step"] for line in read_log(tmp_path / "cut" / "log.jsonl")] == [2, 4]
    done = counts().retrain(FEW, out=tmp_path / "cut", tell=stop)  # there is nothing left to tell
    assert np.array_equal(done.model.weights()["embed.W_E"], whole.model.weights()["embed.W_E"])
    with pytest.raises(InputError, match="other seed"):
        counts().retrain(replace(FEW, seed=1), out=tmp_path / "cut")


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="a plain pair is retrained"):
        counts().disguise().retrain(FEW)
    for wrong in ({"steps": 0}, {"stock": 0}, {"rate": -1.0}, {"rate": float("nan")}, {"seed": -1}):
        with pytest.raises(InputError, match=f"{[*wrong][0]}.* must be"):
            Retraining(**wrong)
    with pytest.raises(InputError, match="layer 0 needs 2 hidden units or more,.* got d_mlp=1"):
        counts().retrain(replace(FEW, d_mlp=1))
