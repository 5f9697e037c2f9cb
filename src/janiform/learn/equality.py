"""Four faces of one learned program, compared: the draft, the program, its stand-alone Python, and its weights.

Law 3, with the oracle between: model == program == printed Python == compiled weights, on every input where there are at
most a million and time allows, else on drawn ones; what was done is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from janiform.errors import CompileError, InputError
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.learn.climb import predicted
from janiform.learn.draft import Draft
from janiform.pair import Pair
from janiform.tasks.examples import Codes, Data, Examples
from janiform.tasks.exercise import Exercise, strings
from janiform.text.standalone import to_python
from janiform.train.executor import Place, open_executor, pool_size

CHECKS = ("auto", "exhaustive", "drawn")
LISTED = 1_000_000
"""The most inputs that are all compared."""

DRAWN = 20_000
"""How many inputs are compared where not all are."""

PATIENCE = 60.0
"""CPU seconds of each process that comparing all inputs may take where nobody asks for it."""

WORTH = 15.0
"""CPU seconds of comparing from which on worker processes are worth their start."""

WARM, PART = 100, 2_000
"""How many inputs are compared at first, when things are made ready, and how many at a time."""


@dataclass(frozen=True, slots=True)
class Equality:
    """Whether the faces agreed on all inputs that were compared; ``first`` is an input on which they did not.

    ``exhaustive`` says that these were all inputs there are, ``milliseconds`` is the CPU time of a call of the stand-alone
    function, and ``elsewhere`` are the CPU seconds of other processes.
    """

    equal: bool
    checked: int
    exhaustive: bool
    milliseconds: float
    pair: Pair | None
    refused: str | None = None
    first: tuple[Value, ...] | None = None
    elsewhere: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Inputs to compare on, and whether they are all there are."""

    x: Codes
    whole: bool


def ground(exercise: Exercise | None, data: Data, test: Examples) -> Ground:
    """Return all inputs where there are at most a million: of the task or, for other data, over its vocabulary.

    Else those that accuracy is measured on.
    """
    if exercise is not None:
        if exercise.size is None or exercise.size > LISTED:
            return Ground(test.x, False)
        return Ground(test.x if exercise.size == len(test) else exercise.every(), True)
    tokens, longest = len(data.signature.vocab), data.signature.max_len
    if sum(tokens**n for n in range(1, longest + 1)) > LISTED:
        return Ground(test.x, False)
    every = (
        np.pad(strings(tokens, n), ((0, 0), (0, longest - n)), constant_values=-1)
        for n in range(1, longest + 1)
    )
    return Ground(np.concatenate(list(every)), True)


def allow(check: str, on: Ground) -> None:
    """Refuse a way to compare that does not exist, or that takes more inputs than can be compared."""
    if check not in CHECKS:
        raise InputError(f"inputs are compared {', '.join(CHECKS[:-1])} or {CHECKS[-1]}, not {check!r}")
    if check == "exhaustive" and not on.whole:
        raise InputError(
            f"more than {LISTED:,} inputs are not all compared; choose a smaller vocabulary or length, or let "
            f"{DRAWN:,} be drawn"
        )


def equality(
    draft: Draft,
    program: Program,
    data: Data,
    on: Ground,
    *,
    check: str = "auto",
    executor: str = "serial",
    seed: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> Equality:
    """Compare the faces on all inputs or on drawn ones.

    ``check`` is ``"exhaustive"``, ``"drawn"`` or, by default, all inputs where that is expected to take less than a
    minute. What takes longer than some seconds goes to the worker processes of ``executor``.
    """
    allow(check, on)
    faces = Faces(draft, program, data.signature, data.labels)
    pair, refused = faces.weights()
    rows = np.random.default_rng(seed).permutation(len(on.x))
    begun = WARM + PART
    parts = [faces.compare(on.x[rows[:WARM]]), faces.compare(on.x[rows[WARM:begun]])]
    each = parts[1].seconds / max(1, parts[1].inputs)
    workers = workers_of(executor)
    soon = each * len(rows) < PATIENCE * (workers if each * len(rows) > WORTH else 1)
    every = on.whole and (check == "exhaustive" or (check == "auto" and soon))
    chosen = rows if every else rows[:DRAWN]
    left = [chosen[i : i + PART] for i in range(begun, len(chosen), PART)]
    where = executor if each * (len(chosen) - begun) > WORTH else "serial"
    for part in compared(faces, [on.x[rows] for rows in left], where):
        parts.append(part)
        if tell:
            tell(sum(p.inputs for p in parts), len(chosen))
        if part.first is not None:
            break
    first = next((part.first for part in parts if part.first is not None), None)
    inputs = sum(part.inputs for part in parts)
    return Equality(
        first is None,
        inputs,
        first is None and on.whole and inputs == len(on.x),
        sum(part.calls for part in parts) / max(1, inputs) * 1e3,
        pair,
        refused,
        first,
        0.0 if where == "serial" else sum(part.seconds for part in parts[2:]),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """How many inputs were compared, the first on which the faces differ, and the CPU seconds: of the calls, and of all."""

    inputs: int
    first: tuple[Value, ...] | None
    calls: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What is compared; the other two faces follow from the program."""

    draft: Draft
    program: Program
    signature: Signature
    labels: tuple[Value, ...]

    def weights(self) -> tuple[Pair | None, str | None]:
        """The compiled program, or why it was refused."""
        return _compiled(self.program, self.signature)

    def compare(self, x: Codes) -> Part:
        """Compare all faces on inputs, at every position."""
        begun = time.process_time()
        vocab = self.signature.vocab
        inputs = [[vocab[c] for c in row if c >= 0] for row in x.tolist()]
        name = next(iter(self.program.outputs))
        meant = evaluate(self.program, inputs, signature=self.signature)[name]
        said = predicted(self.draft, x)
        if self.draft.frame.pooled:  # one label an input, which the program gives at every position
            said = np.repeat(said[:, None], x.shape[1], 1)
        drafted = [
            [self.labels[c] for c in row[: len(tokens)]]
            for row, tokens in zip(said.tolist(), inputs, strict=True)
        ]
        function, called = _printed(self.program, self.signature), time.process_time()
        printed = [function(tokens) for tokens in inputs]
        called = time.process_time() - called
        pair, _ = self.weights()
        weights = meant if pair is None else pair.run(inputs)[name]
        rows = zip(inputs, meant, drafted, printed, weights, strict=True)
        first = next((tuple(x) for x, a, b, c, d in rows if not a == b == c == d), None)
        return Part(len(inputs), first, called, time.process_time() - begun)


def compared(faces: Faces, parts: list[Codes], executor: str) -> Iterator[Part]:
    """Compare parts where an executor puts them, as they end."""
    if executor == "serial":
        yield from map(faces.compare, parts)
        return
    with open_executor(executor) as pool:
        futures: list[Future[Part]] = [pool.submit(faces.compare, x) for x in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def workers_of(executor: str) -> int:
    """How many worker processes of this machine an executor has; 1 where it says nothing of them."""
    place = Place.parse(executor)
    return pool_size(place, None) if place.kind == "processes" else 1


@lru_cache(maxsize=1)
def _printed(program: Program, signature: Signature) -> Callable[[list[Value]], list[Value]]:
    """The stand-alone function, from its source alone."""
    names: dict[str, Any] = {}
    exec(compile(to_python(program, "learned", signature=signature), "<learned>", "exec"), names)
    return names["learned"]  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _compiled(program: Program, signature: Signature) -> tuple[Pair | None, str | None]:
    try:
        return program.compile(signature=signature), None
    except CompileError as e:
        return None, str(e)
