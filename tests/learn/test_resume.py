"""kill -9 and going on: a run that was killed ends with the program, byte for byte, of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.learn import Climbing, Learning, Relaxation, learn, learn_many, relax, resume, resume_many
from janiform.learn.climb import empty
from janiform.learn.draft import Frame
from janiform.learn.relaxed import Relaxing
from janiform.learn.rounds import Rounds
from janiform.learn.standing import claim
from janiform.learn.template import Shape
from janiform.tasks import algorithmic
from janiform.train import load_state, read_log, save_state

JANIFORM = [sys.executable, "-m", "janiform", "learn"]
FORMS = ("program.rasp", "program.py", "pair.safetensors")


def killed(words: list[str], when: Callable[[], bool]) -> None:
    """Start a command and kill it with SIGKILL as soon as ``when`` says so."""
    process = subprocess.Popen([*JANIFORM, *words], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "it was to be killed while it runs"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def is_past(out: Path, stage: str, steps: int) -> bool:
    """Whether the state in a folder is of this stage, with so many rounds or steps done."""
    _, facts = load_state(out) or ({}, {"stage": ""})
    return facts["stage"] == stage and facts["work"]["done" if stage == "searching" else "step"] >= steps


def test_a_search_that_is_killed_twice_ends_with_the_same_program(tmp_path: Path):
    """Once after its first round and once after its third; what an undisturbed process would have found comes out."""
    words = "most_freq --vocab-size 5 --max-len 5 --rounds 4 --climbs 1 --no-oracle --examples 100".split()
    climbing = Climbing(climbs=1, rounds=4)
    settings = Learning(("most_freq",), 5, 5, examples=100, oracle=False, climbing=climbing)
    whole, out = tmp_path / "whole", tmp_path / "out"
    learned = learn(settings, out=whole)
    killed([*words, "--out", str(out)], lambda: is_past(out, "searching", 1))
    killed(["--resume", str(out)], lambda: is_past(out, "searching", 3))
    assert not (out / "result.json").exists()
    found = resume(out)
    assert all((out / form).read_bytes() == (whole / form).read_bytes() for form in FORMS)
    assert found.token_accuracy == learned.token_accuracy and found.seconds > found.history[0][0] > 0
    lines = [read_log(folder / "log.jsonl") for folder in (out, whole)]
    kept = [[{k: line[k] for k in ("step", "token_accuracy", "units")} for line in log] for log in lines]
    assert kept[0] == kept[1] and len(kept[0]) == len(learned.history)


def test_a_relaxed_search_that_is_killed_twice_ends_with_the_same_program(tmp_path: Path):
    """Once while the relaxed model is trained, and once in the search that begins with it."""
    shape = Shape(layers=1, copies=1, tallies=1, tables=1)
    settings = Learning(
        ("most_freq",),
        5,
        5,
        examples=200,
        oracle=False,
        relaxed=True,
        climbing=Climbing(climbs=1, rounds=5, tries=400),
        relaxation=Relaxation(shape, restarts=6, steps=800),
    )
    whole, out = tmp_path / "whole", tmp_path / "out"
    learn(settings, out=whole)
    claim(out, settings)
    killed(["--resume", str(out)], lambda: is_past(out, "relaxing", 100))
    killed(["--resume", str(out)], lambda: is_past(out, "searching", 1))
    assert not (out / "result.json").exists()
    resume(out)
    assert all((out / form).read_bytes() == (whole / form).read_bytes() for form in FORMS)


@pytest.mark.parametrize("task", ["sort", "most_freq"])
def test_rounds_that_are_restored_at_any_round_go_on_as_they_would_have(task: str, tmp_path: Path):
    """Taken apart to a file and put together again after each round, against never."""
    exercise = algorithmic(task, 5, 5)
    data, domain = exercise.data(size=400), exercise.domain()
    settings = Climbing(climbs=2, rounds=5, halving=(2,), tries=200, most=400, check=400)

    def begun() -> Rounds:
        return Rounds(data.train, [empty(Frame.of(data))], settings, seed=5, oracle=exercise, beyond=domain)

    rounds, again = begun(), begun()
    while not rounds.ended:
        expected, found = rounds.advance(), again.advance()
        assert repr(expected.draft.units) == repr(found.draft.units)
        pairs = zip(expected.draft.weights, found.draft.weights, strict=True)
        assert all((a == b).all() for a, b in pairs)
        assert expected.token_accuracy == found.token_accuracy and rounds.ended == again.ended
        save_state(tmp_path, *again.state())
        again = begun()
        kept = load_state(tmp_path)
        assert kept is not None
        again.restore(*kept)


def test_counterexamples_from_beyond_are_taken_along(tmp_path: Path):
    """A race that began on inputs the one before got wrong is restored with them."""
    exercise = algorithmic("hist", 4, 4)
    data, domain = exercise.data(size=30), exercise.domain()
    rounds = Rounds(data.train, [empty(Frame.of(data))], Climbing(), seed=1, oracle=exercise, beyond=domain)
    rounds.join(np.arange(3))
    rounds.look_beyond(empty(Frame.of(data)))
    assert rounds.races == 2 and len(rounds.train) > len(data.train) + 3
    save_state(tmp_path, *rounds.state())
    again = Rounds(data.train, [empty(Frame.of(data))], Climbing(), seed=1, oracle=exercise, beyond=domain)
    kept = load_state(tmp_path)
    assert kept is not None
    again.restore(*kept)
    assert (again.train.x == rounds.train.x).all() and (again.train.y == rounds.train.y).all()
    assert repr(again.advance()) == repr(rounds.advance())


def test_a_training_that_is_restored_at_any_step_goes_on_as_it_would_have(tmp_path: Path):
    data = algorithmic("hist", vocab_size=4, max_len=4).data(size=300)
    settings = Relaxation(Shape(layers=1, copies=1, tallies=1, tables=1), restarts=4, steps=12)
    relaxing = Relaxing(data, settings, seed=2)
    while not relaxing.ended:
        relaxing.advance()
        save_state(tmp_path, *relaxing.state())
        relaxing = Relaxing(data, settings, seed=2)
        kept = load_state(tmp_path)
        assert kept is not None
        relaxing.restore(*kept)
    expected = relax(data, settings, seed=2)
    assert repr(relaxing.drafts()) == repr(expected)
    with pytest.raises(FileError, match="no state of this training"):
        relaxing.restore(kept[0] | {"weights/bias": kept[0]["weights/bias"][:, :1]}, kept[1])


def test_a_run_that_ended_is_only_finished_again(tmp_path: Path):
    settings = Learning(("hist",), 4, 4, climbing=Climbing(climbs=1))
    first = learn(settings, out=tmp_path)
    log = (tmp_path / "log.jsonl").read_bytes()
    again = learn(settings, out=tmp_path, check="drawn")
    assert again.python == first.python and again.seconds == first.seconds
    assert again.history == first.history and (tmp_path / "log.jsonl").read_bytes() == log


def test_a_folder_is_for_one_run(tmp_path: Path):
    path, out = tmp_path / "pairs.jsonl", tmp_path / "run"
    rows = [{"input": [a, b], "target": [b, a]} for a in "abc" for b in "abc"] * 20
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Learning((str(path),), climbing=Climbing(climbs=1, rounds=3))
    learn(settings, out=out)
    with pytest.raises(InputError, match=r"another seed; go on with that by --resume .*run"):
        learn(Learning((str(path),), seed=1, climbing=Climbing(climbs=1, rounds=3)), out=out)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:100]))
    with pytest.raises(FileError, match="has changed since"):
        resume(out)


def test_what_is_no_state_of_a_run_is_refused(tmp_path: Path):
    settings = Learning(("hist",), 4, 4, climbing=Climbing(climbs=1, rounds=2))
    learn(settings, out=tmp_path)
    kept = load_state(tmp_path)
    assert kept is not None
    for stage, message in (("searching", "no state of this search"), ("done", "no draft of a program")):
        save_state(tmp_path, {}, kept[1] | {"stage": stage, "work": {"done": 1, "draft": {}}})
        with pytest.raises(FileError, match=message):
            resume(tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no state of a training"):
        resume(tmp_path)


def test_seeds_that_are_killed_go_on_and_finished_ones_are_not_run_again(tmp_path: Path):
    """The whole command is killed, its worker with it, when the first of three seeds is done."""
    words = ["hist", "--vocab-size", "4", "--max-len", "4", "--climbs", "1", "--seeds", "3"]
    out = tmp_path / "runs"
    shards = lambda: sorted((out / "runs").glob("*.json"))  # noqa: E731
    killed([*words, "--executor", "processes:1", "--out", str(out)], lambda: len(shards()) == 1)
    (first,) = shards()
    seed = json.loads(first.read_text())["settings"]["seed"]
    done = {path: path.stat().st_mtime_ns for path in (first, out / f"hist-{seed}" / "result.json")}
    runs = resume_many(out, executor="serial")
    assert [run["seed"] for run in runs] == [0, 1, 2] and all(run["equal"] for run in runs)
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())
    header, *lines = (out / "table.tsv").read_text().splitlines()
    columns = ("run", "seed", "token_accuracy", "sequence_accuracy", "lines", "equal", "cpu_seconds")
    assert set(columns) <= set(header.split("\t")) and len(lines) == 3
    settings = Learning(("hist",), 4, 4, climbing=Climbing(climbs=1))
    alone = learn(Learning(("hist",), 4, 4, seed=2, climbing=settings.climbing))
    assert (out / "hist-2" / "program.py").read_text() == alone.python
    assert learn_many(settings, 3, out, executor="serial") == runs
    with pytest.raises(FileError, match="no folder of runs"):
        resume_many(tmp_path)
