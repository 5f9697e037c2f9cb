"""The stand-alone NumPy file gives the interpreter's answers, by itself."""

import json
import subprocess
import sys
import zlib

import numpy as np
import pytest
from elsewhere import checked

from janiform import programs
from janiform.interop import numpy_forward
from janiform.interop.codec import codec_data
from janiform.interop.numpy import save_numpy
from janiform.model import Config, Transformer


@pytest.mark.parametrize("shape", ["own", "gpt2"])
def test_the_forward_pass_answers_as_the_interpreter(name, shape):
    pair = programs.load(name).compile(signature=programs.entry(name).signature)
    if shape == "gpt2":
        coin = zlib.crc32(name.encode())
        pair = pair.to_gpt2(
            causal=pair.signature.causal, tied=bool(coin & 1), norm="RMS" if coin & 2 else "LN"
        )
    config, weights = pair.model.config.to_dict(), pair.model.weights()
    report = checked(pair, lambda ids: numpy_forward.forward(config, weights, ids))
    assert report.good, report
    assert report.error <= pair.bound.error


@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new"])
@pytest.mark.parametrize("norm", [None, "LN", "RMS"])
def test_random_weights_give_the_logits_of_the_network(act_fn, norm):
    shape = {
        "n_layers": 2,
        "d_model": 12,
        "n_heads": 3,
        "d_head": 5,
        "d_mlp": 7,
        "d_vocab": 6,
        "d_vocab_out": 4,
    }
    model = Transformer(
        Config(**shape, n_ctx=9, act_fn=act_fn, normalization_type=norm, attention_dir="causal")
    )
    model.requires_grad_(False)
    ids = np.random.default_rng(0).integers(6, size=(3, 8))
    import torch

    expected = model(torch.from_numpy(ids)).numpy()
    found = numpy_forward.forward(model.config.to_dict(), model.weights(), ids)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name_", ["previous_token", "running_mean", "hyperbolic_tangent", "is_question", "sort"]
)
def test_the_exported_codec_reads_and_says_what_ours_does(name_):
    e = programs.entry(name_)
    pair = programs.load(name_).compile(signature=e.signature)
    codec = json.loads(json.dumps(codec_data(pair)))
    ids = numpy_forward.encode(codec, list(e.example[0]))
    assert np.array_equal(ids, pair.codec.encode([e.example[0]]))
    said = numpy_forward.decode(codec, pair.logits(ids))
    assert said == {n: rows[0] for n, rows in pair.run([e.example[0]]).items()}


def test_the_folder_runs_where_there_is_numpy_alone(tmp_path):
    *_, script = save_numpy(programs.load("sort").compile(range(5), 6), tmp_path)
    guard = "import sys; sys.modules.update(torch=None, janiform=None); import runpy;"
    code = f"{guard} sys.argv = ['forward.py', '[3, 1, 4, 1]']; runpy.run_path({str(script)!r}, run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(run.stdout) == {"sort": [1, 1, 3, 4]}, run.stderr
