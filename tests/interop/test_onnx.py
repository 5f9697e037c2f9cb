"""onnxruntime runs the exported graph, and gives the interpreter's answers."""

import json
import zlib

import numpy as np
import pytest
from elsewhere import checked

from janiform import programs
from janiform.interop.codec import codec_data
from janiform.interop.onnx import save_onnx, to_onnx
from janiform.model import Config, Transformer

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def session(model):
    """A runtime for a graph, on one thread."""
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    started = runtime.InferenceSession(model.SerializeToString(), settings, ["CPUExecutionProvider"])
    return lambda ids: started.run(None, {"ids": ids})[0]


@pytest.mark.parametrize("shape", ["own", "gpt2"])
def test_the_graph_answers_as_the_interpreter(name, shape):
    pair = programs.load(name).compile(signature=programs.entry(name).signature)
    if shape == "gpt2":
        coin = zlib.crc32(name.encode())
        pair = pair.to_gpt2(
            causal=pair.signature.causal, tied=bool(coin & 1), norm="LN" if coin & 2 else "RMS"
        )
    report = checked(pair, session(to_onnx(pair)))
    assert report.good, report
    assert report.error <= pair.bound.error


@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new"])
@pytest.mark.parametrize("norm", [None, "LN", "RMS"])
@pytest.mark.parametrize("direction", ["causal", "bidirectional"])
def test_random_weights_of_every_shape_give_the_same_logits(act_fn, norm, direction):
    shape = {
        "n_layers": 2,
        "d_model": 12,
        "n_heads": 3,
        "d_head": 5,
        "d_mlp": 7,
        "d_vocab": 6,
        "d_vocab_out": 4,
    }
    config = Config(**shape, n_ctx=9, act_fn=act_fn, normalization_type=norm, attention_dir=direction)
    pair = programs.load("hist").compile("abcd", 4)
    object.__setattr__(pair, "model", Transformer(config, seed=1))
    ids = np.random.default_rng(0).integers(6, size=(3, 8))
    np.testing.assert_allclose(session(to_onnx(pair))(ids), pair.logits(ids), rtol=1e-4, atol=1e-5)


def test_the_file_holds_the_codec(tmp_path):
    pair = programs.load("hist").compile("ab", 3)
    model = onnx.load(save_onnx(pair, tmp_path / "hist.onnx"))
    assert json.loads(model.metadata_props[0].value) == codec_data(pair)
