"""A training in a folder: it survives kill -9, divides among processes, and is read by Hugging Face."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from janiform.errors import FileError, InputError
from janiform.model import Transformer, read_model
from janiform.model.gpt2_folder import write_gpt2
from janiform.procedural.runs import resume, run
from janiform.procedural.training import Training
from janiform.tasks.procedural import read, rows
from janiform.train import read_log

TASK = "set(symbols=9, longest=5, shortest=2)"
SMALL = {"steps": 12, "batch": 8, "warmup": 3, "every": 5, "held": 40}


def training(**changed) -> Training:
    budget = SMALL | changed.pop("budget", {})
    return Training.of({"task": TASK, **changed, "budget": budget})


def same(one: Transformer, other: Transformer) -> bool:
    return all((w == other.weights()[n]).all() for n, w in one.weights().items())


def test_a_folder_says_what_was_done(tmp_path):
    trained = run(training(), tmp_path / "run")
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        *("config.json", "log.jsonl", "model", "result.json", "state.safetensors")
    }
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert [line["step"] for line in lines] == [p.step for p in trained.curve] == [0, 5, 10, 12]
    assert [line["tokens"] for line in lines] == [step * 8 * 11 for step in (0, 5, 10, 12)]
    assert lines[0]["loss"] is None and all(line["loss"] > 1 for line in lines[1:])
    assert [line["held_loss"] for line in lines] == [p.loss for p in trained.curve]
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == trained.facts()
    assert same(read_model(tmp_path / "run" / "model"), trained.model)


@pytest.mark.parametrize("how", [{}, {"way": "autograd", "accumulate": 2, "precision": "bfloat16"}])
@pytest.mark.parametrize("untied", [False, True])
def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path, how, untied):
    """Interrupted between two validations; the source of its first weights is gone by then."""
    write_gpt2(run(training(budget={"seed": 5})).model, tmp_path / "old")
    plan = training(take=[str(tmp_path / "old")], freeze=["ln1"], untied=untied, **how)
    whole = run(plan)

    def stop(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path / "run", tell=stop)
    (tmp_path / "old" / "model.safetensors").unlink()
    found = resume(tmp_path / "run")
    assert same(found.model, whole.model) and found.taken == whole.taken
    assert [(p.step, p.loss) for p in found.curve] == [(p.step, p.loss) for p in whole.curve]
    assert [line["step"] for line in read_log(tmp_path / "run" / "log.jsonl")] == [0, 5, 10, 12]
    assert same(resume(tmp_path / "run").model, whole.model)  # it has ended, and stays as it is


def test_a_source_that_has_changed_is_noticed(tmp_path):
    """The hash of the weights that a training takes is kept with it: other weights at that path are an error that says so."""
    old, folder = tmp_path / "old", tmp_path / "run"
    run(training(budget={"seed": 5}), old)
    plan = training(take=[f"attention={old}"])
    whole = run(plan, folder)
    (kept,) = json.loads((folder / "config.json").read_text())["sources"]
    assert plan.pinned().sources == (kept,) == plan.pinned().pinned().sources and len(kept) == 16
    assert same(resume(folder).model, whole.model)
    shutil.rmtree(old)
    assert same(resume(folder).model, whole.model)  # it is not needed any more
    run(training(budget={"seed": 6}), old)
    with pytest.raises(
        InputError, match=f"{old} is not the model that this training began with: its weights were {kept}"
    ):
        resume(folder)
    assert plan.pinned().sources != (kept,)
    with pytest.raises(InputError, match="put them back, or begin anew"):
        run(training(take=plan.take, sources=[kept]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_it_is_resumed_after_kill_9(tmp_path):
    """The command line, killed at some moment after its first validations, gone on with, and beside one that was not killed."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    janiform = [sys.executable, "-m", "janiform", "finetune"]
    options = {"steps": 600, "batch": 16, "warmup": 3, "every": 40, "held": 40, "rate": 5e-3, "decay": 1e-3}
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("")
    words = [*janiform, TASK, *(w for name, value in options.items() for w in (f"--{name}", str(value)))]
    words += ["--recipe", str(recipe), "--out"]
    process = subprocess.Popen([*words, str(folder)])
    try:
        ends = time.monotonic() + 400  # a busy machine takes long to compile
        while len(read_log(folder / "log.jsonl")) < 4 and time.monotonic() < ends:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = len(read_log(folder / "log.jsonl"))
    assert 4 <= before < 16 and not (folder / "result.json").exists()
    for rest in ([*janiform, "--resume", str(folder)], [*words, str(whole)]):
        subprocess.run(rest, check=True, capture_output=True, timeout=300)
    assert same(read_model(folder / "model"), read_model(whole / "model"))
    steps = [[line["step"] for line in read_log(f / "log.jsonl")] for f in (folder, whole)]
    assert steps[0] == steps[1] == [*range(0, 601, 40)]


