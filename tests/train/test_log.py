"""A log reads as if its training had never been interrupted."""

import json
import math

import pytest
import torch

from janiform.errors import FileError, InputError
from janiform.train import Log, read_log


def written(path, count):
    """A log of that many steps."""
    log = Log.open(path)
    for step in range(1, count + 1):
        log.append(step, loss=1 / step)
    return log


def test_what_is_appended_is_read(tmp_path):
    """Facts come back under their names, with the step first and the seconds last, which never fall."""
    path = tmp_path / "run" / "log.jsonl"
    log = Log.open(path)
    log.append(1, loss=torch.tensor(0.25), found=["a", "b"])
    log.append(2, loss=float("nan"), note="é\n")
    first, second = log.lines()
    assert list(first) == ["step", "loss", "found", "seconds"]
    assert (first["step"], first["loss"], first["found"]) == (1, 0.25, ["a", "b"])
    assert math.isnan(second["loss"]) and second["note"] == "é\n"
    assert 0 <= first["seconds"] <= second["seconds"]


@pytest.mark.parametrize("lost", [1, 5, 20])
def test_a_half_line_counts_as_unwritten(lost, tmp_path):
    """It is not read, and the next line does not run into it."""
    path = tmp_path / "log.jsonl"
    written(path, 3)
    path.write_bytes(path.read_bytes()[:-lost])
    assert [line["step"] for line in read_log(path)] == [1, 2]
    Log.open(path).append(3, loss=0.0)
    assert [(line["step"], line["loss"]) for line in read_log(path)] == [(1, 1.0), (2, 0.5), (3, 0.0)]


def test_a_log_goes_on_after_the_step_of_a_state(tmp_path):
    """Steps that a resumed training takes again stand in the log once."""
    path = tmp_path / "log.jsonl"
    written(path, 9)
    log = Log.open(path, step=5)
    log.append(6, loss=6.0)
    assert [line["step"] for line in log.lines()] == [1, 2, 3, 4, 5, 6]
    assert log.lines()[-1]["loss"] == 6.0
    assert Log.open(path, step=0).lines() == []


def test_seconds_count_the_time_spent(tmp_path):
    """They go on from the last line kept, however long the training lay still."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "seconds": 1000.0}\n{"step": 2, "seconds": 2000.0}\n')
    Log.open(path, step=1).append(2)
    assert 1000 <= read_log(path)[-1]["seconds"] < 1100


def test_no_file_is_an_empty_log(tmp_path):
    """Reading makes none."""
    assert read_log(tmp_path / "log.jsonl") == []
    assert Log.open(tmp_path / "log.jsonl").lines() == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"step": 1}', '{"step": "1", "seconds": 0.5}'])
def test_a_damaged_line_is_named(text, tmp_path):
    """Only the last line can be the trace of a kill; any other damage is an error with its number."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "seconds": 0.1}\n' + text + '\n{"step": 3, "seconds": 0.3}\n')
    with pytest.raises(FileError, match=r"log\.jsonl, line 2"):
        read_log(path)
    with pytest.raises(FileError, match="line 2"):
        Log.open(path)
    assert len(path.read_text().splitlines()) == 3


def test_facts_that_cannot_be_logged_are_refused(tmp_path):
    """The log stays as it was."""
    log = written(tmp_path / "log.jsonl", 1)
    with pytest.raises(InputError, match="step 2 cannot be logged: JSON cannot hold"):
        log.append(2, model=object())
    with pytest.raises(InputError, match="its own 'seconds'"):
        log.append(2, seconds=1)
    assert [json.loads(text)["step"] for text in log.path.read_text().splitlines()] == [1]
