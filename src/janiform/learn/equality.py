"""Four faces of one learned program, compared: the draft, the program, its stand-alone Python, and its weights.

Law 3, with the oracle between: model == program == printed Python == compiled weights, on every input where there are few.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from janiform.errors import CompileError
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.learn.climb import predicted
from janiform.learn.draft import Draft
from janiform.pair import Pair
from janiform.tasks.examples import Data, Examples
from janiform.text.standalone import to_python

CALLED = 20_000
"""How many inputs are compared unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Equality:
    """Whether the faces agreed on all inputs that were compared; ``first`` is an input on which they did not."""

    equal: bool
    compared: int
    exhaustive: bool
    milliseconds: float
    pair: Pair | None
    refused: str | None = None
    first: tuple[Value, ...] | None = None


def equality(
    draft: Draft, program: Program, data: Data, examples: Examples, *, most: int = CALLED, seed: int = 0
) -> Equality:
    """Compare the faces on ``examples``, on all of them where they are no more than ``most``.

    ``milliseconds`` is the CPU time of a call of the stand-alone function.
    """
    rows = np.arange(len(examples))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    x, asked = examples.x[rows], examples.y[rows] >= 0
    inputs = data.decode(x)
    name = next(iter(program.outputs))
    meant = evaluate(program, inputs, signature=data.signature)[name]
    said = np.concatenate([predicted(draft, part) for part in np.array_split(x, 1 + len(x) // 2000)])
    if data.pooled:  # one label an input, which the program gives at every position
        said, asked = np.repeat(said[:, None], x.shape[1], 1), np.repeat(asked[:, None], x.shape[1], 1)
    names: dict[str, Any] = {}
    exec(compile(to_python(program, "learned", signature=data.signature), "<learned>", "exec"), names)
    begun = time.process_time()
    printed = [names["learned"](tokens) for tokens in inputs]
    milliseconds = (time.process_time() - begun) / max(1, len(inputs)) * 1e3
    try:
        pair = program.compile(signature=data.signature)
        weights, refused = [w for part in _parts(inputs) for w in pair.run(part)[name]], None
    except CompileError as e:
        pair, weights, refused = None, meant, str(e)
    for i, tokens in enumerate(inputs):
        drafted = [data.labels[c] for c in said[i][: len(tokens)]]
        if not (meant[i] == printed[i] == weights[i] and _same(drafted, meant[i], asked[i])):
            return Equality(False, len(inputs), False, milliseconds, pair, refused, tuple(tokens))
    return Equality(True, len(inputs), len(inputs) == len(examples), milliseconds, pair, refused)


def _same(drafted: list[Value], meant: list[Value], asked: np.ndarray) -> bool:
    return all(a == b for a, b, c in zip(drafted, meant, asked, strict=False) if c)


def _parts(inputs: list[list[Value]]) -> list[list[list[Value]]]:
    return [inputs[i : i + 2000] for i in range(0, len(inputs), 2000)]
