"""Faithfulness: compiled and disguised pairs are right for the right reason, and pairs that are not are called so."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import janiform as jf
from janiform import programs
from janiform.errors import InputError
from janiform.model import Transformer
from janiform.pair import Origin, Pair
from janiform.realistic.exact import compress_exactly
from janiform.realistic.faithfulness import agrees, faithfulness
from janiform.realistic.interchange import Meaning, sites, swap
from janiform.realistic.probe import probe

torch.set_num_threads(1)

NAMES = ("reverse", "hist", "frac_prevs", "dyck1", "sort_unique")


def small(name: str) -> Pair:
    entry = programs.entry(name)
    return programs.load(name).compile(entry.vocab[:4], 5, entry.causal)


def with_weights(pair: Pair, **changed: np.ndarray) -> Pair:
    weights = {**pair.model.weights(), **{n.replace("__", "."): w for n, w in changed.items()}}
    model = Transformer.from_weights(pair.model.config, weights)
    return replace(pair, model=model, origin=Origin(pair))


@pytest.mark.parametrize("name", NAMES)
def test_pairs_that_are_the_same_in_other_weights_are_right_for_the_right_reason(name):
    plain = small(name)
    for pair in (plain, compress_exactly(plain), plain.disguise(2, distractors=(1, 3))):
        found = faithfulness(pair, inputs=150)
        assert found.verdict == "right for the right reason" and found.outputs == 1.0
        assert all(v.apart and v.probe > 0.99 for v in found.variables)


def test_weights_that_answer_from_elsewhere_are_called_right_for_the_wrong_reason():
    """A read-out that looks at the embedding instead of at what the head copies answers rightly, without the head."""
    plain = jf.parse("same = aggregate(select(indices, indices, ==), tokens);").compile("abc", 4)
    read = plain.model.weights()["unembed.W_U"]
    found = faithfulness(with_weights(plain, unembed__W_U=np.roll(read, -5, axis=0)), inputs=150)
    assert found.outputs == 1.0 and not found.faithful
    assert found.verdict == "right for the wrong reason: same" == found.data()["verdict"]
    assert str(found).startswith(found.verdict)


def test_a_variable_that_nobody_reads_right_is_named():
    """Answers that no longer follow an intervention make the verdict, and name the variable."""
    plain = small("reverse")
    # Nothing is read of the indices: right only where all tokens are equal.
    blind = with_weights(plain, pos_embed__W_pos=np.zeros_like(plain.model.weights()["pos_embed.W_pos"]))
    found = faithfulness(blind, inputs=150)
    assert found.verdict == "wrong" and not found.faithful
    assert {v.name for v in found.variables if not v.faithful} >= {"indices"}


@pytest.mark.parametrize("name", NAMES)
def test_an_intervention_on_a_compiled_pair_does_what_it_does_in_the_program(name):
    pair, rng = small(name), np.random.default_rng(0)
    meaning = Meaning.of(pair)
    codes = rng.integers(len(pair.signature.vocab), size=(60, 5))
    other = rng.integers(len(pair.signature.vocab), size=(60, 3))
    for site in sites(pair):
        for source, scattered in ((codes[::-1], False), (other, True)):
            drawn = swap(pair, meaning, site.nodes, codes, source, rng, scattered=scattered)
            assert agrees(pair, site, drawn).mean() > 0.95


def test_nothing_put_in_changes_nothing():
    pair, rng = small("hist"), np.random.default_rng(0)
    codes = rng.integers(4, size=(20, 5))
    same = swap(pair, Meaning.of(pair), sites(pair)[1].nodes, codes, codes, rng)
    assert not same.changed.any() and agrees(pair, sites(pair)[1], same).all()


def test_places_of_one_node_and_of_one_head_make_one_site():
    [tokens, hist] = sites(small("hist"))
    assert tokens.points == (("hook_embed", None),)
    assert [name for name, _ in hist.points] == ["blocks.0.attn.hook_z", "blocks.0.mlp.hook_post"]
    shuffle = sites(small("shuffle_dyck2"))
    assert sum("depth" in s.name for s in shuffle) == 1


def test_hooks_replace_only_the_heads_or_units_of_the_site_and_let_gradients_pass():
    pair = small("hist")
    site = sites(pair)[1]
    value = torch.zeros(2, 3, pair.model.config.n_heads, pair.model.config.d_head)
    source = torch.ones_like(value, requires_grad=True)
    where = torch.tensor([[False, True, False], [False, False, True]])
    name, put = site.hooks({site.names[0]: source}, where)[0]
    found = put(value, hook=pair.model.points[name])
    assert found.sum() == 2 * len(site.points[0][1] or ()) * pair.model.config.d_head
    found.sum().backward()
    assert torch.equal(source.grad != 0, found != 0)


def test_a_probe_tells_what_is_there_and_only_that():
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (600,), generator=draw)
    where = torch.randn(5, 2, generator=draw)
    x = torch.cat([where[labels] @ torch.randn(2, 6, generator=draw), torch.randn(600, 2, generator=draw)], 1)
    held = torch.arange(600) % 2 == 0
    assert probe(x, labels, where, held).accuracy == 1.0
    assert probe(x[:, 6:], labels, where, held).accuracy < 0.4


def test_too_few_inputs_are_refused():
    with pytest.raises(InputError, match="10 inputs or more"):
        faithfulness(small("hist"), inputs=3)
