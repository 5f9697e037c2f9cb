"""The command line: answers on standard output, errors on standard error, exit code 0 only on success."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from janiform import __version__, programs
from janiform.cli import main

REVERSE = "reverse = aggregate(select(indices, length - indices - 1, ==), tokens);"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pair compiled from text, in a file."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "reverse.rasp").write_text(REVERSE)
    out = folder / "reverse.safetensors"
    words = ["compile", str(folder / "reverse.rasp"), "--vocab", "abc", "--max-len", "4", "--out", str(out)]
    assert main(words) == 0
    return str(out)


def data(capsys: Capture) -> Any:
    """What was printed, which must be exactly one JSON object."""
    out = capsys.readouterr().out
    found = json.loads(out)
    assert isinstance(found, dict) and out.count("\n") == 1
    return found


def command(*words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    run = [sys.executable, "-m", "janiform", *words]
    return subprocess.run(run, capture_output=True, text=True, timeout=120, **kwargs)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("hello", "olleh"),
        ("3,1,2", [2, 1, 3]),
        ("-1 0.5 true x", ["x", True, 0.5, -1]),
        ('["a b", 2]', [2, "a b"]),
        ('"3 1"', ["1", " ", "3"]),
        ("", ""),
        ("a,", ["a"]),
    ],
)
def test_run_reads_every_way_to_write_an_input(word: str, expected: Any, capsys: Capture) -> None:
    """Characters, tokens set apart by commas or blanks, and JSON lists."""
    assert main(["run", "reverse", word, "--json"]) == 0
    assert data(capsys) == {"output": expected}


def test_run_reads_a_program_from_standard_input(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is the text on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(REVERSE))
    assert main(["run", "-", "abc"]) == 0
    assert capsys.readouterr().out == "cba\n"


def test_run_is_causal_when_asked(capsys: Capture) -> None:
    """With ``--causal`` a position counts itself and what came before."""
    assert main(["run", "length", "abc", "--causal", "--json"]) == 0
    assert data(capsys) == {"output": [1, 2, 3]}


def test_run_takes_a_causal_library_program_as_it_is_meant(capsys: Capture) -> None:
    """A library program whose entry says causal needs no option."""
    entry = next(e for e in programs.entries() if e.causal and e.name != "majority")
    given, expected = entry.example
    assert main(["run", entry.name, json.dumps(given), "--json"]) == 0
    assert data(capsys) == {"output": list(expected)}


def test_a_saved_pair_runs_checks_and_shows(saved: str, capsys: Capture) -> None:
    """What is in the file is enough."""
    assert main(["run", saved, "cab"]) == 0
    assert capsys.readouterr().out == "bac\n"
    assert main(["check", saved, "--json"]) == 0
    report = data(capsys)
    assert report["good"] and report["exhaustive"] and report["mismatches"] == 0
    assert report["checked"] >= 3 + 9 + 27 + 81
    assert main(["show", saved]) == 0
    assert "layer 0" in capsys.readouterr().out


def test_explain_says_what_decided(saved: str, capsys: Capture) -> None:
    """From a library name or a saved pair; other tokens are the program's own, or those asked for."""
    assert main(["explain", "reverse", "abc", "--position", "0"]) == 0
    assert "tokens read: 2 (c)" in capsys.readouterr().out
    assert main(["explain", saved, "cab", "--position", "0", "--json"]) == 0
    found = data(capsys)
    assert (found["value"], found["read"], found["fixing"], found["decisive"]) == ("b", [2], [2], [2])
    assert [c["token"] for c in found["replaced"][0]["changes"]] == ["a", "c"]
    assert main(["explain", "reverse", "ab", "--position", "0", "--vocab", "abxyz", "--json"]) == 0
    assert [c["token"] for c in data(capsys)["replaced"][0]["changes"]] == ["a", "x", "y", "z"]


