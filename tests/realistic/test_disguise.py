"""Disguise: every change keeps answers, circuit and correspondence, on random programs and on the library."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import janiform as jf
from janiform import programs
from janiform.errors import CompileError, InputError
from janiform.ir.sample import sample_program
from janiform.ir.semantics import Signature
from janiform.model import Transformer
from janiform.pair import Edge, Pair
from janiform.pair.ablate import replacements, run_without
from janiform.realistic.disguise import invertible, rotation

torch.set_num_threads(1)

NAMES = ("reverse", "sort", "hist", "dyck1", "frac_prevs", "length", "identity")
CHANGES = (
    {"residual": "orthogonal", "heads": False, "units": False},
    {"residual": "orthogonal", "even": False, "heads": False, "units": False},
    {"residual": "invertible", "heads": False, "units": False},
    {"residual": None, "units": False},
    {"residual": None, "heads": False},
    {"residual": None, "heads": False, "units": False, "distractors": (2, 5)},
    {"residual": "invertible", "distractors": (1, 4)},
)


def small(name: str) -> Pair:
    entry = programs.entry(name)
    return programs.load(name).compile(entry.vocab[:4], 5, entry.causal)


def words(pair: Pair) -> list:
    v, longest = pair.signature.vocab, pair.signature.max_len
    patterns = ([0, 1, 0, 1, 2], [1, 1, 2, 0], [2, 0, 1], [0], [1, 2, 2, 1, 0], [0, 0, 0, 0, 0])
    return [[v[i % len(v)] for i in p[:longest]] for p in patterns]


def renamed(plain: Pair, hidden: Pair) -> set[str]:
    """The edges of a pair under the names that its heads have in disguise."""
    new = {
        f"a{i}.h{old}": f"a{i}.h{at}"
        for i, row in enumerate(hidden.origin.heads)
        for at, old in enumerate(row)
    }

    def name(word: str) -> str:
        component, bracket, letter = word.partition("<")
        return new.get(component, component) + bracket + letter

    return {str(Edge(name(e.writer), name(e.reader))) for e in plain.circuit(granularity="qkv").edges}


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_each_change_keeps_every_answer_and_the_circuit(name, change):
    plain = small(name)
    hidden = plain.disguise(7, **change)
    assert hidden.check().good
    assert {str(e) for e in hidden.circuit(granularity="qkv").edges} == renamed(plain, hidden)


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_where_the_basis_says(name):
    """What the subspace of a node reads from the disguised stream is what its dimensions hold in the plain one."""
    plain = small(name)
    hidden = plain.disguise(3, residual="invertible", distractors=(2, 6))
    ids = plain.encode(*words(plain))
    _, before = plain.model.run_with_cache(ids)
    _, after = hidden.model.run_with_cache(ids)
    ends = [n for n in before if "hook_resid_" in n] or ["hook_embed"]
    for p, q in zip(plain.places, hidden.places, strict=True):
        assert (p.node, p.name, p.layer, p.dims) == (q.node, q.name, q.layer, q.dims)
        assert (len(p.heads), len(p.units)) == (len(q.heads), len(q.units))
        for end in ends:
            held = before[end][..., list(p.dims)].numpy()
            read = after[end].numpy() @ hidden.subspace(q).read
            assert np.allclose(read, held, atol=1e-3 * max(1.0, np.abs(held).max(initial=0.0)))


@pytest.mark.parametrize("name", ["sort", "dyck1"])
def test_heads_and_units_keep_what_they_do(name):
    """Under the basis, the products of queries and keys and of values and outputs, and what units write, are those of before."""
    plain = small(name)
    hidden = plain.disguise(11, residual="invertible", dtype="float64")
    old, new = plain.model.weights(), hidden.model.weights()
    read, write = hidden.basis.read, hidden.basis.write
    for i in range(plain.model.config.n_layers):
        for at, was in enumerate(hidden.origin.heads[i]):
            for one, two in (("W_Q", "W_K"), ("W_V", "W_O")):
                a, b = (new[f"blocks.{i}.attn.{k}"][at] for k in (one, two))
                c, d = (old[f"blocks.{i}.attn.{k}"][was].astype(float) for k in (one, two))
                found = write @ a @ (b @ read if two == "W_O" else (write @ b).T)
                true = c @ (d if two == "W_O" else d.T)
                assert np.allclose(found, true, atol=1e-6 * max(1.0, np.abs(true).max()))
        found = write @ new[f"blocks.{i}.mlp.W_in"] @ new[f"blocks.{i}.mlp.W_out"] @ read
        true = old[f"blocks.{i}.mlp.W_in"].astype(float) @ old[f"blocks.{i}.mlp.W_out"].astype(float)
        assert np.allclose(found, true, atol=1e-6 * max(1.0, np.abs(true).max(initial=0.0)))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(2, 7),
    causal=st.booleans(),
    layout=st.sampled_from(["separate", "reuse"]),
    residual=st.sampled_from(["orthogonal", "invertible"]),
    distractors=st.sampled_from([(0, 0), (1, 3)]),
)
def test_random_pairs_survive_disguise_and_file(
    seed, size, causal, layout, residual, distractors, tmp_path_factory
):
    signature = Signature("abc", 4, causal)
    program = sample_program(np.random.default_rng(seed), signature, size)
    try:
        plain = program.compile(signature=signature, layout=layout)
    except CompileError:
        return
    hidden = plain.disguise(seed, residual=residual, distractors=distractors)
    assert hidden.check().mismatches == 0
    path = tmp_path_factory.mktemp("pairs") / "pair.safetensors"
    hidden.save(path)
    again = jf.load(path)
    assert again.run(words(plain)) == plain.run(words(plain))
    assert again.places == hidden.places and again.show() == hidden.show()
    assert again.circuit("zero", "qkv").edges == hidden.circuit("zero", "qkv").edges
    assert {str(e) for e in again.circuit(granularity="qkv").edges} == renamed(plain, hidden)


@pytest.mark.parametrize("name", ["sort", "dyck1"])
@pytest.mark.parametrize("ablation", ["resample", "zero", "mean"])
def test_cutting_all_that_is_no_edge_changes_no_output(name, ablation):
    hidden = small(name).disguise(5, distractors=(1, 4))
    ids = hidden.encode(*words(hidden), pad_to=hidden.signature.max_len)
    instead = replacements(hidden, ablation, ids.roll(1, 0))
    absent = hidden.circuit(ablation, "qkv").absent
    lengths = list(map(len, words(hidden)))
    assert hidden.decode(run_without(hidden, ids, absent, instead), lengths) == hidden.run(words(hidden))


def test_a_disguise_over_a_disguise_still_knows_the_first_pair():
    plain = small("sort")
    hidden = plain.disguise(1, distractors=(1, 2)).disguise(2, residual="invertible", distractors=(1, 0))
    assert hidden.origin.pair is plain and hidden.check().good
    assert {str(e) for e in hidden.circuit(granularity="qkv").edges} == renamed(plain, hidden)


def test_distractors_attend_fire_and_write():
    """No new head or unit is idle: each writes something that varies."""
    hidden = small("hist").disguise(0, residual=None, heads=False, units=False, distractors=(2, 6))
    _, cache = hidden.model.run_with_cache(
        hidden.encode(*words(hidden)), ["blocks.0.attn.hook_result", "blocks.0.mlp.hook_post"]
    )
    heads, units = cache["blocks.0.attn.hook_result"], cache["blocks.0.mlp.hook_post"]
    assert (heads.flatten(0, 1).std(0).amax(-1) > 1e-3).all()
    assert (units.flatten(0, 1).std(0) > 0).float().mean() > 0.5


def test_the_bound_is_carried_where_it_still_holds_and_nowhere_else():
    plain = small("hist")
    assert plain.disguise(0, dtype="float64").bound.error == plain.bound.error
    assert plain.disguise(0).bound.error == np.inf and not plain.disguise(0).bound.exact
    assert plain.disguise(0, noise=1e-6, dtype="float64").bound.error == np.inf


def test_noise_breaks_answers_by_degrees_and_makes_no_edge():
    plain = small("reverse")
    little, much = (plain.disguise(0, noise=x) for x in (1e-6, 0.3))
    assert little.check().good and not much.check().good
    assert {str(e) for e in much.circuit(granularity="qkv").edges} == renamed(plain, much)


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (small("sort").disguise(s, distractors=(1, 2)).model.weights() for s in (4, 4, 5))
    assert all(np.array_equal(w, two[n]) for n, w in one.items())
    assert not np.array_equal(one["embed.W_E"], other["embed.W_E"])


def test_a_model_with_normalization_turns_as_far_as_that_passes_it_on():
    plain = small("hist")
    config = replace(plain.model.config, normalization_type="LN", act_fn="gelu")
    normed = replace(plain, model=Transformer(config, seed=0))
    with pytest.raises(InputError, match="LN normalization depends on the norm"):
        normed.disguise(0, residual="invertible")
    before = normed.model(plain.encode(*words(plain)))
    for residual in ("orthogonal", None):
        hidden = normed.disguise(0, residual=residual, dtype="float32").model
        assert torch.allclose(before, hidden(plain.encode(*words(plain))), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"residual": "affine"}, "residual must be"),
        ({"noise": -0.1}, "noise is a share"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"distractors": (-1, 0)}, "distractors are two numbers"),
    ],
)
def test_wrong_options_are_named(options, fault):
    with pytest.raises(InputError, match=fault):
        small("hist").disguise(**{"seed": 0, **options})


def test_random_matrices_are_as_well_conditioned_as_they_say():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7):
        turn = rotation(rng, n)
        assert np.allclose(turn @ turn.T, np.eye(n))
        assert np.linalg.cond(invertible(rng, n)) <= 4.0 + 1e-9
        assert abs(abs(np.linalg.det(invertible(rng, n))) - 1) < 1e-9
