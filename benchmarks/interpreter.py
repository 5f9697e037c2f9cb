"""Time the interpreter: 10,000 strings of length 10 through every library program, beside Tracr's evaluator on its own.

Also what ``import janiform`` costs, in CPU seconds, and that it reads no torch.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from statistics import geometric_mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.ask import Tracr
from beside.cases import CASES, vocabulary
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform import programs
from janiform.errors import MeaningError
from janiform.ir.evaluate import Run

LENGTH = 10


def strings(vocab: list[Any], count: int, length: int) -> list[list[Any]]:
    """Draw strings, half of them from the first two tokens only (so that brackets balance now and then)."""
    rng = random.Random(0)
    return [rng.choices(vocab if i % 2 else vocab[:2], k=length) for i in range(count)]


def timed(name: str, inputs: list[list[Any]], causal: bool) -> dict[str, Any]:
    """Time the interpreter on one batch, the fastest of three runs, and keep the first outputs."""
    program = jf.parse(programs.text(name))
    seconds: list[float] = []
    while len(seconds) < 3:
        start = time.process_time()
        try:
            outputs = jf.evaluate(program, inputs, causal=causal)
            seconds.append(time.process_time() - start)
        except MeaningError as e:
            inputs = [x for i, x in enumerate(inputs) if i not in e.rows]
    return {"strings": len(inputs), "seconds": min(seconds), "outputs": next(iter(outputs.values()))[:20]}


def together(names: tuple[str, ...], count: int) -> dict[str, Any]:
    """Time programs that share what they have in common: one run for each set of tokens, the fastest of three."""
    groups: dict[tuple[Any, ...], list[jf.Program]] = {}
    for name in names:
        groups.setdefault(tuple(vocabulary(name, 10)), []).append(jf.parse(programs.text(name)))
    batches = [(strings(list(v), count, LENGTH), found) for v, found in groups.items()]
    seconds = []
    for _ in range(3):
        start = time.process_time()
        for inputs, found in batches:
            for at in range(0, count, 2_500):
                run = Run(inputs[at : at + 2_500])
                for program in found:
                    run.values(program.output)
        seconds.append(time.process_time() - start)
    return {"seconds": min(seconds)}


def agree(ours: dict[str, Any], tracr: dict[str, Any]) -> bool:
    """Whether the first outputs are the same where Tracr's are defined."""
    pairs = [(a, b) for x, y in zip(ours["outputs"], tracr["outputs"]) for a, b in zip(x, y) if b is not None]
    return all(a == b or isinstance(a, float | int) and abs(a - b) < 1e-9 for a, b in pairs)


def imported() -> dict[str, Any]:
    """Return the CPU seconds of ``import janiform`` in a fresh process, the least of five, less those of an empty one."""
    seconds = {}
    for statement in (
        "pass",
        "import janiform",
        "import janiform; janiform.parse; janiform.evaluate",
        "import janiform; janiform.Pair",
    ):
        spent = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", statement], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        seconds[statement] = min(spent)
    empty = seconds.pop("pass")
    torch = subprocess.run(
        [sys.executable, "-c", "import janiform, sys; sys.exit('torch' in sys.modules)"], check=False
    )
    return {"seconds": {s: t - empty for s, t in seconds.items()}, "torch": bool(torch.returncode)}


def main(options: Options) -> None:
    tracr, count = Tracr(options.tracr), 1_000 if options.quick else 10_000
    jf.parse(programs.text("length"))("abc")
    rows = []
    for case in CASES:
        inputs = strings(vocabulary(case, 10), count, LENGTH)
        ours = forked(timed, case, inputs, False, limit=60)
        theirs = tracr.ask("interpreter", limit=240, case=case, n=LENGTH, inputs=inputs)
        rows.append({"program": case, "ours": ours, "tracr": theirs})
    library = []
    for e in programs.entries():
        answer = forked(timed, e.name, strings(list(e.vocab), count, LENGTH), e.causal, limit=60)
        library.append({"program": e.name, **{k: v for k, v in answer.items() if k != "outputs"}})
    lines, ratios = [], []
    for r in rows:
        ours, theirs = r["ours"], r["tracr"] or {}
        both = "seconds" in ours and "seconds" in theirs
        ratio = theirs["seconds"] / ours["seconds"] if both else None
        ratios += [ratio] if ratio else []
        equal = agree(ours, theirs) if both else None
        lines.append(
            [
                r["program"],
                *[1000 * s["seconds"] if "seconds" in s else s.get("failed") for s in (ours, theirs)],
                ratio,
                equal,
            ]
        )
    if ratios:
        total = [sum(r[side]["seconds"] for r in rows if "seconds" in r[side]) for side in ("ours", "tracr")]
        lines.append(["all", *[1000 * t for t in total], total[1] / total[0], ""])
        shared = forked(together, CASES, count, limit=60)["seconds"]
        lines.append(["all, sharing one run", 1000 * shared, 1000 * total[1], total[1] / shared, ""])
        lines.append(["geometric mean", "", "", geometric_mean(ratios), ""])
    good = sorted((r for r in library if "seconds" in r), key=lambda r: -r["seconds"])
    fewer = [f"{r['program']} {r['strings']:,}" for r in good if r["strings"] < count]
    says = f"{len(good)} of {len(library)} library programs on {count:,} strings each: {sum(r['seconds'] for r in good):.2f} s together; the slowest:"
    cost = imported()
    imports = [[f"`{s}`", 1000 * t] for s, t in cost["seconds"].items()]
    tables = [
        Table(
            f"{count:,} strings of length {LENGTH} over 10 tokens, CPU milliseconds:",
            ["program", "ours", "Tracr", "ratio", "outputs equal"],
            lines,
        ),
        Table(says, ["program", "ms"], [[r["program"], 1000 * r["seconds"]] for r in good[:10]]),
        Table(
            f"Imports, CPU milliseconds beyond an empty process (torch is {'' if cost['torch'] else 'not '}read by the first):",
            ["statement", "ms"],
            imports,
        ),
    ]
    if fewer:
        tables.append(
            Table(
                "Programs that have no meaning on some of the drawn strings, and how many they were timed on:",
                ["program and strings"],
                [[f] for f in fewer],
            )
        )
    failed = [[r["program"], r.get("failed", "over the limit")] for r in library if "seconds" not in r]
    if failed:
        tables.append(Table("Not run:", ["program", "why"], failed))
    for r in rows:
        for side in (r["ours"], r["tracr"] or {}):
            side.pop("outputs", None)
    publish(
        "interpreter", "Interpreter", tables, {"cases": rows, "library": library, "import": cost}, options
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