@pytest.mark.parametrize("command", [["explain", "--position", "0"], ["debug"]])
def test_a_saved_pair_explains_no_tokens_that_it_does_not_know(
    command: list[str], saved: str, capsys: Capture
) -> None:
    """Numbers are no letters: what a program gives for tokens that its weights never see says nothing of them."""
    assert main([command[0], saved, "1,2", *command[1:]]) != 0
    assert "is not in the vocabulary" in capsys.readouterr().err


def test_explain_takes_one_output_at_a_place_that_is_there(tmp_path: Path, capsys: Capture) -> None:
    """Several outputs need a name, and a position lies within the input."""
    (tmp_path / "two.rasp").write_text("x, y = tokens, indices;")
    words = ["explain", str(tmp_path / "two.rasp"), "abc", "--json"]
    assert main([*words, "--position", "1", "--output", "y"]) == 0
    assert data(capsys)["fixing"] == []
    assert main([*words, "--position", "1"]) == 1
    assert "name one of x, y" in data(capsys)["error"]
    assert main([*words, "--position", "3", "--output", "y"]) == 1
    assert "no position 3" in data(capsys)["error"]


def test_debug_traces_up_to_a_breakpoint_or_a_fault(tmp_path: Path, capsys: Capture) -> None:
    """Every line with its values; the exit code says whether the program had a meaning."""
    assert main(["debug", "sort", "3,1,2", "--break", "rank", "--json"]) == 0
    last = data(capsys)["lines"][-1]
    assert (last["name"], last["values"], last["stop"]) == ("rank", [2, 0, 1], True)
    assert main(["debug", "sort", "3,1,2", "--break", "ranc"]) == 1
    assert "did you mean 'rank'" in capsys.readouterr().err
    (tmp_path / "fault.rasp").write_text("x = 1 / (tokens - 1);")
    assert main(["debug", str(tmp_path / "fault.rasp"), "2,1"]) == 1
    assert "tokens - 1" in (out := capsys.readouterr().out) and "stopped: " in out


def test_compile_says_what_it_made(capsys: Capture) -> None:
    """Sizes, precision and bound, with the library's own vocabulary and length."""
    assert main(["compile", "hist", "--json"]) == 0
    facts = data(capsys)
    assert facts["layers"] >= 1 and facts["parameters"] > 0 and facts["error"] < facts["margin"]
    assert facts["file"] is None


def test_a_failed_check_is_no_success(saved: str, tmp_path: Path, capsys: Capture) -> None:
    """Weights that were tampered with are found, and the exit code says so."""
    import torch

    from janiform import load

    pair = load(saved)
    with torch.no_grad():
        pair.model.unembed.W_U.neg_()
    pair.save(tmp_path / "wrong.safetensors")
    assert main(["check", str(tmp_path / "wrong.safetensors"), "--json"]) == 1
    report = data(capsys)
    assert not report["good"] and report["counterexample"]["got"] != report["counterexample"]["expected"]


def test_library_lists_and_prints(capsys: Capture) -> None:
    """Every program with its summary, or one with its text."""
    assert main(["library", "--json"]) == 0
    listed = [p["name"] for p in data(capsys)["programs"]]
    assert listed == list(programs.names()) and len(listed) >= 160
    assert main(["library", "reverse"]) == 0
    assert programs.text("reverse").strip() in capsys.readouterr().out


def test_bench_behaviors_scores_the_library(tmp_path: Path, capsys: Capture) -> None:
    """The object has the four fields; a failure is named with its reason and makes the exit code 1."""
    rows = {"identity": [[[1, 2], [1, 2]]], "absolute": [[[-1], [1]], [[2], [3]]]}
    (tmp_path / "b.json").write_text(json.dumps(rows))
    assert main(["bench", "behaviors", str(tmp_path / "b.json"), "--json"]) == 1
    score = data(capsys)
    reason = score.pop("failed")["absolute"]
    assert score == {"behaviors": 2, "interpreter_exact": 1, "compiled_exact": 1}
    assert reason == "interpreter: on [2] expected [3], got [2]"


