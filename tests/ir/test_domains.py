"""Inference is sound: whatever the interpreter yields is in the domain; and exact where tokens do not matter."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings

import janiform as jf
from janiform.errors import CompileError
from janiform.ir.domains import infer
from janiform.ir.evaluate import Run
from janiform.ir.functions import identity
from janiform.ir.nodes import Selector, Sequence
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from strategies import cases


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases(longest=5))
def test_every_value_is_in_its_domain(case: tuple[Program, Signature]) -> None:
    program, s = case
    facts = infer(program, s)
    draw = random.Random(0)
    run = Run([[draw.choice(s.vocab) for _ in range(1 + i % s.max_len)] for i in range(60)], causal=s.causal)
    for n in program.nodes():
        if isinstance(n, Sequence):
            domain = facts.domains[n]
            seen = {identity(v): v for row in run.values(n) for v in row}
            if domain.values is None:
                assert all(domain.low - 1e-9 <= v <= domain.high + 1e-9 for v in seen.values())  # type: ignore[operator]
            else:
                near = {round(v, 9) for v in domain.values if isinstance(v, int | float)}
                assert all(k in domain.codes or round(v, 9) in near for k, v in seen.items())  # type: ignore[arg-type]
        elif isinstance(n, Selector):
            widths = [w for p in run.pattern(n) for w in p.sum(1)]
            assert not facts.at_most_one[n] or max(widths) <= 1
            assert not facts.nonempty[n] or min(widths) >= 1


def test_positional_values_are_exact() -> None:
    middle = jf.parse("y = abs(2 * indices + 1 - length);")
    assert infer(middle, Signature("ab", 4)).domains[middle.output].values == (0, 1, 2, 3)


def test_ranks_are_known_to_be_a_permutation() -> None:
    sort = jf.programs.load("sort")
    facts = infer(sort, Signature(range(4), 5))
    assert facts.domains[sort.output].values == (0, 1, 2, 3)


def test_what_cannot_be_listed_is_refused_with_its_size() -> None:
    wide = jf.parse("a = aggregate(select(indices, indices, <=), tokens); y = a * a == indices;")
    with pytest.raises(CompileError, match=r"combinations|cannot be listed"):
        infer(wide, Signature(range(50), 60))
