"""Law 2 on the library: every program compiles, and its weights compute what it means."""

import pytest

from janiform import programs
from janiform.ir.semantics import Signature
from janiform.pair.compile import compile_pair

ONE_EACH = sorted({e.file: e.name for e in programs.entries()}.values())


@pytest.mark.parametrize("name", ONE_EACH)
def test_weights_compute_the_program(name):
    """Over its vocabulary and length, on all inputs where they are few, else on drawn ones; the bound proves it."""
    e = programs.entry(name)
    pair = compile_pair(programs.load(name), signature=e.signature)
    report = pair.check(limit=3000, draws=100)
    assert report.good, report
    assert pair.bound.error < pair.bound.margin


@pytest.mark.slow
@pytest.mark.parametrize("length", [5, 20, 50, 100])
@pytest.mark.parametrize("name", ONE_EACH)
def test_weights_compute_the_program_at_any_length(name, length):
    e = programs.entry(name)
    pair = compile_pair(programs.load(name), signature=Signature(e.vocab, length, e.causal))
    report = pair.check(limit=3000, draws=100)
    assert report.good, report
