"""Pairs in files: everything comes back, and a file that lies is refused."""

import json
import struct

import numpy as np
import pytest
from handmade import ALL, previous
from hypothesis import given, settings
from hypothesis import strategies as st

from janiform.errors import FileError
from janiform.model import checkpoint
from janiform.pair import Pair, load


@pytest.mark.parametrize("make", ALL)
def test_a_pair_survives_its_file(make, tmp_path):
    pair, path = make(), tmp_path / "pair.safetensors"
    pair.save(path)
    again = load(path)
    assert again.program == pair.program
    for name in ("signature", "readouts", "places", "bound", "layout"):
        assert getattr(again, name) == getattr(pair, name)
    ids = pair.encode("ab", "b", pad_to=3)
    assert np.array_equal(again.model(ids).numpy(), pair.model(ids).numpy())
    assert [path] == list(tmp_path.iterdir())
    assert again.check().good


def test_nodes_of_places_are_those_of_the_program(tmp_path):
    path = tmp_path / "pair.safetensors"
    previous().save(path)
    pair = Pair.load(path)
    assert pair.places[-1].node is pair.program.output
    assert pair.places[2].node is pair.program.output.selector


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "pair.safetensors"
    previous().save(path)
    return path


def changed(path, field, value):
    metadata, weights = checkpoint.read(path, "pair")
    metadata.pop("kind"), metadata.pop("version")
    metadata[field] = value(metadata[field]) if callable(value) else value
    checkpoint.write(path, "pair", metadata, weights)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("program", None),
        ("program", {}),
        ("program", {"version": 10**6}),
        ("program", "import os"),
        ("signature", None),
        ("signature", lambda s: {**s, "vocab": ["c", "b", "a"]}),
        ("signature", lambda s: {**s, "vocab": ["a", "b"]}),
        ("signature", lambda s: {**s, "vocab": ["a", "b", None]}),
        ("signature", lambda s: {**s, "vocab": []}),
        ("signature", lambda s: {**s, "vocab": "abc"}),
        ("signature", lambda s: {**s, "max_len": 10**9}),
        ("signature", lambda s: {**s, "max_len": "4"}),
        ("signature", lambda s: {**s, "causal": True}),
        ("signature", lambda s: {**s, "pad": "BOS"}),
        ("readouts", []),
        ("readouts", [["prev", "category", 0, 4]]),
        ("readouts", [["prev", "category", 0, 5, [None, "a", "b", "c", "d"]]]),
        ("readouts", [["prev", "category", 0, 4, [None, "a", "b"]]]),
        ("readouts", [["prev", "number", 0, 1, ["a"]]]),
        ("readouts", [["prev", "number", 0, 1, [10**400]]]),
        ("readouts", [["prev", "number", 0, 3, [1]]]),
        ("readouts", [["other", "category", 0, 4, [None, "a", "b", "c"]]]),
        ("readouts", [["prev", "magic", 0, 4, [None, "a", "b", "c"]]]),
        ("readouts", [["prev", "category", -4, 0, [None, "a", "b", "c"]]]),
        ("places", None),
        ("places", lambda p: p[:-1]),
        ("places", lambda p: [[*p[0][:5], [10**9], []], *p[1:]]),
        ("places", lambda p: [["x", "head", 7, [0], [], [], []], *p[1:]]),
        ("places", lambda p: [["x", "head", None, [0], [], [], []], *p[1:]]),
        ("places", lambda p: [["x", "soul", None, [0], [], [], []], *p[1:]]),
        ("nodes", None),
        ("nodes", {"program": {}, "selectors": []}),
        ("nodes", lambda n: {**n, "selectors": [0]}),
        ("nodes", lambda n: {**n, "selectors": [99]}),
        ("nodes", lambda n: {**n, "selectors": [True]}),
        ("bound", [1.0]),
        ("bound", ["small", 1.0, "float32"]),
        ("layout", 3),
        ("config", lambda c: {**c, "attention_dir": "causal"}),
    ],
)
def test_a_file_that_lies_is_refused(saved, field, value):
    changed(saved, field, value)
    with pytest.raises(FileError, match="pair.safetensors"):
        load(saved)


def test_a_file_of_weights_is_no_pair(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(previous().model, path)
    with pytest.raises(FileError, match="holds a 'transformer', not a 'pair'"):
        load(path)


def parts_of(value, at=()):
    """Yield the path of every part of JSON data."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from parts_of(part, (*at, key))


@settings(max_examples=200)
@given(st.data())
def test_any_damage_to_the_description_gives_a_pair_or_a_file_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "pair.safetensors"
    previous().save(path)
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    described = json.loads(header["__metadata__"]["janiform"])
    *way, last = data.draw(st.sampled_from([p for p in parts_of(described) if p]))
    holder = described
    for key in way:
        holder = holder[key]
    junk = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=5),
        st.just([]),
        st.just({}),
    )
    holder[last] = data.draw(st.one_of(junk, st.lists(junk, max_size=3)))
    header["__metadata__"]["janiform"] = json.dumps(described)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    try:
        assert isinstance(load(path), Pair)
    except FileError:
        pass
