"""Generator and program say the same: what a task's rows ask for is what the library's program gives on them."""

import numpy as np
import pytest

from janiform import programs
from janiform.ir.evaluate import evaluate
from janiform.ir.semantics import Signature
from janiform.tasks.procedural import PROCEDURES, Procedure, known, read, rows
from janiform.tasks.procedural.known import BRACKETS, Known

NEXT = [
    "identity(symbols=6, longest=9, shortest=1)",
    "reverse(symbols=6, longest=9, shortest=1)",
    "sort(symbols=6, longest=9, shortest=1)",
    "set(symbols=6, longest=9, shortest=1)",
    "union(symbols=6, longest=10, shortest=2)",
    "delete(symbols=6, longest=9, shortest=1)",
    "stack(symbols=9, longest=12, shortest=1)",
    "sort",
    "set",
    "haystack(pairs=4, symbols=20)",
    "haystack",
    "addition(digits=2)",
    "addition(digits=5)",
    "addition(digits=3, whole=True)",
    "reversed_addition(digits=2)",
    "reversed_addition",
    "reversed_addition(digits=3, whole=True)",
]


def program(task: Procedure, says: str) -> Known:
    found = known(task)
    assert found is not None and found.says == says
    return found


def outputs(found: Known, inputs: list, causal: bool = True) -> list[list]:
    """What the program gives on inputs, by the interpreter."""
    assert programs.entry(found.program).causal == causal
    vocab = tuple(t for t in found.tokens if t is not None)
    signature = Signature(vocab, max(map(len, inputs)), causal)
    return next(iter(evaluate(programs.load(found.program), inputs, signature=signature).values()))


@pytest.mark.parametrize("text", NEXT)
def test_a_program_says_the_token_to_come(text):
    """At every place before a target the output is that target."""
    task = read(text)
    found, some = program(task, "next"), rows(task, 0, 200 if task.width < 60 else 20)
    inputs = [found.spell(row) for row in some.tokens]
    for x, y, begin, end in zip(inputs, outputs(found, inputs), some.begin, some.end):
        assert y[begin - 1 : end - 1] == x[begin:end], (x, y)


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_a_program_says_which_nested_bracket_may_close(kinds):
    """Every bracket that closes is the one that the program names, and where it names none, none does."""
    task = read(f"dyck(kinds={kinds}, length=24)")
    found = program(task, "close")
    inputs = [found.spell(row) for row in rows(task, 0, 200).tokens]
    for x, y in zip(inputs, outputs(found, inputs)):
        assert all(b in BRACKETS[0] or b == may for may, b in zip(y, x[1:])), (x, y)


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_a_program_says_which_crossing_brackets_may_close(kinds):
    """Every bracket that closes is one of those that the program names, and each of them does somewhere."""
    task = read(f"shuffle_dyck(kinds={kinds}, length=24)")
    found = program(task, "close")
    inputs = [found.spell(row) for row in rows(task, 0, 300).tokens]
    seen = set()
    for x, y in zip(inputs, outputs(found, inputs)):
        assert all(b in BRACKETS[0] or b in may for may, b in zip(y, x[1:])), (x, y)
        seen |= {(may, b) for may, b in zip(y, x[1:]) if b in BRACKETS[1]}
    assert {may for may, _ in seen} >= {"".join(BRACKETS[1][:kinds])}
    assert all((may, b) in seen for may, _ in seen for b in may)


def test_a_program_says_an_automatons_next_state():
    task = read("eca(cells=11, states=4)")
    found = program(task, "state")
    states = rows(task, 0, 100).tokens.reshape(100, 4, 11)
    for i in range(3):
        assert outputs(found, states[:, i].tolist(), causal=False) == states[:, i + 1].tolist()


def test_a_program_knows_the_rows_of_ww():
    """Rows are words said twice; with two places exchanged most are not."""
    task = read("ww(symbols=5, length=12)")
    found = program(task, "member")
    tokens = rows(task, 0, 100).tokens
    changed = tokens.copy()
    changed[:, [2, 3]] = changed[:, [3, 2]]
    for some in (tokens, changed):
        wanted = (some[:, :6] == some[:, 6:]).all(axis=1)
        inputs = [found.spell(row) for row in some]
        assert [set(y) for y in outputs(found, inputs, causal=False)] == [{bool(w)} for w in wanted]
    assert 0 < wanted.sum() < 50


def test_every_program_of_the_group_is_behind_a_task():
    small = [
        known(read(name)) or known(read(f"{name}(kinds=3)" if "dyck" in name else name))
        for name in PROCEDURES
    ]
    assert {k.program for k in small if k} == set(programs.names("procedural"))


def test_tasks_without_a_program_have_none():
    for text in ("multiplication", "eca(rule=30)", "dyck", "shuffled(set)", "ngram(set)", "set + union"):
        assert known(read(text)) is None


def test_spelling_leaves_padding_out():
    found = program(read("set(symbols=4, longest=3)"), "next")
    assert found.spell(np.array([1, 1, 3, 4, 1, 3, 5], np.uint16)) == list("aac|ac")