def test_two_processes_learn_what_one_does(tmp_path):
    """torchrun and accelerate: gradients are added up over processes and pieces, and one of them writes."""
    pytest.importorskip("accelerate", reason="accelerate is absent")
    settings = tmp_path / "recipe.json"
    plan = training(way="autograd", accumulate=2)
    settings.write_text(json.dumps({k: v for k, v in plan.data().items() if k != "task"}))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "janiform", "finetune", TASK, "--recipe", str(settings), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*torchrun, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = run(plan), read_model(tmp_path / "run" / "model")
    for name, w in one.model.weights().items():
        np.testing.assert_allclose(two.weights()[name], w, rtol=1e-3, atol=1e-5)
    lines = read_log(tmp_path / "run" / "log.jsonl")
    assert [line["step"] for line in lines] == [0, 5, 10, 12]
    for line, point in zip(lines, one.curve):
        assert line["held_loss"] == pytest.approx(point.loss, rel=1e-4)


def test_hugging_face_reads_a_run_and_we_read_theirs(tmp_path):
    """The folder of a run gives GPT2LMHeadModel the same logits; a model that it saves is warmed up further here."""
    transformers = pytest.importorskip("transformers", reason="transformers is absent")
    trained = run(training(), tmp_path / "run")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "run" / "model")
    tokens = torch.from_numpy(rows(read(TASK), 0, 4).tokens.astype(np.int64))
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, trained.model(tokens), rtol=1e-4, atol=1e-4)
    theirs.save_pretrained(tmp_path / "theirs")
    again = run(training(take=[f"full={tmp_path / 'theirs'}"], embeddings="keep", budget={"steps": 1}))
    assert again.curve[0].loss == pytest.approx(trained.curve[-1].loss, rel=1e-5)


def test_a_warmed_up_model_begins_where_the_warm_up_ended(tmp_path):
    """Full transfer with embeddings kept is the same model; a mixture takes each part from its own run."""
    for seed in (1, 2):
        run(training(budget={"seed": seed}), tmp_path / f"run{seed}")
    mixed = training(
        take=[f"attention={tmp_path / 'run1'}", f"mlp={tmp_path / 'run2'}"],
        freeze=["attention", "mlp"],
        budget={"steps": 2},
    )
    weights = run(mixed).model.weights()
    one, two = (read_model(tmp_path / f"run{seed}" / "model").weights() for seed in (1, 2))
    for name, w in weights.items():
        if ".attn." in name or ".mlp." in name:
            assert (w == (one if ".attn." in name else two)[name]).all()


def test_parts_are_trained_at_lower_rates():
    """AdamW's first step moves a weight by the rate: a hundredth of it where the rate is a hundredth."""
    budget = {"steps": 1, "warmup": 0, "decay": 0.0}
    begun = run(training(budget=budget | {"rate": 1e-30})).model.weights()
    found = run(training(slower=["attention+ln1=0.1", "blocks.1.attn=0.01"], budget=budget)).model.weights()
    moved = {name: abs(found[name] - w).max().item() for name, w in begun.items()}
    assert moved["blocks.0.mlp.W_in"] == pytest.approx(5e-3, rel=0.01)
    assert moved["blocks.0.attn.W_V"] == pytest.approx(5e-4, rel=0.01)
    assert moved["blocks.1.attn.W_V"] == pytest.approx(5e-5, rel=0.01)


def test_it_ends_after_it_is_enough_and_has_cooled_down():
    budget = {"steps": 60, "every": 5, "enough": 0.01, "cooldown": 7, "schedule": "constant"}
    trained = run(training(budget=budget))
    assert [p.step for p in trained.curve] == [0, 5, 10, 12]  # twice at 5, and 7 steps more


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"context": 9}, "rows of 11 tokens take 10 positions or more, not 9"),
        ({"freeze": ["heads"]}, "no weights called 'heads'"),
        ({"slower": ["attention=2"]}, "'attention=2' is no part with a factor above 0, at most 1"),
        ({"slower": ["attention"]}, "'attention' is no part with a factor"),
        ({"take": ["ffn=x"]}, "no part called 'ffn'"),
        ({"way": "compiled", "precision": "bfloat16"}, "the compiled step is of one process"),
        ({"task": "sets"}, r"no procedural task is called 'sets' \(set\?\)"),
    ],
)
def test_what_cannot_be_is_refused(changed, says):
    with pytest.raises(InputError, match=says):
        run(training(**changed))


def test_folders_of_other_things_are_refused(tmp_path):
    with pytest.raises(FileError, match="is not there, so there is no training"):
        resume(tmp_path)
    (tmp_path / "config.json").write_text('{"task": "set", "budget": {"stepps": 3}}')
    with pytest.raises(FileError, match="describes no training: unknown settings stepps"):
        resume(tmp_path)
    with pytest.raises(InputError, match="holds a training already"):
        run(training(), tmp_path)
    assert not Path(tmp_path / "log.jsonl").exists()


def test_a_run_is_reported_where_the_tracker_is(tmp_path, monkeypatch):
    """Offline where Weights & Biases is installed; else the error names the extra, and nothing is trained."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    if importlib.util.find_spec("wandb") is None:
        with pytest.raises(InputError, match=r"pip install janiform\[wandb\]"):
            run(training(), tmp_path / "run", report_to="wandb")
        assert not (tmp_path / "run").exists()
    else:
        assert len(run(training(), tmp_path / "run", report_to="wandb").curve) == 4
        assert list(tmp_path.glob("wandb/offline-run-*"))
    with pytest.raises(InputError, match="reported to wandb or trackio, not to 'paper'"):
        run(training(), report_to="paper")
