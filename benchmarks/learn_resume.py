"""Kill runs of 'janiform learn' with SIGKILL at drawn moments, go on with them, and compare with undisturbed ones.

    python benchmarks/learn_resume.py                              # sort, most_freq and dyck1, and hist from a relaxed model
    python benchmarks/learn_resume.py --runs sort --kills 10 --seed 1

A line a run: whether program, Python and weights are the same bytes; how often it was killed, and in which stages; and the share
of the wall-clock time of the undisturbed search that went to saving its state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = {
    "sort": ["sort"],
    "most_freq": ["most_freq", "--rounds", "8"],
    "dyck1": ["dyck1"],
    "relaxed hist": ["hist", "--vocab-size", "6", "--max-len", "6", "--relaxed"],
}
FORMS = ("program.rasp", "program.py", "pair.safetensors")


def undisturbed(words: list[str], seed: int, out: Path) -> float:
    """Learn in this process; return the share of the time up to the last save that went to saving."""
    from janiform.cli import main
    from janiform.learn.standing import Standing

    save, spent, last = Standing.save, 0.0, 0.0

    def timed(*given: object, **named: bool) -> None:
        nonlocal spent, last
        begun = time.monotonic()
        save(*given, **named)  # type: ignore[arg-type]
        last = time.monotonic()
        spent += last - begun

    Standing.save = timed  # type: ignore[method-assign, assignment]
    begun = time.monotonic()
    sys.stdout, shown = open(os.devnull, "w"), sys.stdout
    code = main(["learn", *words, "--seed", str(seed), "--out", str(out), "--check", "drawn"])
    sys.stdout = shown
    assert code == 0, f"learning {words} ended with {code}"
    return spent / (last - begun)


def disturbed(words: list[str], seed: int, out: Path, kills: int, seconds: float) -> list[str]:
    """Kill a run at drawn moments until it has ended; return what it stood in each time."""
    from janiform.train import load_state

    rng, stages = random.Random(seed), []
    begin = [*words, "--seed", str(seed), "--out", str(out)]
    while True:
        given = ["--resume", str(out)] if (out / "config.json").exists() else begin
        command = [
            sys.executable,
            "-m",
            "janiform",
            "learn",
            *given,
            "--check",
            "drawn",
            "--executor",
            "serial",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait = 3 + rng.random() * 2 * seconds / kills if len(stages) < kills else None
            code = process.wait(wait)
            assert code == 0, f"{command} ended with {code}"
            return stages
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            _, facts = load_state(out) or ({}, {"stage": "beginning"})
            stages.append(facts["stage"])


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the relaxed run alone, killed twice")
    given = parser.parse_args()
    for name in ["relaxed hist"] if given.quick else given.runs:
        with tempfile.TemporaryDirectory() as folder:
            whole, out = Path(folder) / "whole", Path(folder) / "out"
            begun = time.monotonic()
            share = undisturbed(RUNS[name], given.seed, whole)
            seconds = time.monotonic() - begun
            stages = disturbed(RUNS[name], given.seed, out, 2 if given.quick else given.kills, seconds)
            same = all((out / form).read_bytes() == (whole / form).read_bytes() for form in FORMS)
            cpu = [json.loads((f / "result.json").read_text())["cpu_seconds"] for f in (whole, out)]
            killed = f"killed {len(stages)} times ({', '.join(stages)})"
            print(
                f"{name}, seed {given.seed}: {'the same bytes' if same else 'DIFFERENT'}; {killed}; CPU s of the search "
                f"{cpu[0]:.1f} undisturbed, {cpu[1]:.1f} killed; saving {share:.2%} of the time",
                flush=True,
            )


if __name__ == "__main__":
    main()
