"""Time the generators of procedural data: M tokens a CPU second on one core, beside the same task in plain Python.

Each figure is the best of several runs over some millions of tokens, in a process of its own; *NumPy alone* is
the same rows where Numba is absent, of the tasks that use it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.forked import forked
from beside.plain_rows import PLAIN
from beside.results import Options, Table, publish

from janiform.tasks.procedural import PROCEDURES, read, rows
from janiform.tasks.procedural.loops import compiled

AIMS = dict.fromkeys(("identity", "reverse", "eca"), 300)
AIMS |= dict.fromkeys(("sort", "dyck", "shuffle_dyck", "haystack"), 100)
AIMS |= dict.fromkeys(("set", "union", "delete", "stack"), 50)
"""M tokens a CPU second that each should reach."""
LOOPS = ("stack", "dyck", "shuffle_dyck", "dyck(kinds=16, length=128)")
"""The tasks with a loop that Numba compiles; the others are NumPy in any case."""
FURTHER = (
    "set(shortest=2)",
    "identity(symbols=33, longest=12, shortest=2)",
    "haystack(pairs=10, symbols=64)",
    "dyck(kinds=16, length=128)",
    "shuffled(set)",
    "ngram(set)",
    "set + union",
)


def speed(text: str, tokens: int, repeats: int, numba: bool) -> dict[str, Any]:
    """Return how many million tokens a CPU second the rows of a task are made at."""
    if not numba:
        compiled.cache_clear()
        sys.modules["numba"] = None  # type: ignore[assignment]
    task = read(text)
    count = max(tokens // task.width, 1)
    rows(task, 0, count)
    best = float("inf")
    for i in range(repeats):
        began = time.process_time()
        rows(task, i * count, (i + 1) * count)
        best = min(best, time.process_time() - began)
    return {"speed": count * task.width / best / 1e6}


def plain(name: str, tokens: int, repeats: int) -> dict[str, Any]:
    """Return the same of the plain Python version."""
    make, best, count = PLAIN[name], float("inf"), 0
    for i in range(repeats):
        rng = random.Random(i)
        began, count = time.process_time(), 0
        while count < tokens:
            count += len(make(rng))
        best = min(best, time.process_time() - began)
    return {"speed": count / best / 1e6}


def first_calls() -> list[list[Any]]:
    """Return CPU seconds to the first row of a task with a compiled loop: compiled anew, and read from the cache."""
    found = []
    for name in ("stack", "dyck", "shuffle_dyck"):
        script = f"import time; from janiform.tasks.procedural import read, rows; t = time.process_time(); rows(read({name!r}), 0, 1); print(time.process_time() - t)"
        with tempfile.TemporaryDirectory() as folder:
            spent = [
                float(
                    subprocess.run(
                        [sys.executable, "-c", script],
                        env={**os.environ, "NUMBA_CACHE_DIR": folder},
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                )
                for _ in range(2)
            ]
        found.append([name, *spent])
    return found


def main(options: Options) -> None:
    size, repeats = (2**20, 2) if options.quick else (2**22, 8)
    lines, data = [], {}
    for text in (*PROCEDURES, *FURTHER):
        ours = forked(speed, text, size, repeats, True, limit=120).get("speed")
        alone = forked(speed, text, size, 2, False, limit=120).get("speed") if text in LOOPS else None
        slow = forked(plain, text, size // 64, 3, limit=120).get("speed") if text in PLAIN else None
        data[text] = {"ours": ours, "numpy": alone, "plain": slow, "aim": AIMS.get(text)}
        lines.append([text, AIMS.get(text), ours, alone, slow, ours / slow if slow else None])
    calls = first_calls()
    tables = [
        Table(
            "M tokens a CPU second, one core:",
            ["task", "aim", "ours", "NumPy alone", "plain Python", "times plain"],
            lines,
        ),
        Table(
            "CPU seconds to the first row where a loop is compiled: anew, and from Numba's cache:",
            ["task", "anew", "cached"],
            calls,
        ),
    ]
    publish("generators", "Generators", tables, {"speed": data, "first": calls}, options, page="procedural")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
