"""The laws: every face of a program says the same, on random programs over vocabularies of every kind."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from drawn import programs as graphs
from janiform.compile import compile_program
from janiform.errors import CompileError, MeaningError
from janiform.ir.evaluate import evaluate
from janiform.ir.functions import identity
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.pair import Pair
from janiform.text import parse, print_program
from janiform.text.json import from_json, to_json
from janiform.text.standalone import to_python
from strategies import cases

QUICK = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
Case = tuple[Program, Signature]


def agrees(case: Case, layout: str) -> None:
    """Compile, and compare with the interpreter on every input, or on drawn ones."""
    program, s = case
    pair = program.compile(vocab=s.vocab, max_len=s.max_len, causal=s.causal, layout=layout)  # type: ignore[arg-type]
    report = pair.check(limit=1_200, draws=400)
    assert not report.mismatches, f"{print_program(program)}\n{s}\n{report}"
    assert report.error <= pair.bound.error < pair.bound.margin


@QUICK
@given(cases())
def test_a_printed_program_parses_back_to_itself(case: Case) -> None:
    assert parse(print_program(case[0])) == case[0]


@QUICK
@given(cases())
def test_json_reads_back_to_the_same_program(case: Case) -> None:
    assert from_json(to_json(case[0])) == case[0]


@QUICK
@given(cases())
def test_stand_alone_python_agrees_with_the_interpreter(case: Case) -> None:
    program, s = case
    scope: dict[str, Any] = {}
    exec(to_python(program, "run", causal=s.causal), scope)
    draw = random.Random(2)
    for n in (0, 1, s.max_len, s.max_len):
        x = [draw.choice(s.vocab) for _ in range(n)]
        (expected,) = evaluate(program, [x], signature=s)["output"]
        assert list(map(identity, scope["run"](x))) == list(map(identity, expected)), x


@QUICK
@given(cases())
def test_weights_agree_with_the_interpreter(case: Case) -> None:
    agrees(case, "separate")


@QUICK
@given(cases())
def test_weights_that_reuse_dimensions_agree_with_the_interpreter(case: Case) -> None:
    agrees(case, "reuse")


def right_or_refused(program: Program) -> None:
    """Whatever the graph, weights agree with the interpreter or there are none."""
    for s in (Signature([0, 1], 3), Signature(["a", 2, True], 3, causal=True)):
        try:
            pair = Pair.of(compile_program(program, s))
        except (CompileError, MeaningError):
            continue
        report = pair.check()
        assert not report.mismatches, f"{print_program(program)}\n{s}\n{report}"


@settings(QUICK, max_examples=150)
@given(graphs())
def test_any_graph_is_compiled_right_or_refused_by_name(program: Program) -> None:
    right_or_refused(program)


@pytest.mark.slow
@LONG
@given(graphs())
def test_many_graphs_are_compiled_right_or_refused_by_name(program: Program) -> None:
    right_or_refused(program)


@pytest.mark.slow
@LONG
@given(cases(longest=9, largest=14))
def test_weights_agree_with_the_interpreter_on_many_programs(case: Case) -> None:
    agrees(case, "separate")
    agrees(case, "reuse")


@settings(QUICK, max_examples=40)
@given(cases())
def test_padding_changes_nothing(case: Case) -> None:
    program, s = case
    pair = Pair.of(compile_program(program, s))
    draw = random.Random(0)
    inputs = [[draw.choice(s.vocab) for _ in range(n)] for n in range(1, s.max_len + 1)]
    together = pair.run(inputs)
    for i, x in enumerate(inputs):
        alone = pair.run([x])
        assert {name: rows[i] for name, rows in together.items()} == {n: r[0] for n, r in alone.items()}


@settings(QUICK, max_examples=40)
@given(cases())
def test_compiling_again_gives_the_same_weights(case: Case) -> None:
    a, b = (compile_program(*case) for _ in range(2))
    assert a.config == b.config
    assert all(np.array_equal(w, b.weights[name]) for name, w in a.weights.items())


@settings(QUICK, max_examples=25)
@given(cases())
def test_a_saved_pair_loads_as_it_was(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    program, s = case
    pair = Pair.of(compile_program(program, s))
    path = tmp_path_factory.mktemp("pairs") / "pair.safetensors"
    pair.save(path)
    again = Pair.load(path)
    assert again.program == program and again.signature == s and again.readouts == pair.readouts
    mine, theirs = pair.model.state_dict(), again.model.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(w, theirs[name]) for name, w in mine.items())


@settings(QUICK, max_examples=60)
@given(cases())
def test_a_batch_is_evaluated_as_its_inputs_are(case: Case) -> None:
    program, s = case
    draw = random.Random(1)
    inputs = [[draw.choice(s.vocab) for _ in range(n)] for n in (*range(s.max_len + 1), 1, s.max_len)]
    together = evaluate(program, inputs, signature=s)["output"]
    assert together == [evaluate(program, [x], signature=s)["output"][0] for x in inputs]