FAULTS = {
    "unknown program": (["run", "revers", "abc"], "did you mean 'reverse'"),
    "no such file": (["run", "absent.rasp", "abc"], "no file 'absent.rasp'"),
    "no such pair": (["check", "absent.safetensors"], "absent.safetensors"),
    "input is no JSON": (["run", "reverse", "[1,"], "no JSON"),
    "a nested token": (["run", "reverse", "[[1]]"], "[1] is no token"),
    "no meaning": (["run", "logarithm", "0,a"], "a"),
    "no vocabulary": (["compile", "-"], "--vocab abc --max-len 5"),
    "length zero": (["compile", "reverse", "--vocab", "ab", "--max-len", "0"], "at least 1"),
    "odd file name": (["compile", "reverse", "--out", "pair.pkl"], ".safetensors"),
    "no such folder": (
        ["compile", "hist", "--vocab", "a", "--max-len", "1", "--out", "no/x.safetensors"],
        "no",
    ),
    "unknown entry": (["library", "nothing_like_it"], "no program 'nothing_like_it'"),
    "behaviors absent": (["bench", "behaviors", "absent.json"], "absent.json"),
    "a negative seed": (["check", "copy", "--seed", "-1"], "seed must not be negative, got -1"),
    "a huge number": (["run", "reverse", "[1" + 5000 * "0" + "]"], "beyond all measure"),
    "not a number": (["run", "reverse", "[NaN]"], "not a finite number"),
    "options of a pair": (["check", "x.safetensors", "--vocab", "ab"], "its own vocabulary"),
}


@pytest.mark.parametrize(("words", "part"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_and_is_no_success(words: list[str], part: str, capsys: Capture) -> None:
    """One message on standard error, the same in JSON, exit code 1, nothing else."""
    assert main([*words, "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert set(told) == {"error", "kind"} and part in told["error"]
    assert captured.err == f"janiform: {told['error']}\n"


def test_a_syntax_error_shows_the_line_with_a_caret(tmp_path: Path, capsys: Capture) -> None:
    """The source line and the place in it."""
    (tmp_path / "bad.rasp").write_text("x = tokens;\ny = aggregate(x;\n")
    assert main(["run", str(tmp_path / "bad.rasp"), "a"]) == 1
    err = capsys.readouterr().err
    assert "line 2" in err and "    y = aggregate(x;\n" in err and "^" in err


@pytest.mark.parametrize("words", [[], ["rum"], ["run", "reverse"], ["check", "x", "--limit", "many"]])
def test_a_wrong_command_line_is_code_2(words: list[str], capsys: Capture) -> None:
    """Usage errors too are one JSON object when that is asked for."""
    assert main(words) == 2
    assert capsys.readouterr().out == ""
    assert main([*words, "--json"]) == 2
    assert data(capsys)["kind"] == "usage"


def test_version(capsys: Capture) -> None:
    """``--version`` prints one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"janiform {__version__}\n"


def test_a_process_of_its_own_answers_and_fails_without_a_traceback(saved: str) -> None:
    """The pair's file alone is enough for a fresh process; an error is a message."""
    good = command("run", saved, "abca")
    assert (good.returncode, good.stdout, good.stderr) == (0, "acba\n", "")
    bad = command("run", saved, "abd")
    assert bad.returncode == 1 and bad.stdout == ""
    assert "'d'" in bad.stderr and "Traceback" not in bad.stderr


def test_run_by_the_interpreter_needs_no_torch() -> None:
    """Only weights cost the time that torch takes to load."""
    script = (
        "import sys; from janiform.cli import main; main(['run', 'sort', '3,1,2']);"
        "assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "[1, 2, 3]\n"), run.stderr


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    """``janiform library | head -0`` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "janiform", "library"]
    run = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert run.returncode == 141 and run.stderr == ""


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    """An interrupt gives code 130, one line, and no file."""
    out = tmp_path / "x.safetensors"
    words = [sys.executable, "-m", "janiform", "compile", "-", "--vocab", "ab", "--max-len", "3"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen([*words, "--out", str(out)], text=True, **pipes)
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130 and "Traceback" not in err and "interrupted" in err
    assert list(tmp_path.iterdir()) == []
