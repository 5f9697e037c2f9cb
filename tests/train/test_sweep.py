"""A sweep does every run once, whatever happens to the process that asked for it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pieces
import pytest

from janiform.errors import FileError, InputError, JaniformError
from janiform.train import sweep
from janiform.train.shards import name_of

DOCS = Path(__file__).resolve().parents[2] / "docs"


def seeds(count):
    """Settings that differ in their seed."""
    return [{"task": "sort", "seed": seed} for seed in range(count)]


def rows(folder):
    """The table as a list of dicts."""
    header, *lines = [line.split("\t") for line in (folder / "table.tsv").read_text().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def words(log):
    """The seeds that began, those that ended, and the processes that did them."""
    lines = [line.split() for line in log.read_text().splitlines()]
    began = [int(seed) for word, seed, _ in lines if word == "begin"]
    ended = [int(seed) for word, seed, _ in lines if word == "end"]
    return began, ended, {int(pid) for _, _, pid in lines}


@pytest.mark.parametrize("executor", ["serial", "processes", "dask", "slurm-local"])
def test_runs_come_back_in_the_order_asked(executor, tmp_path):
    """The same runs, shards and table wherever they were done."""
    needs = {"dask": "distributed", "slurm-local": "submitit"}
    if executor in needs:
        pytest.importorskip(needs[executor], reason=f"{needs[executor]} is not installed")
    runs = sweep(pieces.square, seeds(4), tmp_path, executor=executor, workers=2)
    assert [run["result"] for run in runs] == [{"square": n * n} for n in range(4)]
    assert [run["settings"] for run in runs] == seeds(4)
    assert [json.loads((tmp_path / f"runs/{name_of(s)}.json").read_text()) for s in seeds(4)] == runs
    assert [(row["seed"], row["square"]) for row in rows(tmp_path)] == [
        (str(n), str(n * n)) for n in range(4)
    ]
    assert not list(tmp_path.rglob("*.part"))


def test_a_finished_run_is_not_done_again(tmp_path):
    """Neither in a second call, nor for settings given twice, nor for the same settings in another order of keys."""
    log = tmp_path / "log"
    settings = pieces.slow_settings(log, count=2, rest=0)
    first = sweep(pieces.slow_square, [*settings, settings[0]], tmp_path, executor="serial")
    turned = [dict(reversed(s.items())) for s in settings]
    assert sweep(pieces.slow_square, turned, tmp_path, executor="processes:1") == first[:2]
    assert first[2] == first[0]
    assert words(log)[1] == [0, 1]


def test_a_sweep_grows(tmp_path):
    """More settings in the same folder add to its table."""
    sweep(pieces.square, seeds(2), tmp_path, executor="serial")
    assert len(sweep(pieces.square, [{"task": "hist", "seed": 7}], tmp_path, executor="serial")) == 1
    found = [(row["task"], row["seed"]) for row in rows(tmp_path)]
    assert found[0] == ("hist", "7") and sorted(found[1:]) == [("sort", "0"), ("sort", "1")]


@pytest.mark.parametrize("executor", ["serial", "processes:2"])
def test_a_run_that_raises_stops_no_other(executor, tmp_path):
    """Failures are named at the end with their tracebacks kept, and are all that the next call tries."""
    broken = tmp_path / "broken"
    broken.touch()
    settings = [{"seed": seed, "broken": str(broken)} for seed in range(4)]
    with pytest.raises(JaniformError, match=r"2 of 4 runs failed.*\n.*ArithmeticError: seed \d is even"):
        sweep(pieces.odd_only, settings, tmp_path, executor=executor)
    assert {row["half"] for row in rows(tmp_path)} == {"0.5", "1.5"}
    errors = list((tmp_path / "runs").glob("*.error.txt"))
    assert len(errors) == 2 and all("in odd_only" in path.read_text() for path in errors)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*.json")}
    broken.unlink()
    runs = sweep(pieces.odd_only, settings, tmp_path, executor=executor)
    assert [run["result"]["half"] for run in runs] == [0, 0.5, 1, 1.5]
    assert not list((tmp_path / "runs").glob("*.error.txt"))
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_an_exception_that_cannot_travel_is_reported(tmp_path):
    """The traceback crosses as text, so the pool survives any exception."""
    with pytest.raises(JaniformError, match="Thorny: rose and thorn"):
        sweep(pieces.thorny, seeds(2), tmp_path, executor="processes:1")


def test_a_worker_that_dies_is_an_error_that_keeps_the_rest(tmp_path):
    """The sweep does not hang on it."""
    with pytest.raises(JaniformError, match="a worker ended"):
        sweep(pieces.vanish, seeds(2), tmp_path, executor="processes:1")


@pytest.mark.parametrize("executor", ["processes:2", "serial"])
def test_after_kill_9_no_finished_run_is_repeated(executor, tmp_path):
    """Killed midway, a sweep goes on: finished runs stay, the others are done, and no orphan works on."""
    log, folder = tmp_path / "log", tmp_path / "sweep"
    process = start(folder, log, executor)
    pieces.until(lambda: log.exists() and len(words(log)[1]) >= 3)
    process.kill()
    process.wait()
    pieces.until(lambda: not any(alive(pid) for pid in words(log)[2]), seconds=2)
    shards = {path: path.read_bytes() for path in (folder / "runs").glob("*.json")}
    finished = [json.loads(text)["settings"]["seed"] for text in shards.values()]
    began, ended, _ = words(log)
    assert 2 <= len(finished) < 8 and set(finished) <= set(ended)
    (folder / "runs/0123.json.half.part").write_text('{"settings": {"se')

    runs = sweep(pieces.slow_square, pieces.slow_settings(log), folder, executor=executor)
    assert [run["result"]["square"] for run in runs] == [n * n for n in range(8)]
    again = words(log)[0][len(began) :]
    assert sorted(again + finished) == list(range(8))
    assert all(path.read_bytes() == text for path, text in shards.items())
    assert len(rows(folder)) == 8


def test_ctrl_c_stops_at_once_and_keeps_what_is_finished(tmp_path):
    """An interrupt to the whole group, as a terminal sends it, ends every process and writes the table."""
    log, folder = tmp_path / "log", tmp_path / "sweep"
    process = start(folder, log, "processes")
    pieces.until(lambda: log.exists() and len(words(log)[1]) >= 3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT and errors.strip().endswith("KeyboardInterrupt")
    pieces.until(lambda: not any(alive(pid) for pid in words(log)[2]), seconds=2)
    assert len(rows(folder)) == len(list((folder / "runs").glob("*.json"))) >= 2
    assert len(words(log)[0]) < 8


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (lambda settings: [1], "a piece returns a dict"),
        (lambda settings: {"x": object()}, "JSON cannot hold"),
    ],
)
def test_a_result_that_json_cannot_hold_is_a_failure(piece, message, tmp_path):
    """It says what was returned."""
    with pytest.raises(JaniformError, match=message):
        sweep(piece, seeds(1), tmp_path, executor="serial")


def test_numbers_of_torch_and_numpy_are_numbers(tmp_path):
    """A loss need not be converted by hand."""
    import numpy as np
    import torch

    piece = lambda settings: {"loss": torch.tensor(0.5), "count": np.int64(3)}
    assert sweep(piece, seeds(1), tmp_path, executor="serial")[0]["result"] == {"loss": 0.5, "count": 3}


def test_what_cannot_be_handed_over_is_refused_before_any_run(tmp_path):
    """A lambda for another process, settings that are no JSON, a word that names no executor."""
    with pytest.raises(InputError, match="top of a module"):
        sweep(lambda settings: {}, seeds(1), tmp_path)
    with pytest.raises(InputError, match="cannot be written as JSON"):
        sweep(pieces.square, [{"seed": {1, 2}}], tmp_path)
    with pytest.raises(InputError, match="cannot be written as JSON"):
        sweep(pieces.square, [{"rate": float("nan")}], tmp_path)
    with pytest.raises(InputError, match="what would work"):
        sweep(pieces.square, seeds(1), tmp_path, executor="threads")


@pytest.mark.parametrize("text", ['{"settings": {', '{"weights": 1}'])
def test_a_damaged_shard_is_named(text, tmp_path):
    """Nothing is silently done again or taken for a result."""
    sweep(pieces.square, seeds(1), tmp_path, executor="serial")
    path = tmp_path / f"runs/{name_of(seeds(1)[0])}.json"
    path.write_text(text)
    with pytest.raises(FileError, match=path.name):
        sweep(pieces.square, seeds(1), tmp_path, executor="serial")


def test_a_table_keeps_one_line_a_run(tmp_path):
    """Tabs and line ends in values become spaces; what is missing is empty; equal names are told apart."""
    piece = lambda s: {"seed": 5} if s["seed"] else {"note": "a\tb\nc"}
    sweep(piece, seeds(2), tmp_path, executor="serial")
    table = [{k: v for k, v in row.items() if k not in ("run", "seconds")} for row in rows(tmp_path)]
    assert table == [
        {"seed": "0", "note": "a b c", "result.seed": ""},
        {"seed": "1", "note": "", "result.seed": "5"},
    ]


def test_nothing_to_do_is_done(tmp_path):
    """No settings, no runs."""
    assert sweep(pieces.square, [], tmp_path) == []


def test_the_script_of_the_page_runs(tmp_path):
    """The example of docs/sweeps.md does what the page says, and again without a run."""
    page = (DOCS / "sweeps.md").read_text("utf-8")
    (tmp_path / "lengths.py").write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    times = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "lengths.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100
        )
        assert run.returncode == 0, run.stderr
        times.append(max(path.stat().st_mtime_ns for path in tmp_path.glob("out/lengths/runs/*.json")))
    assert times[0] == times[1]
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1].split("\n")
    made = (tmp_path / "out/lengths/table.tsv").read_text().split("\n")
    assert [line.split()[:-1] for line in made] == [line.split()[:-1] for line in shown]


def start(folder, log, executor):
    """Start a slow sweep as a process group of its own."""
    command = f"import pieces; pieces.main({str(folder)!r}, {str(log)!r}, {executor!r})"
    return subprocess.Popen(
        [sys.executable, "-c", command], start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def alive(pid):
    """Whether that process runs; one that ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
