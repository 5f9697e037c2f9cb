"""The trace says what the interpreter computes, line by line, under the names that the program prints."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform.errors import InputError, ProgramError
from janiform.explain.debugger import debug, step
from janiform.explain.listing import find, listing
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Selector
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from strategies import cases

SORT = jf.programs.load("sort")
REVERSE = """\
      0 1 2
   1  indices
      0 1 2
   2  length
      3 3 3
   3  length - 1
      2 2 2
   4  length - 1 - indices
      2 1 0
   5  select(indices, length - 1 - indices, ==)
          a b c
      a | 0 0 1
      b | 0 1 0
      c | 1 0 0
   6  tokens
      a b c
   7  reverse = aggregate(select(indices, length - 1 - indices, ==), tokens)
      c b a"""


def test_a_trace_reads_line_by_line() -> None:
    """Statements, a row of values for each sequence, a grid for each selector."""
    assert str(debug(jf.programs.load("reverse"), "abc")) == REVERSE


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_a_trace_holds_what_the_interpreter_computes(
    case: tuple[Program, Signature], data: st.DataObject
) -> None:
    """Every line equals the node's own value, outputs included, and the data of the trace is JSON."""
    program, signature = case
    tokens = data.draw(st.lists(st.sampled_from(signature.vocab), max_size=signature.max_len))
    trace = debug(program, tokens, causal=signature.causal)
    run = Run([tokens], causal=signature.causal)
    assert trace.fault is None
    for line in trace.lines:
        n = line.listed.node
        if isinstance(n, Selector):
            assert [list(r) for r in line.pattern] == run.pattern(n)[0].tolist()
        else:
            assert list(line.values) == run.values(n)[0]
    assert set(program.outputs.values()) <= {line.listed.node for line in trace.lines}
    assert json.loads(json.dumps(trace.as_dict())) == trace.as_dict()
    assert str(trace)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_lines_are_named_as_they_are_printed(case: tuple[Program, Signature]) -> None:
    """Every statement but the last is a statement of ``str(program)``; every line is found by its name."""
    program, _ = case
    printed = " ".join(str(program).split())
    for line in listing(program).values():
        if line.name != line.text and line.node not in program.outputs.values():
            assert " ".join(line.text.split()) in printed
        if line.name.isidentifier():
            assert find(program, line.name).node is line.node


def test_a_trace_ends_at_the_first_breakpoint() -> None:
    """Nothing after the breakpoint is computed, and stepping goes on from there."""
    trace = debug(SORT, [3, 1, 2], breaks=["rank"])
    assert trace.lines[-1].listed.name == "rank" and trace.lines[-1].values == (2, 0, 1)
    assert [line.stop for line in trace.lines] == [False] * (len(trace.lines) - 1) + [True]
    assert len(list(step(SORT, [3, 1, 2], breaks=["rank"]))) > len(trace.lines)


def test_a_program_without_meaning_is_traced_up_to_the_fault() -> None:
    """The lines before the fault are there, and the fault says why there are no more."""
    trace = debug(jf.parse("x = tokens + 1; y = 1 / (x - 3);"), [1, 2])
    assert [line.listed.name for line in trace.lines] == ["tokens", "x", "x - 3"]
    assert trace.fault is not None and "position 1" in trace.fault
    assert str(trace).endswith(f"stopped: {trace.fault}")


def test_causal_selectors_are_drawn_causally() -> None:
    """A causal run leaves the keys after the query out."""
    line = next(iter(step(jf.parse("n = length;"), "abc", causal=True)))
    assert line.values == (1, 2, 3)


def test_an_unknown_breakpoint_is_refused_before_anything_runs() -> None:
    """The error says which lines there are, and which was meant."""
    with pytest.raises(ProgramError, match="no line 'ranc'; did you mean 'rank'"):
        step(SORT, [1], breaks=["ranc"])
    with pytest.raises(InputError, match="got int"):
        step(SORT, 3)  # type: ignore[arg-type]
