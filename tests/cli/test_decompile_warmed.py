"""janiform decompile of a warmed-up model names its heads by what they follow, and looks for its program."""

import json

import pytest

from janiform.cli import main

QUICK = ["--recipe", "tiny-warmup", "--steps", "1", "--held", "20", "--batch", "4", "--rate", "1e-9"]
TASK = "identity(symbols=6, longest=8, shortest=2)"


def answer(capsys, *words: str, code: int = 0) -> dict:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def induction(tmp_path, capsys) -> str:
    """A model that begins with the library's induction heads: a previous token head, and heads that find it."""
    folder = str(tmp_path / "run")
    begin = ["--layers", "3", "--heads", "2", "--width", "32", "--from-program", "induction"]
    answer(capsys, "warmup", TASK, *QUICK, *begin, "--out", folder)
    return folder


def test_the_heads_of_an_induction_program_are_named(induction, tmp_path, capsys):
    """Head 0 of each block is the program's: it copies the token before, finds itself there, and takes what followed."""
    found = answer(
        capsys, "decompile", induction, "--circuit", "--inputs", "100", "--out", str(tmp_path / "out")
    )
    first, second = found["heads"][0], found["heads"][2]
    assert (first["layer"], first["head"]) == (0, 0) and first["attention"]["the one before"] > 0.95
    # The last that followed the same, of all that did: on these rows there are few.
    assert second["attention"]["what followed the same"] > second["even"]["what followed the same"] + 0.3
    named = {role["selector"]: role["heads"] for role in found["roles"]}
    assert [0, 0] in named["the one before"] and [1, 0] in named["what followed the same"]
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == found
    assert "the one before: 0.0" in (tmp_path / "out" / "circuit.txt").read_text()


def test_it_answers_people_in_a_table(induction, capsys):
    assert main(["decompile", induction, "--circuit", "--inputs", "50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"of the targets of {TASK} are right")
    assert lines[2].split() == ["head", "attention", "even", "on", "at", "right", "without", "it"]
    assert lines[3].startswith("0.0 ") and "the one before" in lines[3]
    assert any(line.endswith("select(indices, indices - 1, ==)") for line in lines)


def test_it_is_asked_on_another_task(induction, capsys):
    other = "set(symbols=6, longest=8)"
    found = answer(capsys, "decompile", f"{induction}/model", "--task", other, "--circuit", "--inputs", "20")
    assert found["task"] == other and len(found["heads"]) == 6


def test_a_model_that_attends_evenly_has_no_circuit(tmp_path, capsys):
    assert main(["warmup", TASK, *QUICK, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["decompile", str(tmp_path / "run"), "--circuit", "--inputs", "20"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("no head follows a selector")


def test_what_it_does_not_take_is_refused(induction, capsys):
    found = answer(capsys, "decompile", induction, "--prune", code=1)
    assert "takes --task, --circuit, --inputs" in found["error"]


def test_words_of_one_length_are_copied_by_position(tmp_path, capsys):
    """What a head learns where every word has two tokens is to look two tokens back: the program says so, and can be run."""
    task, folder = "identity(symbols=40, longest=2)", str(tmp_path / "run")
    sizes = ["--layers", "1", "--heads", "1", "--steps", "600", "--held", "60", "--every", "300"]
    answer(capsys, "warmup", task, "--recipe", "tiny-warmup", *sizes, "--out", folder)
    found = answer(capsys, "decompile", folder, "--inputs", "60", "--out", str(tmp_path / "out"))
    assert found["program"]["level"] == "L3" and found["program"]["match"] == 1
    assert "query - key == 2" in found["program"]["program"]
    assert (tmp_path / "out" / "program" / "program.rasp").read_text() == found["program"]["program"]


def test_of_rows_that_are_left_open_no_program_is_looked_for(tmp_path, capsys):
    folder = str(tmp_path / "run")
    assert main(["warmup", "dyck(kinds=2, length=8)", *QUICK, "--out", folder]) == 0
    capsys.readouterr()
    assert main(["decompile", folder, "--inputs", "20"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("no program is looked for: ") and "from sequence to sequence" in last
