"""janiform learn: one JSON object a run, a table for many, and errors that say what would work."""

import json
from pathlib import Path

import pytest

from janiform.cli import main

Capture = pytest.CaptureFixture[str]
QUICK = ["hist", "--vocab-size", "4", "--max-len", "4", "--climbs", "1", "--executor", "serial"]


def test_it_answers_with_what_it_learned_and_goes_on_by_the_same_command(tmp_path: Path, capsys: Capture):
    out = str(tmp_path / "run")
    found = []
    for words in ([*QUICK, "--out", out], ["--resume", out], [*QUICK, "--out", out, "--check", "exhaustive"]):
        assert main(["learn", *words, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    first = found[0]
    assert {"token_accuracy", "sequence_accuracy", "lines", "equal", "cpu_seconds"} <= set(first)
    assert first["equal"] and first["exhaustive"] and first["checked"] == 14
    assert all(again | {"cpu_seconds_after": 0} == first | {"cpu_seconds_after": 0} for again in found)


def test_many_seeds_are_a_table(tmp_path: Path, capsys: Capture):
    """With a folder and without; in columns for people, a list for machines."""
    assert main(["learn", *QUICK, "--seeds", "2"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["run", "seed", "token_accuracy"]
    assert [line.split()[1:3] for line in lines] == [["0", "1.0"], ["1", "1.0"]]
    assert main(["learn", *QUICK, "--seeds", "2", "--out", str(tmp_path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["seed"] for run in runs] == [0, 1] and (tmp_path / "hist-1" / "program.py").exists()
    assert main(["learn", "--resume", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == runs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a task or files to learn from, or --resume DIR"),
        (["hist", "--resume", "x"], "give nothing beside it"),
        (["--resume", "nowhere"], "nowhere is no folder of a run of 'learn'"),
        (["hist", "--rounds", "0"], "at least 1 round and 1 climb, not 0 and 2"),
        (["dyck2", "--check", "exhaustive"], "more than 1,000,000 inputs are not all compared"),
    ],
)
def test_errors_say_what_would_work(words: list[str], message: str, capsys: Capture):
    assert main(["learn", *words, "--json"]) == 1
    assert message in json.loads(capsys.readouterr().out)["error"]
