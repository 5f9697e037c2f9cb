"""Hardened drafts read as people would write them: golden programs, with names and idioms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.learn.random_drafts import all_inputs, random_draft

from janiform.ir.semantics import Signature
from janiform.learn.climb import predicted
from janiform.learn.draft import Copy, Draft, Frame, Recode, Tally, Unit
from janiform.learn.harden import harden
from janiform.text.printer import print_program, stated
from janiform.text.rasp import parse
from janiform.text.standalone import to_python

LETTERS = "abc"
LENGTH = 5
TOKEN, POSITION = 0, 1


def drafted(units: Sequence[Unit], said: np.ndarray, causal: bool = False) -> Draft:
    """A draft whose last variable alone decides: ``said`` is the label of each of its codes."""
    labels = int(said.max()) + 1
    frame = Frame(len(LETTERS), LENGTH, labels, causal)
    bare = Draft(frame, tuple(units), (), np.zeros(labels))
    weights = [np.zeros((s, labels)) for s in bare.sizes()]
    weights[-1][np.arange(len(said)), said] = 1
    return bare.with_output(tuple(weights), np.zeros(labels))


def compared(queries: int, keys: int, test: np.ufunc, by: int = 0) -> np.ndarray:
    """Which key codes stand in a comparison with each query code."""
    return test(np.arange(keys)[None, :] - np.arange(queries)[:, None], by)


SAME = compared(3, 3, np.equal)
ANY = np.ones((LENGTH, LENGTH), bool)
COPIED = np.array([0, 1, 2])
HIST = drafted([Tally(TOKEN, TOKEN, SAME, "others")], np.arange(LENGTH + 1))
REVERSE = drafted(
    [
        Tally(POSITION, POSITION, ANY, "after"),
        Copy(POSITION, 2, TOKEN, compared(LENGTH + 1, LENGTH, np.equal), "all", 0),
    ],
    COPIED,
)
INDUCTION = drafted(
    [
        Copy(POSITION, POSITION, TOKEN, compared(LENGTH, LENGTH, np.equal, -1), "all", 2),
        Copy(2, TOKEN, TOKEN, SAME, "all", 0),
    ],
    np.array([0, 1, 0]),
    causal=True,
)
GOLDEN = [
    (
        HIST,
        "012345",
        """
same_token_elsewhere = select(tokens, tokens, ==) and select(indices, indices, !=);
token_repeats = selector_width(same_token_elsewhere);
out = str(token_repeats);
""",
        """
def out(tokens):
    span = range(len(tokens))
    token_repeats = [tokens.count(tokens[i]) - 1 for i in span]
    return [str(token_repeats[i]) for i in span]
""",
    ),
    (
        REVERSE,
        "abc",
        """
mirror_position = selector_width(select(indices, indices, >));
out = aggregate(best(select(indices, mirror_position, ==), "closest"), tokens, "a");
""",
        """
def out(tokens):
    span = range(len(tokens))
    return [tokens[-1 - i] for i in span]
""",
    ),
    (
        INDUCTION,
        "ab",
        """
previous = best(select(indices, indices, key == query - 1), "closest");
previous_token = aggregate(previous, tokens, "c");
token_after_same_token = aggregate(best(select(previous_token, tokens, ==), "closest"), tokens,
    "a");
out = {"b": "b"}[token_after_same_token else "a"];
""",
        """
def out(tokens):
    span = range(len(tokens))
    previous_token = [tokens[i - 1] if i > 0 else 'c' for i in span]
    token_after_same_token = [next((tokens[j] for j in span[i::-1]
        if previous_token[j] == tokens[i]), 'a') for i in span]
    return ['b' if token_after_same_token[i] == 'b' else 'a' for i in span]
""",
    ),
]


@pytest.mark.parametrize(("draft", "labels", "rasp", "python"), GOLDEN, ids=["hist", "reverse", "induction"])
def test_a_learned_mechanism_reads_as_a_person_would_write_it(
    draft: Draft, labels: str, rasp: str, python: str
) -> None:
    signature = Signature(LETTERS, LENGTH, draft.frame.causal)
    program = harden(draft, signature, labels, "out")
    assert print_program(program) == rasp.lstrip()
    assert to_python(program, signature=signature) == python.lstrip()
    x = all_inputs(draft.frame)
    said = predicted(draft, x)
    for row, codes in zip(x, said, strict=True):
        tokens = [LETTERS[c] for c in row if c >= 0]
        assert program(tokens, causal=draft.frame.causal) == [labels[c] for c in codes[: len(tokens)]]


def test_a_class_of_a_class_is_one_table() -> None:
    """Where classes of a variable are all that decides, the labels are said of the variable itself."""
    draft = drafted([Recode(TOKEN, np.array([1, 0, 1]), 2)], np.array([0, 1]))
    assert print_program(harden(draft, Signature(LETTERS, LENGTH), "xy", "out")) == (
        'out = {"b": "x"}[tokens else "y"];\n'
    )


@pytest.mark.parametrize("seed", range(12))
def test_names_are_in_every_text_and_change_nothing(seed: int) -> None:
    """The names of a hardened draft are unique, stand in its RASP, and are read back from it."""
    draft = random_draft(np.random.default_rng(seed), units=8)
    signature = Signature(LETTERS, draft.frame.length, draft.frame.causal)
    program = harden(draft, signature, LETTERS)
    names = list(program.names.values())
    assert len(set(names)) == len(names)
    back = parse(print_program(program))
    assert back == program
    assert {n: name for n, name in back.names.items() if n in program.names} == {
        n: name for n, name in stated(program).items() if n in program.names
    }
