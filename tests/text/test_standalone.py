"""Laws of stand-alone Python: the file computes what the interpreter computes, and needs nothing installed."""

import subprocess
import sys

import numpy as np
import pytest

from janiform import programs
from janiform.errors import MeaningError
from janiform.ir.evaluate import evaluate
from janiform.ir.functions import same
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.text.rasp import parse
from janiform.text.standalone import to_python


def runs(source, name):
    scope = {}
    exec(compile(source, name, "exec"), scope)
    return scope[name]


def agree(program, inputs, causal=False):
    run = runs(to_python(program, "run", causal=causal), "run")
    for x in inputs:
        try:
            expected = {k: v[0] for k, v in evaluate(program, [x], causal=causal).items()}
        except MeaningError:
            with pytest.raises((ValueError, TypeError, ArithmeticError)):
                run(x)
            continue
        found = run(x) if len(expected) > 1 else {next(iter(expected)): run(x)}
        for name, values in expected.items():
            for a, b in zip(values, found[name], strict=True):
                assert type(a) is type(b) and (a is None or same(a, b)), (name, x, values, found[name])


def drawn(vocab, length, rng, count=6):
    lengths = [0, 1, length, *rng.integers(0, length + 1, count)]
    return [[vocab[i] for i in rng.integers(0, len(vocab), n)] for n in lengths]


@pytest.mark.parametrize("name", programs.names())
def test_library_programs_stand_alone(name):
    """Every program of the library computes the same as a file."""
    found = programs.entry(name)
    rng = np.random.default_rng(0)
    inputs = [list(found.example[0]), *drawn(found.vocab, min(found.max_len, 8), rng)]
    agree(programs.load(name), inputs, found.causal)


@pytest.mark.parametrize("causal", [False, True])
def test_random_programs_stand_alone(causal):
    """Random programs compute the same, in either direction."""
    rng = np.random.default_rng(1)
    signature = Signature("abc", 6, causal)
    for _ in range(40):
        agree(sample_program(rng, signature, 8), drawn(signature.vocab, 6, rng, 2), causal)


@pytest.mark.parametrize(
    "text",
    [
        "out = map(1 / x where x = tokens);",
        "out = {1: 2, True: 3, 0.3: undefined}[tokens else 7];",
        "out = {0.3: 4}[tokens];",
        "out = aggregate(select(tokens, tokens, <=), tokens);",
        "out = aggregate_sum(select(tokens, 1, >=), tokens, 0.5);",
        "out = aggregate_max(select(tokens, 1, !=), tokens, -2);",
        "out = map(defined(x) and x > 1 or x == 0 where x = aggregate(select(indices, indices - 1, ==), tokens));",
        'out = aggregate(best(select(indices, indices, <=), "largest", tokens), indices);',
        'out = aggregate(best(not select(indices, indices, ==), "closest"), tokens, 0);',
        "a, b = tokens % 2, round(tokens / 2);",
        "out = tokens;",
        'out = readout(["p", 2, True], [0, 1, 0], tokens, {1: [0, 0, 2], True: [3, 0, 0]}, indices, [0, -1, 1]);',
        'out = readout_mean(["p", "q"], [0, 1], tokens, {0: [4, 0], "a": [0, 3]}, tokens == 1, [2, 0]);',
        'out = readout(["p", "q"], [0, 0], 0.1 + indices / 5, {0.3: [0, 1], 0.1: [-1, 0]});',
        'out = readout(["p", "q"], [0, 0], 0.1 + indices / 5 + 0.7, {1: [0, 1]});',
        'out = readout(["p", "q"], [0.3, 0.6], indices == 0, {True: [0.1, 0]}, indices < 1, {True: [0.2, 0]});',
        'out = readout(["p", "q"], [0, 1]);',
        'p = aggregate(select(indices, indices - 1, ==), tokens); out = readout(["p", 0], [0, 0], p, {undefined: [0, 1]});',
        'p = aggregate(select(indices, indices - 1, ==), tokens); out = readout(["p", 0], [0, 0], p, [1, 2]);',
    ],
)
def test_odd_programs_stand_alone(text):
    """Tables, tolerance, defaults, branches and several outputs agree, refusals too."""
    for causal in (False, True):
        agree(parse(text), [[], [1, 2, 3], [0, 0.1 + 0.2, True], [True, 1, 0], ["a", "b", 1]], causal)


def test_a_file_runs_without_janiform(tmp_path):
    """The file runs in a Python that sees nothing but the standard library."""
    file = tmp_path / "reverse.py"
    file.write_text(to_python(programs.load("reverse"), "reverse") + "\n\nprint(reverse('abc'))\n")
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "['c', 'b', 'a']\n"


def test_names_that_python_keeps_are_left_to_it():
    """A name that is a keyword, a builtin or a helper gets a number."""
    source = to_python(parse("sum = indices + 1; lambda_ = sum * 2; count = lambda_ + sum;"))
    assert runs(source, "count2")("ab") == [3, 6]
