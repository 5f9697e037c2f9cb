"""TransformerLens runs exported weights, gives the interpreter's answers, and its hooks carry what ours do."""

import zlib

import numpy as np
import pytest
import torch
from elsewhere import checked

from janiform import InputError, Transformer, programs
from janiform.interop.lens import load_transformer_lens, save_transformer_lens, to_transformer_lens
from janiform.model import Config


@pytest.fixture(scope="module")
def lens():
    """The library, from the version that boots a model of its own; importing it takes a while."""
    bridge = pytest.importorskip("transformer_lens.model_bridge", reason="needs pip install 'janiform[lens]'")
    if not hasattr(bridge, "TransformerBridge"):
        pytest.skip("TransformerLens has a bridge of its own from 4 on: pip install 'janiform[lens]'")


def running(bridge):
    """Logits of ids, from a bridge."""

    def run(ids: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return bridge(torch.from_numpy(ids)).numpy()

    return run


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["own", "gpt2"])
def test_the_bridge_answers_as_the_interpreter(lens, name, shape):
    pair = programs.load(name).compile(signature=programs.entry(name).signature)
    if shape == "gpt2":
        coin = zlib.crc32(name.encode())
        plain, settings = pair, {"causal": pair.signature.causal, "tied": bool(coin & 1)}
        pair = plain.to_gpt2(**settings, norm="LN" if coin & 2 else "RMS")
        if pair.model.config.normalization_type == "RMS" and pair.model.config.dtype == "float64":
            pair = plain.to_gpt2(**settings, norm="LN")  # TransformerLens computes RMSNorm in float32
    report = checked(pair, running(to_transformer_lens(pair.model)))
    assert report.good, report
    assert report.error <= pair.bound.error


@pytest.mark.slow
def test_hooks_carry_what_ours_carry(lens):
    pair = programs.load("sort").compile(range(4), 5)
    ids = pair.encode([3, 1, 2], [0, 0, 1])
    _, ours = pair.model.run_with_cache(ids)
    with torch.no_grad():
        _, theirs = to_transformer_lens(pair.model).run_with_cache(ids)
    assert set(ours) <= set(theirs)
    for n in ours:
        if n.endswith("hook_attn_scores"):  # their native network shows the pattern there
            continue
        torch.testing.assert_close(theirs[n], ours[n], atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_folder_becomes_a_bridge(lens, tmp_path):
    pair = programs.load("hist").compile("abc", 4)
    save_transformer_lens(pair, tmp_path)
    assert checked(pair, running(load_transformer_lens(tmp_path))).good


def test_a_folder_becomes_the_model_again(tmp_path):
    pair = programs.load("previous_token").compile("abc", 4)
    assert pair.model.config.n_layers and not pair.model.config.d_mlp
    save_transformer_lens(pair, tmp_path)
    again = Transformer.from_pretrained(tmp_path)
    assert again.config.d_mlp == 1  # which does nothing
    ids = pair.encode("abc", "ca")
    assert torch.equal(again(ids), pair.model(ids))


@pytest.mark.slow
def test_a_norm_that_it_would_round_is_refused(lens):
    config = Config(
        n_layers=0, d_model=4, d_vocab=5, d_vocab_out=3, n_ctx=6, normalization_type="RMS", dtype="float64"
    )
    with pytest.raises(InputError, match="float32"):
        to_transformer_lens(Transformer(config))
