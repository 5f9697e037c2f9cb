"""The network is TransformerLens' own: names, shapes and activations agree where that library (before 4) is present."""

import pytest
import torch

from janiform import programs
from janiform.model import Config, Transformer

lens = pytest.importorskip("transformer_lens")
if not hasattr(lens, "HookedTransformer"):
    pytest.skip("TransformerLens from 4 on has no HookedTransformer", allow_module_level=True)


def hooked(model: Transformer):
    """Put a model's weights into a HookedTransformer, name by name."""
    settings = {**model.config.to_dict(), "dtype": getattr(torch, model.config.dtype), "device": "cpu"}
    theirs = lens.HookedTransformer(lens.HookedTransformerConfig(**settings))
    left_out = theirs.load_state_dict(model.state_dict(), strict=False)
    assert not left_out.unexpected_keys
    assert all(name.endswith(("mask", "IGNORE")) for name in left_out.missing_keys)
    return theirs


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attention_dir": "causal", "normalization_type": "LN", "act_fn": "gelu_new"},
        {"normalization_type": "RMS", "act_fn": "gelu"},
    ],
)
def test_logits_and_activations_agree_by_name(changes):
    shape = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_head": 4, "d_mlp": 20, "n_ctx": 9}
    model = Transformer(Config(**shape, d_vocab=7, d_vocab_out=5, **changes))
    tokens = torch.randint(7, (3, 9), generator=torch.Generator().manual_seed(0))
    logits, cache = model.run_with_cache(tokens)
    their_logits, their_cache = hooked(model).run_with_cache(tokens)
    torch.testing.assert_close(logits, their_logits, atol=2e-6, rtol=1e-5)
    assert set(cache) == set(their_cache)
    for name, value in cache.items():
        torch.testing.assert_close(value, their_cache[name], atol=5e-6, rtol=1e-5)


def test_a_compiled_program_runs_there():
    pair = programs.load("sort").compile(range(5), 6)
    ids = pair.encode([3, 1, 2, 0, 4], [1, 1, 0], pad_to=6)
    assert pair.decode(hooked(pair.model)(ids), [5, 3]) == {"sort": [[0, 1, 2, 3, 4], [0, 1, 1]]}
