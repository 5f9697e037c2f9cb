"""janiform warmup and finetune: a warmed-up model in a folder, its parts in the next one, and errors that say what would work."""

import json

import pytest

from janiform.cli import main
from janiform.model import read_model

QUICK = ["--recipe", "tiny-warmup", "--steps", "20", "--every", "10", "--held", "40", "--batch", "8"]
TASK = "set(symbols=9, longest=5)"


def answer(capsys, *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_warm_up_is_taken_into_a_fine_tuning(tmp_path, capsys):
    warm, fine = str(tmp_path / "warm"), str(tmp_path / "fine")
    found = answer(capsys, "warmup", TASK, *QUICK, "--out", warm)
    assert (found["task"], found["steps"], found["taken"]) == (TASK, 20, [])
    take = [
        "--take",
        f"attention={warm}",
        "--take",
        f"mlp={warm}",
        "--freeze",
        "mlp",
        "--freeze",
        "attention",
    ]
    task = "haystack(pairs=4, symbols=20)"
    found = answer(capsys, "finetune", task, *QUICK, *take, "--out", fine)
    assert found["tokens"] == 20 * 8 * 11 and len(found["taken"]) == 2 * 12
    old, new = (read_model(f"{place}/model").weights() for place in (warm, fine))
    assert all((old[name] == new[name]).all() for name in found["taken"])
    config = json.loads((tmp_path / "fine" / "config.json").read_text())
    assert config["take"] == [f"attention={warm}", f"mlp={warm}"] and config["budget"]["rate"] == 5e-3
    again = answer(capsys, "finetune", "--resume", fine)
    assert again["loss"] == found["loss"]


def test_several_tasks_are_a_mixture(capsys):
    assert answer(capsys, "warmup", TASK, f"2*{TASK}", *QUICK)["task"] == f"{TASK} + 2*{TASK}"


def test_it_answers_people_in_columns(capsys):
    assert main(["warmup", TASK, *QUICK]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["task"] == TASK and lines["steps"].startswith("20, ") and "at best" in lines["accuracy"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["warmup"], "name a task, such as set or haystack"),
        (["warmup", "sett"], "(set?)"),
        (["warmup", "set", "dyck"], "keep their tokens apart instead"),
        (["warmup", "set", "--recipe", "tinny"], "it is a file, or one of c4, codeparrot, finetune"),
        (["finetune", "haystack", "--take", "attention=nowhere"], "nowhere does not exist"),
        (["finetune", "haystack", "--resume", "x"], "give nothing beside it"),
        (["finetune", "--resume", "nowhere"], "nowhere/config.json is not there"),
        (["finetune", "haystack", "--report-to", "paper"], "reported to wandb or trackio"),
    ],
)
def test_errors_say_what_would_work(words, message, capsys):
    assert main([*words, "--json"]) == 1
    assert message in json.loads(capsys.readouterr().out)["error"]
