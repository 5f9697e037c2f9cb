"""Learn the published tasks and print how well, how fast and how long the programs are.

    python benchmarks/learn.py                              # every task at its published size, seed 0
    python benchmarks/learn.py --tasks sort --seeds 10
    python benchmarks/learn.py --tasks sort --vocab-size 16 --max-len 16 --rounds 40
    python benchmarks/learn.py --json > learned.jsonl

Accuracy is on the whole domain where it can be listed, else on 100,000 fresh inputs. Times are CPU seconds of one core;
"to pass" is when the search first had the paper's accuracy (Friedman et al. 2023, table 1, the best of 40 runs) on inputs it
was checked on. Lines are those of the stand-alone Python, a long line counting as many of 100 columns; the paper's
are of its pruned programs.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

PUBLISHED = {
    "reverse": (0.9979, 713),
    "hist": (1.0, 160),
    "double_hist": (0.9840, 423),
    "sort": (0.9983, 635),
    "most_freq": (0.7569, 666),
    "dyck1": (0.9930, 892),
    "dyck2": (0.9909, 733),
    "induction": (1.0, None),
}


def one(task: str, seed: int, vocab_size: int | None, max_len: int | None, rounds: int, climbs: int) -> dict:
    """Learn one task from one seed."""
    from janiform.learn import Climbing, Learning, learn

    climbing = Climbing(rounds=rounds, climbs=climbs)
    learned = learn(Learning((task,), vocab_size, max_len, seed=seed, climbing=climbing))
    row = {"task": task, "seed": seed, "vocab_size": vocab_size, "max_len": max_len} | learned.facts()
    return row | {
        "ms_a_call": round(learned.equality.milliseconds, 3),
        "to_pass": learned.passed(PUBLISHED[task][0]),
        "units": len(learned.draft.units),
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="*", default=list(PUBLISHED), choices=list(PUBLISHED))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--vocab-size", type=int)
    parser.add_argument("--max-len", type=int)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--climbs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="hist alone, to see that it runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    tasks = ["hist"] if given.quick else given.tasks
    if not given.json:
        print("task         seed  token      sequence   to pass  CPU s   after  lines  paper  ms     equal")
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        sizes = (given.vocab_size, given.max_len, given.rounds, given.climbs)
        running = [pool.submit(one, task, seed, *sizes) for task in tasks for seed in range(given.seeds)]
        for row in (done.result() for done in as_completed(running)):
            print(json.dumps(row) if given.json else line(row), flush=True)


def line(row: dict) -> str:
    """One result as a line of the table."""
    passed = "-" if row["to_pass"] is None else f"{row['to_pass']:.1f}"
    return (
        f"{row['task']:12} {row['seed']:4}  {row['token_accuracy']:.6f}   {row['sequence_accuracy']:.6f}   {passed:>7}  "
        f"{row['cpu_seconds']:6.1f}  {row['cpu_seconds_after']:6.1f} {row['lines']:6} "
        f"{PUBLISHED[row['task']][1] or '-':>6}  {row['ms_a_call']:.3f}  {row['equal']}"
    )


if __name__ == "__main__":
    main()
