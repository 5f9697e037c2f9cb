"""Score the library's programs, interpreted and compiled, on recorded behaviors.

A file of behaviors maps a name to pairs [input, output] of equally long lists; null is undefined. Each behavior is
judged under its own signature: the vocabulary is the distinct tokens of its inputs, the maximum length its longest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from janiform.errors import FileError, JaniformError, ProgramError
from janiform.ir.evaluate import evaluate
from janiform.ir.functions import is_number
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

RELATIVE = 1e-6
Row = tuple[list[Value], list[Value]]
Behaviors = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Score:
    """How many behaviors were met on every pair, by the interpreter and from weights, and why the others were not."""

    behaviors: int
    interpreter_exact: int
    compiled_exact: int
    failed: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [
            f"behaviors          {self.behaviors}",
            f"interpreter exact  {self.interpreter_exact}",
            f"compiled exact     {self.compiled_exact}",
            *(f"failed             {name}: {reason}" for name, reason in self.failed.items()),
        ]
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """Return the score as plain data."""
        return asdict(self)


def read(path: Path | str) -> Behaviors:
    """Read a file of behaviors; ``FileError`` names what is not of the expected shape."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise FileError(f"{str(path)!r} cannot be read: {e.strerror}") from None
    except (ValueError, RecursionError) as e:
        raise FileError(f"{str(path)!r} is not JSON: {e}") from None
    if not isinstance(data, dict) or not data:
        raise FileError(f"{str(path)!r} must hold one object of behaviors by name")
    return {name: _rows(name, pairs) for name, pairs in data.items()}


def _rows(name: str, pairs: Any) -> list[Row]:
    if not isinstance(pairs, list) or not pairs:
        raise FileError(f"behavior {name!r} must be a list of pairs [input, output], and not empty")
    for i, pair in enumerate(pairs):
        fine = isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, list) for side in pair)
        if not fine or len(pair[0]) != len(pair[1]):
            raise FileError(f"behavior {name!r}, pair {i}: expected [input, output], two lists of one length")
        for v in (*pair[0], *pair[1]):
            finite = not isinstance(v, float) or math.isfinite(v)
            if not (v is None or isinstance(v, bool | int | float | str)) or not finite:
                raise FileError(f"behavior {name!r}, pair {i}: {v!r} is no value")
        if None in pair[0]:
            raise FileError(f"behavior {name!r}, pair {i}: null is no token")
    if not any(x for x, _ in pairs):
        raise FileError(f"behavior {name!r} has no input with a token in it")
    return [(x, y) for x, y in pairs]


def close(got: Value, expected: Value) -> bool:
    """Whether two outputs agree: numbers within one part in a million, other values exactly.

    >>> close(0.3333333, 1 / 3), close(None, None), close(None, 0), close(True, 1)
    (True, True, False, False)
    """
    if is_number(got) and is_number(expected):
        return math.isclose(got, expected, rel_tol=RELATIVE, abs_tol=1e-12)  # type: ignore[arg-type]
    return type(got) is type(expected) and got == expected


def first_difference(got: Sequence[Sequence[Value]], rows: Sequence[Row]) -> str | None:
    """Describe the first input whose output is not the expected one, or return None."""
    for given, (x, y) in zip(got, rows):
        if len(given) != len(y) or not all(map(close, given, y)):
            return f"on {x} expected {y}, got {list(given)}"
    return None


def score(
    cases: Behaviors,
    library: Callable[[str], Program],
    *,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Score:
    """Score ``library(name)`` on every behavior, by the interpreter and from its compiled weights."""
    faces = [0, 0]
    failed: dict[str, str] = {}
    for done, (name, rows) in enumerate(cases.items()):
        tick(done, len(cases))
        right, problem = judge(name, rows, library)
        for face in range(right):
            faces[face] += 1
        if problem is not None:
            failed[name] = problem
    tick(len(cases), len(cases))
    return Score(len(cases), faces[0], faces[1], failed)


def judge(name: str, rows: Sequence[Row], library: Callable[[str], Program]) -> tuple[int, str | None]:
    """Return how many faces of one program are right, the interpreter first, and what went wrong at the next."""
    steps = ("library", "interpreter", "compiled")
    step = 0
    try:
        program = library(name)
        for step, face in enumerate((interpreted, compiled), start=1):
            problem = face(rows, program)
            if problem is not None:
                return step - 1, f"{steps[step]}: {problem}"
    except JaniformError as error:
        return max(step - 1, 0), f"{steps[step]}: {' '.join(str(error).split())}"
    except Exception as error:  # a crash is a failed behavior too, and no reason to judge no other
        return max(step - 1, 0), f"{steps[step]}: {type(error).__name__}, a fault of Janiform: {error}"
    return 2, None


def interpreted(rows: Sequence[Row], program: Program) -> str | None:
    """Say on which input, if any, the interpreter's output is not the recorded one."""
    inputs = [x for x, _ in rows]
    return first_difference(_single(evaluate(program, inputs, signature=signature(rows))), rows)


def compiled(rows: Sequence[Row], program: Program) -> str | None:
    """Say on which input, if any, the output of the compiled weights is not the recorded one."""
    pair = program.compile(signature=signature(rows))
    return first_difference(_single(pair.run([x for x, _ in rows])), rows)


def signature(rows: Sequence[Row]) -> Signature:
    """Return the signature of a behavior: its distinct tokens, its longest input.

    >>> signature([([3, 1], [1, 3]), ([1], [1])])
    Signature(vocab=(1, 3), max_len=2, causal=False, bos='BOS', pad='PAD')
    """
    return Signature((t for x, _ in rows for t in x), max(len(x) for x, _ in rows))


def _single(outputs: Mapping[str, list[list[Value]]]) -> list[list[Value]]:
    if len(outputs) != 1:
        raise ProgramError(f"a behavior has one output, the program has {', '.join(outputs)}")
    return next(iter(outputs.values()))
