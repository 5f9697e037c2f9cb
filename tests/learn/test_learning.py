"""Learning end to end: from a task or from files to a program whose faces are equal, the same from the same seed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.ir.evaluate import evaluate
from janiform.learn import Climbing, Learning, learn, resume
from janiform.learn.climb import empty, predicted, race
from janiform.learn.condense import condense
from janiform.learn.draft import Frame
from janiform.learn.harden import harden
from janiform.pair import load
from janiform.tasks import algorithmic
from janiform.text.rasp import parse

QUICK = Climbing(climbs=1, rounds=12, tries=1500)


@pytest.mark.parametrize("task", ["hist", "reverse", "sort", "double_hist"])
def test_a_small_task_is_learned_without_an_error(task: str, tmp_path: Path):
    """All inputs are right, in the draft, the program, the stand-alone Python and the compiled weights."""
    learned = learn(Learning((task,), 6, 6, climbing=QUICK), out=tmp_path)
    assert learned.token_accuracy == learned.sequence_accuracy == 1.0
    assert learned.equality.equal and learned.equality.exhaustive
    exercise = algorithmic(task, 6, 6)
    inputs = learned.data.decode(exercise.domain().x)
    program = parse((tmp_path / "program.rasp").read_text())
    for name, said in {
        "text": evaluate(program, inputs, signature=exercise.signature)[task],
        "pair": load(tmp_path / "pair.safetensors").run(inputs)[task],
    }.items():
        asked = exercise.solve(inputs)
        right = [
            a is None or a == b for x, y in zip(asked, said, strict=True) for a, b in zip(x, y, strict=True)
        ]
        assert all(right), name


def test_the_python_of_a_learned_program_needs_nothing_but_python(tmp_path: Path):
    learn(Learning(("hist",), 5, 5, climbing=QUICK), out=tmp_path)
    code = "from program import hist; print(hist(['<s>', '0', '1', '0'])[1:])"
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "['2', '1', '2']"


def test_the_same_seed_gives_the_same_program():
    settings = Learning(("sort",), 5, 5, seed=3, climbing=QUICK)
    first, again = learn(settings), learn(settings)
    assert str(first.program) == str(again.program)


def test_condensing_changes_no_label_and_no_program_grows():
    exercise = algorithmic("sort", 6, 6)
    data = exercise.data()
    frame = Frame(len(data.signature.vocab), 6, len(data.labels))
    *_, last = race(data.train, [empty(frame)], Climbing(climbs=1, rounds=4, tries=800))
    domain = exercise.domain()
    short = condense(last.draft, domain)
    asked = domain.y >= 0
    assert (predicted(short, domain.x) == predicted(last.draft, domain.x))[asked].all()
    assert all(float(w).is_integer() for row in short.weights for w in row.ravel())
    whole = last.draft.with_output(
        tuple(np.round(w * 4096) for w in last.draft.weights), np.round(last.draft.bias * 4096)
    )
    assert len(str(harden(short, data.signature, data.labels))) < len(
        str(harden(whole, data.signature, data.labels))
    )


def test_pairs_from_a_file_are_learned(tmp_path: Path):
    """A rule the library does not know: each token followed by how many of it came before, told by causal pairs."""
    rng = np.random.default_rng(0)
    path = tmp_path / "pairs.jsonl"
    with open(path, "w") as file:
        for _ in range(600):
            x = rng.choice(list("ab"), size=int(rng.integers(1, 6))).tolist()
            file.write(json.dumps([x, [x[: i + 1].count(t) for i, t in enumerate(x)]]) + "\n")
    learned = learn(Learning((str(path),), causal=True, climbing=QUICK))
    assert learned.token_accuracy == 1.0 and learned.equality.equal
    assert learned.program(list("abaa"), causal=True) == [1, 1, 2, 3]


def test_a_wrong_source_says_what_would_work(tmp_path: Path):
    with pytest.raises(InputError, match="reverse"):
        learn(Learning(("revers",)))
    with pytest.raises(FileError, match="no folder of a run"):
        resume(tmp_path)
    (tmp_path / "a.jsonl").write_text("nonsense\n")
    with pytest.raises(FileError, match="line 1"):
        learn(Learning((str(tmp_path / "a.jsonl"),)))


def test_words_of_a_stranger_run_no_code(tmp_path: Path) -> None:
    """The printed Python is run to compare it; whatever tokens and file names say is text in it."""
    trap, sprung = f"open({str(tmp_path / 'sprung')!r}, 'w')", tmp_path / "sprung"
    words = [f'\'"""\n{trap}\n"""', f"\\'); {trap} #", "{" + trap + "}", "a"]
    rows = [[words[i % 4], words[i // 4 % 4], words[i // 16 % 4]] for i in range(64)]
    file = tmp_path / f"{'x'}); import os #.jsonl"
    file.write_text("".join(json.dumps({"input": x, "target": x[::-1]}) + "\n" for x in rows * 4))
    learned = learn(Learning((str(file),), climbing=Climbing(climbs=1, rounds=4)))
    assert learned.equality.equal and not sprung.exists()
