"""Settings are what files and the published recipes say, and nothing else."""

import pytest

from janiform.errors import FileError, InputError
from janiform.procedural.training import Training, merged, read_settings, recipes, usual
from janiform.tasks.procedural import read


def test_settings_are_read_back():
    training = Training.of(
        {"task": "set", "take": ["attention=a", "mlp=b"], "noise": 1, "budget": {"rate": 1, "seed": 3}}
    )
    again = Training.of(training.data())
    assert again == training and again.take == ("attention=a", "mlp=b")


def test_a_run_keeps_its_settings_as_json(tmp_path):
    training = Training.of({"task": "dyck", "freeze": ["mlp"], "budget": {"steps": 7}})
    (tmp_path / "config.json").write_text(training.write())
    assert Training.of(read_settings(tmp_path / "config.json")) == training


@pytest.mark.parametrize("name", recipes())
def test_recipes_are_trainings(name):
    assert Training.of({"task": "set", **read_settings(name)})


@pytest.mark.parametrize(
    ("task", "millions"), [("set", 20.5), ("union", 20.5), ("dyck", 32.8), ("shuffle_dyck", 32.8)]
)
def test_warm_ups_have_the_published_size(task, millions):
    """GPT-2 small, and as many tokens as the paper says, padding included."""
    training = Training.of({"task": task, **read_settings(usual("warmup", task))})
    assert (training.layers, training.heads, training.width) == (12, 12, 768)
    tokens = training.budget.steps * training.budget.batch * read(task).width
    assert tokens / 1e6 == pytest.approx(millions, rel=0.02)


def test_diagnostics_have_the_published_size():
    for task in ("haystack", "addition", "reversed_addition", "multiplication"):
        training = Training.of({"task": task, **read_settings(usual("finetune", task))})
        budget = training.budget
        assert (budget.steps, budget.batch, budget.rate, budget.warmup) == (10_000, 1000, 1e-3, 500)
        size = (4, 8, 512) if task == "multiplication" else (2, 4, 16)
        assert (training.layers, training.heads, training.width) == size and training.untied


@pytest.mark.parametrize(("name", "millions"), [("c4", 655), ("codeparrot", 983), ("mathematics", 1638)])
def test_language_runs_have_the_published_size(name, millions):
    training = Training.of({"text": ["a"], **read_settings(name)})
    assert (training.layers, training.heads, training.width) == (12, 12, 768)
    tokens = training.budget.steps * training.budget.batch * training.context
    assert tokens / 1e6 == pytest.approx(millions, abs=1)


def test_the_second_settings_take_precedence():
    first = {"layers": 2, "budget": {"steps": 5, "rate": 0.1}}
    assert merged(first, {"layers": 3, "budget": {"steps": 6}}) == {
        "layers": 3,
        "budget": {"steps": 6, "rate": 0.1},
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": "set", "layer": 2}, "unknown settings layer; there are task, alike"),
        ({"task": "set", "layers": "2"}, "layers is of type int; got '2'"),
        ({"task": "set", "layers": True}, "layers is of type int; got True"),
        ({"task": "set", "take": "mlp=a"}, r"take is of type tuple\[str, ...\]; got 'mlp=a'"),
        ({"task": "set", "take": [1]}, "take is a list of texts"),
        ({"task": "set", "budget": 3}, "budget is a table"),
        ({"layers": 2}, "on a task, such as set or haystack, or on a text"),
        ({"task": "set", "text": ["a"]}, "name one of the two"),
    ],
)
def test_other_settings_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        Training.of(settings)


def test_files_of_other_things_are_refused(tmp_path):
    with pytest.raises(FileError, match="it is a file, or one of .*tiny-warmup"):
        read_settings("warm")
    (tmp_path / "a.toml").write_text("layers = = 2")
    with pytest.raises(FileError, match="holds no settings"):
        read_settings(tmp_path / "a.toml")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(FileError, match=r"holds no settings, but '\[1\]'"):
        read_settings(tmp_path / "a.json")
