"""JSON holds every program exactly, and reading it trusts nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn import programs
from janiform.errors import FileError
from janiform.ir.program import Program
from janiform.text import parse
from janiform.text.json import dumps, from_json, loads, to_json


@settings(max_examples=200)
@given(programs())
def test_programs_come_back_the_same(program):
    """Nodes are the very same objects; output order and names are kept."""
    back = loads(dumps(program))
    assert back == program and list(back.outputs) == list(program.outputs)
    reached = set(program.nodes())
    assert back.names == {n: name for n, name in program.names.items() if n in reached}


GOOD = to_json(
    parse(
        'x = sort(tokens, indices); y = {("a", 1): 2}[tokens, x else 0]; '
        'z = readout_mean([True, "b"], [0, 1], x, {"a": [1, -2.5]}, y, [3, 0]); x, y, z;'
    )
)

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["map", "arg", "lit", "apply"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(data, path=()):
    """The path to every part of a JSON value."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


PLACES = [p for p in places(GOOD) if p]


@settings(max_examples=300)
@given(st.sampled_from(PLACES), JSON)
def test_a_damaged_file_is_read_or_refused(place, value):
    """One part changed into anything: a legal program or a FileError, nothing else."""
    data = json.loads(json.dumps(GOOD))
    part = data
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    try:
        assert isinstance(from_json(data), Program)
    except FileError:
        pass


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "not a program"),
        ([], "not a program"),
        ({"format": "janiform program", "version": 99}, "version 99"),
        ({**GOOD, "nodes": [["map", ["arg", 0], [0]]]}, "no earlier node"),
        ({**GOOD, "nodes": [["open", "/etc/passwd"]]}, "unknown kind 'open'"),
        ({**GOOD, "nodes": [["tokens", 1]]}, "has 1 parts"),
        ({**GOOD, "nodes": [["const", float("inf")]]}, "no value"),
        ({**GOOD, "nodes": [["const", 10**5000]]}, "no value"),
        ({**GOOD, "nodes": [["tokens"], ["map", ["apply", "exec", []], [0]]]}, "unknown operation 'exec'"),
        ({**GOOD, "nodes": [["tokens"], ["count", 0]]}, "must be a selector"),
        ({**GOOD, "nodes": [["readout", [["slope", ["a"]]], [0], ["x"], False, []]]}, "no number"),
        ({**GOOD, "nodes": [["readout", [["hill", [1]]], [0], ["x"], False, []]]}, "no weights"),
        ({**GOOD, "nodes": [["readout", [], [0], ["x"], "no", []]]}, "in place of true or false"),
        ({**GOOD, "nodes": [["readout", [], [0, 0], ["x", "x"], False, []]]}, "listed once each"),
        ({**GOOD, "outputs": []}, "at least one output"),
        ({**GOOD, "outputs": [["x", 10**9]]}, "no earlier node"),
        ({**GOOD, "names": {"x": "y"}}, "no earlier node"),
    ],
)
def test_faults_are_named(data, said):
    """What is wrong, and where."""
    with pytest.raises(FileError, match=said):
        from_json(data)


def test_version_1_still_reads():
    """What the first version could write means the same."""
    program = parse("x = sort(tokens, indices);")
    assert from_json({**to_json(program), "version": 1}) == program


def test_deep_and_broken_text_is_refused():
    """Nesting without end and text that is not JSON."""
    deep: list[object] = ["arg", 0]
    for _ in range(500):
        deep = ["apply", "neg", [deep]]
    with pytest.raises(FileError, match="nested more than"):
        from_json({**GOOD, "nodes": [["tokens"], ["map", deep, [0]]]})
    for text in ("", "{", "[" * 100_000, "9" * 10_000, "nan"):
        with pytest.raises(FileError):
            loads(text)
