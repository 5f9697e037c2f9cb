"""GPT-2 folders are read as they are meant: logits equal those of a plain forward pass in their own layout."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from janiform.errors import FileError
from janiform.model import Config, Transformer, checkpoint, read_gpt2, read_model

SHARED = (
    "D2-1l1h16",
    "aastar-1l2h16",
    "bin_majority-1l1h16",
    "sort-1l1h256",
    "tomita2-1l1h16",
    "tomita7-2l1h16",
    "unique_copy-2l1h64",
)
SETTINGS = {
    "model_type": "gpt2",
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 8,
    "n_positions": 7,
    "vocab_size": 5,
    "n_inner": None,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-3,
}
ACTIVATIONS = {"gelu_new": lambda x: F.gelu(x, approximate="tanh"), "gelu": F.gelu, "relu": F.relu}


def state(settings, **further):
    """Random weights by Hugging Face's names, of the right shapes."""
    draw = torch.Generator().manual_seed(0)
    d, inner = settings["n_embd"], settings["n_inner"] or 4 * settings["n_embd"]
    shapes = {"wte.weight": (settings["vocab_size"], d), "wpe.weight": (settings["n_positions"], d)}
    for i in range(settings["n_layer"]):
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{norm}.weight": (d,), f"h.{i}.{norm}.bias": (d,)}
        shapes |= {f"h.{i}.attn.c_attn.weight": (d, 3 * d), f"h.{i}.attn.c_attn.bias": (3 * d,)}
        shapes |= {f"h.{i}.attn.c_proj.weight": (d, d), f"h.{i}.attn.c_proj.bias": (d,)}
        shapes |= {f"h.{i}.mlp.c_fc.weight": (d, inner), f"h.{i}.mlp.c_fc.bias": (inner,)}
        shapes |= {f"h.{i}.mlp.c_proj.weight": (inner, d), f"h.{i}.mlp.c_proj.bias": (d,)}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    weights = {f"transformer.{n}": torch.randn(s, generator=draw) for n, s in shapes.items()}
    return weights | {n: torch.randn(s, generator=draw) for n, s in further.items()}


def write(folder, settings, weights):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    save_file({n: w.contiguous() for n, w in weights.items()}, folder / "model.safetensors")
    return folder


