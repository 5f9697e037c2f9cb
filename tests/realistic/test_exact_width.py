"""Exact compression: nothing is lost, on random programs and on the library; what is less than the least is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from janiform import programs
from janiform.errors import CompileError, InputError
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.realistic.exact import compress_exactly, narrowest

torch.set_num_threads(1)

ONE_EACH = sorted({e.file: e.name for e in programs.entries()}.values())


def lossless(name: str) -> None:
    e = programs.entry(name)
    for layout in ("separate", "reuse"):
        plain = programs.load(name).compile(signature=e.signature, layout=layout)
        small = compress_exactly(plain)
        assert small.model.config.d_model <= plain.model.config.d_model
        report = small.check(limit=300, draws=100)
        assert report.good and report.error < 0.25 * report.bound.margin, report


@pytest.mark.parametrize("name", ONE_EACH[::12])
def test_a_library_program_loses_nothing(name):
    lossless(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_EACH)
def test_no_library_program_loses_anything(name):
    lossless(name)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(2, 7),
    causal=st.booleans(),
    layout=st.sampled_from(["separate", "reuse"]),
    more=st.integers(0, 2),
)
def test_random_pairs_lose_nothing(seed, size, causal, layout, more):
    signature = Signature("abc", 4, causal)
    program = sample_program(np.random.default_rng(seed), signature, size)
    try:
        plain = program.compile(signature=signature, layout=layout)
    except CompileError:
        return
    least = max(1, narrowest(plain))
    small = compress_exactly(plain, least + more)
    assert small.model.config.d_model == least + more <= plain.model.config.d_model + more
    assert small.check().mismatches == 0
    assert small.places == plain.places


@pytest.mark.parametrize("name", ["sort", "hist", "dyck1", "sort_unique"])
def test_variables_are_read_where_the_basis_says(name):
    """When a variable has just been written, its subspace holds its coordinates, up to where the stream is measured from."""
    e = programs.entry(name)
    plain = programs.load(name).compile(e.vocab[:4], 5, e.causal)
    small = compress_exactly(plain)
    v = plain.signature.vocab
    ids = plain.encode(
        *[[v[i % len(v)] for i in row] for row in ([0, 1, 2, 3, 1], [2, 2, 1, 3, 0], [1, 0, 0, 1, 3])]
    )
    _, before = plain.model.run_with_cache(ids)
    _, after = small.model.run_with_cache(ids)
    for p in small.places:
        if p.dims:
            end = (
                "blocks.0.hook_resid_pre"
                if p.layer is None
                else f"blocks.{p.layer}.hook_resid_{'mid' if p.kind == 'head' else 'post'}"
            )
            part = small.subspace(p)
            held = before[end][..., list(p.dims)].numpy() @ part.write @ part.read
            read = after[end].numpy() @ part.read
            shift = (read - held)[:, 1:].reshape(-1, len(p.dims))
            assert np.abs(shift - shift[0]).max() < 1e-3


def test_less_than_the_least_is_refused_with_what_would_work():
    plain = programs.load("frac_prevs").compile(range(3), 5)
    with pytest.raises(InputError, match="down to a width of 8, not at 7; method='autoencoder'"):
        compress_exactly(plain, 7)
    with pytest.raises(InputError, match="compressed or disguised already"):
        compress_exactly(compress_exactly(plain))
