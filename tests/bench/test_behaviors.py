"""Scoring on recorded behaviors: what counts as right, what is reported, and which files are refused."""

import json
from pathlib import Path

import pytest

from janiform import parse, programs
from janiform.bench import behaviors
from janiform.errors import FileError, InputError
from janiform.ir.program import Program

LIBRARY = {"copy": "copy = tokens;", "zero": "zero = tokens * 0;", "inverse": "inverse = 1 / tokens;"}


def library(name: str) -> Program:
    if name not in LIBRARY:
        raise InputError(f"no program {name!r}")
    return parse(LIBRARY[name])


def test_a_right_program_scores_on_both_faces() -> None:
    """Interpreter and weights are counted each on its own."""
    score = behaviors.score({"copy": [([1, 2], [1, 2]), ([0.5], [0.5 + 1e-8])]}, library)
    assert score == behaviors.Score(1, 1, 1, {})


def test_a_wrong_program_is_named_with_its_first_wrong_input() -> None:
    """The reason says which face, which input, what was expected and what came."""
    score = behaviors.score({"zero": [([0], [0]), ([3], [3])]}, library)
    assert score == behaviors.Score(1, 0, 0, {"zero": "interpreter: on [3] expected [3], got [0]"})


def test_a_missing_program_is_a_failure_and_not_a_gap() -> None:
    """A behavior without a program counts among the failed."""
    score = behaviors.score({"nowhere": [([0], [0])]}, library)
    assert score.failed == {"nowhere": "library: no program 'nowhere'"}


def test_a_program_without_meaning_on_an_input_fails_with_its_error() -> None:
    """An error of the interpreter is a reason like any other."""
    score = behaviors.score({"inverse": [([0], [0])]}, library)
    assert score.interpreter_exact == 0
    assert score.failed["inverse"].startswith("interpreter: ")


def test_undefined_equals_only_undefined() -> None:
    """Null in a file is the undefined value, which no number comes close to."""
    assert behaviors.first_difference([[None]], [([1], [None])]) is None
    assert behaviors.first_difference([[0]], [([1], [None])]) == "on [1] expected [None], got [0]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "{}",
        '{"a": []}',
        '{"a": [[1, 2]]}',
        '{"a": [[[1], [1, 2]]]}',
        '{"a": [[[null], [1]]]}',
        '{"a": [[[1], [{}]]]}',
        '{"a": [[[1], [NaN]]]}',
        '{"a": [[[], []]]}',
        "[" * 100_000,
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever is not a file of behaviors is a ``FileError``."""
    path = tmp_path / "behaviors.json"
    path.write_text(text)
    with pytest.raises(FileError):
        behaviors.read(path)


@pytest.mark.shared
def test_the_library_meets_every_recorded_behavior(shared_data: Path) -> None:
    """All 120 behaviors, by the interpreter; the compiled face is the benchmark's."""
    cases = behaviors.read(shared_data / "behaviors.json")
    wrong = {name: behaviors.interpreted(rows, programs.load(name)) for name, rows in cases.items()}
    assert {name: problem for name, problem in wrong.items() if problem} == {}


def test_a_score_is_plain_data() -> None:
    """The score survives JSON."""
    score = behaviors.Score(2, 1, 1, {"zero": "x"})
    assert json.loads(json.dumps(score.data())) == score.data()
