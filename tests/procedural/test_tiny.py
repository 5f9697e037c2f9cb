"""Tiny trainings: they learn, they follow from their settings, and seeds run as processes."""

import shutil

import numpy as np
import pytest
import torch

from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.procedural import Budget, pinned, tiny, train
from janiform.tasks.procedural import read, rows
from janiform.train import sweep


def small(task, seed=0) -> Transformer:
    model = Transformer(Config.gpt2(2, 4, 16, vocab=task.d_vocab, positions=task.width), seed=None)
    model.initialize(seed, 0.02)
    return model


def test_a_copy_is_learned_and_the_model_itself_gives_it():
    """Identity at length 4: validation accuracy above 0.95, by the trained loop and by the model's own forward pass."""
    task = read("identity(symbols=6, longest=4)")
    model = small(task)
    curve = train(
        model, task, Budget(steps=900, batch=64, warmup=50, rate=1e-2, every=100, held=500, enough=0.98)
    )
    assert curve[0].accuracy < 0.4 and curve[-1].accuracy > 0.95
    held = rows(task, 0, 500, split="validation")
    with torch.no_grad():
        answers = model(torch.from_numpy(held.tokens[:, :-1].astype(np.int64))).argmax(-1).numpy()
    right = answers[:, 4:] == held.tokens[:, 5:]
    assert abs(right.mean() - curve[-1].accuracy) < 0.002


def test_a_training_follows_from_its_settings():
    """The same model and budget give the same weights, bit by bit; another seed gives others."""
    task = read("set(symbols=6, longest=4, shortest=2)")
    made = []
    for seed in (3, 3, 4):
        model = small(task)
        train(model, task, Budget(steps=25, batch=32, warmup=5, every=25, held=50, seed=seed))
        made.append(model.weights())
    assert all((made[0][n] == made[1][n]).all() for n in made[0])
    assert any((made[0][n] != made[2][n]).any() for n in made[0])


def test_training_ends_when_it_is_enough():
    """Two validations in a row at the accuracy asked for end it; progress is told of until then."""
    task, told = read("identity(symbols=5, longest=4, shortest=1)"), []
    budget = Budget(steps=400, batch=16, warmup=1, every=20, held=20, enough=0.5)
    curve = train(small(task), task, budget, tell=lambda done, total: told.append((done, total)))
    assert curve[-1].step < 400 and min(p.accuracy for p in curve[-2:]) >= 0.5
    assert told == [(i + 1, 400) for i in range(curve[-1].step)]


@pytest.mark.slow
def test_seeds_run_as_processes(tmp_path):
    """A sweep over seeds gives what each gives alone."""
    settings = [
        {"task": "sort(symbols=4, longest=3)", "steps": 10, "held": 50, "batch": 16, "seed": s}
        for s in range(2)
    ]
    runs = sweep(tiny, settings, tmp_path, workers=2, progress=False)

    def curve(found):
        return [(p["step"], p["loss"], p["accuracy"]) for p in found["curve"]]

    assert [curve(r["result"]) for r in runs] == [curve(tiny(s)) for s in settings]


def test_a_sweep_does_a_run_again_when_its_source_has_changed(tmp_path):
    """Settings name the weights that are taken by a hash: the same path with another model is another run."""
    quick = {"task": "sort(symbols=4, longest=3)", "steps": 4, "held": 20, "batch": 4}
    old, found = str(tmp_path / "old"), []
    for seed in (1, 1, 2):
        shutil.rmtree(old, ignore_errors=True)
        tiny(quick | {"seed": seed, "out": old})
        settings = pinned(quick | {"take": [f"full={old}"], "embeddings": "keep"})
        found += sweep(tiny, [settings], tmp_path / "runs", executor="serial")
    assert len(list((tmp_path / "runs" / "runs").glob("*.json"))) == 2
    losses = [run["result"]["curve"][0]["loss"] for run in found]
    assert losses[0] == losses[1] != losses[2]


def test_a_folder_of_other_settings_is_refused(tmp_path):
    """What is there is gone on with, and not taken for something else."""
    quick = {
        "task": "sort(symbols=4, longest=3)",
        "steps": 4,
        "held": 20,
        "batch": 4,
        "out": str(tmp_path / "run"),
    }
    assert tiny(quick)["curve"] == tiny(quick)["curve"]
    with pytest.raises(InputError, match="holds a training with other settings"):
        tiny(quick | {"steps": 5})


def test_rates_rise_and_fall():
    budget = Budget(steps=10, warmup=4, rate=0.1)
    rates = [budget.rate_at(s) for s in range(10)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1]) and rates[4] == 0.1
    assert rates[4:] == sorted(rates[4:], reverse=True) and rates[-1] < 0.01


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Budget(steps=0), "steps must be 1 or more"),
        (lambda: Budget(rate=-1), "rate and clip are positive"),
        (lambda: tiny({"task": "set", "stepps": 3}), "unknown settings stepps; there are task, alike"),
    ],
)
def test_settings_without_meaning_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
