"""A line is responsible for what changes without it, and for nothing else."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform.errors import InputError, MeaningError, ProgramError
from janiform.explain.listing import listing
from janiform.explain.reasons import alike
from janiform.explain.responsibility import responsibilities, responsible
from janiform.ir.functions import identity
from janiform.ir.nodes import Const, Sequence
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from strategies import cases

SORT = jf.programs.load("sort")


@settings(max_examples=60, deadline=None)
@given(cases(longest=5), st.integers(0, 2**32 - 1))
def test_mode_ablation_is_a_constant_in_the_place_of_the_line(
    case: tuple[Program, Signature], seed: int
) -> None:
    """The changes are those of the program in which a constant, a most frequent value, replaces the node."""
    program, signature = case
    rng = np.random.default_rng(seed)
    inputs = [
        [
            signature.vocab[c]
            for c in rng.integers(len(signature.vocab), size=rng.integers(1, signature.max_len + 1))
        ]
        for _ in range(6)
    ]
    output = next(iter(program.outputs))
    before = jf.evaluate(program, inputs, signature=signature)[output]
    found = responsibilities(program, inputs, before, output=output, signature=signature)
    assert len(found.rows) == sum(line.kind != "input" for line in listing(program).values())
    for row in found.rows:
        assert (row.broken, row.fixed) == (row.changed, 0)
        n = row.listed.node
        if not isinstance(n, Sequence):
            continue
        values = [v for x in jf.evaluate(Program({"it": n}), inputs, signature=signature)["it"] for v in x]
        counts = {identity(v): sum(identity(w) == identity(v) for w in values) for v in values}
        modes = {identity(v): v for v in values if counts[identity(v)] == max(counts.values())}
        expected = [_changes(program, n, mode, inputs, before, output, signature) for mode in modes.values()]
        assert dict(row.changes) in expected
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict() and str(found)


def _changes(program, n, mode, inputs, before, output, signature):  # type: ignore[no-untyped-def]
    """Where a constant in the place of a node changes the output, example by example."""
    found = {}
    for i, x in enumerate(inputs):
        try:
            now = jf.evaluate(program.replace(n, Const(mode)), [x], signature=signature)[output][0]
            at = tuple(j for j, (a, b) in enumerate(zip(now, before[i], strict=True)) if not alike(a, b))
        except MeaningError:
            at = tuple(range(len(x)))
        if at:
            found[i] = at
    return found


@settings(max_examples=30, deadline=None)
@given(cases(longest=5), st.integers(0, 9))
def test_resampling_the_output_shows_other_examples(case: tuple[Program, Signature], seed: int) -> None:
    """Without the output's own line a position holds what another example, at least as long, holds there."""
    program, signature = case
    inputs = [[t] * n for n in range(1, signature.max_len + 1) for t in signature.vocab]
    output = next(iter(program.outputs))
    before = jf.evaluate(program, inputs, signature=signature)[output]
    n = program.outputs[output]
    found = responsible(
        program, inputs, node=n, output=output, ablation="resample", signature=signature, seed=seed
    )
    again = responsible(
        program, inputs, node=n, output=output, ablation="resample", signature=signature, seed=seed
    )
    assert found == again and found.meaningless == ()
    for i, at in found.changes.items():
        others = [b for j, b in enumerate(before) if j != i and len(b) >= len(before[i])]
        assert all(any(not alike(b[p], before[i][p]) for b in others) for p in at)


def test_a_tie_breaking_line_is_responsible_for_ties_alone() -> None:
    """The half of sorting that orders equal tokens matters only where tokens are equal."""
    inputs = [[1, 2, 3], [3, 2, 1], [2, 0, 2], [1, 3, 2], [2, 1, 3]]
    found = responsible(SORT, inputs, node="s1")
    assert set(found.changes) == {2}


def test_a_line_that_nothing_rests_on_changes_nothing() -> None:
    """What every example computes alike is no one's responsibility."""
    program = jf.parse("a = length; b = a * 0; x = tokens if b == 0 else a;")
    assert responsible(program, ["ab", "ba"], node="b").changes == {}


def test_targets_tell_better_from_worse() -> None:
    """A line that spoils a position is found by what is fixed without it."""
    program = jf.parse('spoil = indices == 2 and tokens == "a"; x = "!" if spoil else tokens;')
    found = responsible(program, ["aaa", "aab", "bab"], ["aaa", "aab", "bab"], node="spoil")
    assert (found.broken, found.fixed, dict(found.changes)) == (0, 1, {0: (2,)})
    assert str(found).splitlines()[2] == "  0 were right and become wrong, 1 were wrong and become right"


def test_an_example_without_meaning_counts_as_changed() -> None:
    """Without the guard the program divides by zero on one example, and only that one is lost."""
    guarded = jf.parse("ok = tokens != 0; x = map(6 / tokens if ok else 0);")
    found = responsible(guarded, [[1, 1, 1], [0, 1, 1]], node="ok")
    assert found.meaningless == (1,) and dict(found.changes) == {1: (0, 1, 2)}


def test_the_table_puts_first_what_changes_most() -> None:
    """Rows fall by the number of positions that change, and the header names the columns."""
    rows = responsibilities(SORT, [[3, 1, 2], [2, 2, 0]], [[1, 2, 3], [0, 2, 2]])
    assert [r.changed for r in rows.rows] == sorted((r.changed for r in rows.rows), reverse=True)
    assert str(rows).splitlines()[0].split() == ["changed", "examples", "broken", "fixed", "line"]


def test_what_cannot_be_ablated_is_refused() -> None:
    """Lines and ablations that there are not, and targets of other lengths."""
    with pytest.raises(ProgramError, match="no line 'ranc'; did you mean 'rank'"):
        responsible(SORT, [[1]], node="ranc")
    with pytest.raises(InputError, match="no line for this Const"):
        responsible(SORT, [[1]], node=Const(3))
    with pytest.raises(InputError, match="unknown ablation 'zero': mode or resample"):
        responsible(SORT, [[1]], node="rank", ablation="zero")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="example 1: the target is as long as the input"):
        responsible(SORT, [[1], [2, 3]], [[1], [2]], node="rank")