def plain_forward(settings, weights, tokens):
    """GPT-2 as its paper has it, on Hugging Face's own names."""
    w = {n.removeprefix("transformer."): t.double() for n, t in weights.items()}
    d, heads = settings["n_embd"], settings["n_head"]
    batch, length = tokens.shape

    def norm(x, name):
        return F.layer_norm(x, (d,), w[f"{name}.weight"], w[f"{name}.bias"], settings["layer_norm_epsilon"])

    def dense(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][tokens] + w["wpe.weight"][:length]
    for i in range(settings["n_layer"]):
        q, k, v = (
            t.view(batch, length, heads, -1).transpose(1, 2)
            for t in dense(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(d, -1)
        )
        scores = q @ k.transpose(-1, -2)
        if settings.get("scale_attn_weights", True):
            scores = scores / math.sqrt(d // heads)
        if settings.get("scale_attn_by_inverse_layer_idx", False):
            scores = scores / (i + 1)
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
        z = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, d)
        x = x + dense(z, f"h.{i}.attn.c_proj")
        hidden = ACTIVATIONS[settings["activation_function"]](
            dense(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        )
        x = x + dense(hidden, f"h.{i}.mlp.c_proj")
    unembedding = w["wte.weight"] if settings.get("tie_word_embeddings", True) else w["lm_head.weight"]
    return norm(x, "ln_f") @ unembedding.T


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation_function": "gelu", "n_inner": 12},
        {"activation_function": "relu", "scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"tie_word_embeddings": False},
    ],
)
def test_a_random_folder_gives_the_logits_of_a_plain_forward_pass(tmp_path, changes):
    settings = {**SETTINGS, **changes}
    weights = state(settings, **({"lm_head.weight": (5, 8)} if "tie_word_embeddings" in changes else {}))
    tokens = torch.randint(5, (3, 7), generator=torch.Generator().manual_seed(1))
    model = read_gpt2(write(tmp_path, settings, weights)).double()
    torch.testing.assert_close(model(tokens), plain_forward(settings, weights, tokens), rtol=1e-5, atol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED)
def test_models_of_others_give_the_logits_of_a_plain_forward_pass(shared_data, name):
    folder = shared_data / "trained_models" / name
    settings = json.loads((folder / "config.json").read_text())
    model = read_model(folder).double()
    tokens = torch.randint(
        settings["vocab_size"], (4, settings["n_positions"]), generator=torch.Generator().manual_seed(0)
    )
    expected = plain_forward(settings, load_file(folder / "model.safetensors"), tokens)
    error = (model(tokens) - expected).abs().max() / expected.abs().max()
    assert error < 1e-12


def test_transformers_agrees(tmp_path):
    """Where the library is present, a folder that it writes is read to the same logits."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(**{k: v for k, v in SETTINGS.items() if k != "model_type"})
    theirs = transformers.GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path, safe_serialization=True)
    tokens = torch.randint(5, (3, 7))
    with torch.no_grad():
        torch.testing.assert_close(read_gpt2(tmp_path)(tokens), theirs(tokens).logits, rtol=1e-4, atol=1e-5)


def test_from_pretrained_reads_a_folder(tmp_path):
    tokens = torch.tensor([[0, 1, 2]])
    folder = write(tmp_path, SETTINGS, state(SETTINGS))
    assert torch.equal(Transformer.from_pretrained(folder)(tokens), read_gpt2(folder)(tokens))


def test_names_may_lack_the_prefix_and_buffers_are_left_out(tmp_path):
    weights = {n.removeprefix("transformer."): w for n, w in state(SETTINGS).items()}
    weights["h.0.attn.bias"] = torch.ones(1, 1, 7, 7).tril()
    tokens = torch.tensor([[0, 1, 2]])
    full = read_gpt2(write(tmp_path / "full", SETTINGS, state(SETTINGS)))
    assert torch.equal(read_gpt2(write(tmp_path / "bare", SETTINGS, weights))(tokens), full(tokens))


def test_half_precision_becomes_float32_and_double_stays(tmp_path):
    weights = state(SETTINGS)
    half = write(tmp_path / "half", SETTINGS, {n: w.bfloat16() for n, w in weights.items()})
    double = write(tmp_path / "double", SETTINGS, {n: w.double() for n, w in weights.items()})
    assert read_gpt2(half).config.dtype == "float32"
    assert read_gpt2(double).config.dtype == "float64"


@pytest.mark.parametrize(
    ("settings", "weights", "complaint"),
    [
        ({"n_layer": "two"}, {}, "n_layer must be a whole number"),
        ({"n_head": 3}, {}, "cannot be divided among 3 heads"),
        ({"activation_function": "swish"}, {}, "activation_function is 'swish'"),
        ({"model_type": "llama"}, {}, "only 'gpt2' is read"),
        ({"n_layer": 1}, {}, "h.1.* belongs to no GPT-2 of 1 layers"),
        ({"n_layer": 10**9}, {}, r"h.2.ln_1.weight is missing"),
        ({"n_positions": 8}, {}, r"W_pos must have shape \[8, 8\], got \[7, 8\]"),
        ({"layer_norm_epsilon": "small"}, {}, "eps must be a number"),
        ({"tie_word_embeddings": False}, {}, "lm_head.weight is missing"),
        ({}, {"transformer.ln_f.bias": None}, "ln_f.bias is missing"),
        ({}, {"transformer.h.0.attn.c_attn.weight": (24, 8)}, r"must have shape \[8, 24\], got \[24, 8\]"),
        ({}, {"transformer.h.0.crossattention.c_attn.weight": (8, 8)}, "belongs to no GPT-2"),
    ],
)
def test_a_fault_names_the_file_and_what_is_wrong(tmp_path, settings, weights, complaint):
    good = state(SETTINGS)
    for name, shape in weights.items():
        good.pop(name, None)
        if shape:
            good[name] = torch.zeros(shape)
    write(tmp_path, {**SETTINGS, **settings}, good)
    with pytest.raises(FileError, match=complaint) as fault:
        read_gpt2(tmp_path)
    assert str(tmp_path) in str(fault.value)


def test_values_that_are_not_finite_are_refused(tmp_path):
    weights = state(SETTINGS)
    weights["transformer.wte.weight"][0, 0] = math.nan
    with pytest.raises(FileError, match="W_E holds values that are not finite"):
        read_gpt2(write(tmp_path, SETTINGS, weights))


def test_a_pickle_is_not_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    torch.save(state(SETTINGS), tmp_path / "pytorch_model.bin")
    with pytest.raises(
        FileError, match=r"model.safetensors is missing: weights are read from safetensors only"
    ):
        read_gpt2(tmp_path)


def lens_model(norm, act_fn="gelu", n_ctx=6):
    shape = {"n_layers": 2, "d_model": 6, "n_heads": 2, "d_head": 3, "d_mlp": 10, "d_vocab": 5}
    config = Config(
        **shape, d_vocab_out=4, n_ctx=n_ctx, act_fn=act_fn, attention_dir="causal", normalization_type=norm
    )
    return Transformer(config)


@pytest.mark.parametrize("norm", ["LN", "RMS", None])
def test_a_transformer_lens_state_is_read_with_its_settings_beside_it(tmp_path, norm):
    model, tokens = lens_model(norm), torch.tensor([[0, 1, 2, 3]])
    tensors = dict(model.state_dict()) | {
        "blocks.0.attn.mask": torch.ones(6, 6),
        "blocks.0.attn.IGNORE": torch.tensor(-9.0),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    settings = {**model.config.to_dict(), "seed": 0, "device": "cpu"}
    (tmp_path / "model.json").write_text(json.dumps(settings))
    assert torch.equal(read_model(tmp_path / "model.safetensors")(tokens), model(tokens))
    (tmp_path / "model.json").rename(tmp_path / "config.json")
    assert torch.equal(read_model(tmp_path)(tokens), model(tokens))


def test_a_folded_transformer_lens_state_gets_gain_one_and_bias_zero(tmp_path):
    model, tokens = lens_model("LN"), torch.tensor([[0, 1, 2, 3]])
    save_file(
        {n: w for n, w in model.state_dict().items() if ".ln" not in n and "ln_" not in n},
        tmp_path / "m.safetensors",
    )
    settings = {**model.config.to_dict(), "normalization_type": "LNPre", "attn_scale": 1.0}
    (tmp_path / "m.json").write_text(json.dumps(settings))
    with torch.no_grad():
        for block in model.blocks:
            block.attn.W_Q *= 3**0.5
            block.attn.b_Q *= 3**0.5
    torch.testing.assert_close(read_model(tmp_path / "m.safetensors")(tokens), model(tokens))


def test_a_network_of_another_kind_is_refused(tmp_path):
    model = lens_model("LN")
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    (tmp_path / "m.json").write_text(
        json.dumps({**model.config.to_dict(), "positional_embedding_type": "rotary"})
    )
    with pytest.raises(FileError, match="positional_embedding_type is 'rotary'; only 'standard' is read"):
        read_model(tmp_path / "m.safetensors")


def test_one_door_reads_our_own_files_too(tmp_path):
    model, tokens = lens_model(None), torch.tensor([[0, 1]])
    checkpoint.save(model, tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        assert torch.equal(read_model(path)(tokens), model(tokens))


def test_a_path_to_nothing_is_named(tmp_path):
    with pytest.raises(FileError, match="does not exist: a model is a .safetensors file, or a folder"):
        read_model(tmp_path / "nothing")
