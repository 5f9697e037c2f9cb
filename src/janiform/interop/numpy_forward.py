"""Run an exported model with NumPy alone. This file needs nothing but NumPy: copy it, read it, run it.

    python forward.py '[3, 1, 2]'

prints what the program gives for these tokens, from the weights in ``weights.npz`` beside it. ``model.json`` holds the shape
of the network and its codec: which ids tokens have, and which values logits say. Scores are divided by sqrt(d_head).
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: (x * (0.5 + 0.5 * np.vectorize(math.erf)(x / math.sqrt(2)))).astype(x.dtype),
    "gelu_new": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
}


def forward(config, weights, ids):
    """Return logits [batch, pos, d_vocab_out] of ids [batch, pos]."""
    w = weights
    x = w["embed.W_E"][ids] + w["pos_embed.W_pos"][: ids.shape[1]]
    for i in range(config["n_layers"]):
        x = x + attention(config, w, f"blocks.{i}.attn", norm(config, w, f"blocks.{i}.ln1", x))
        hidden = norm(config, w, f"blocks.{i}.ln2", x) @ w[f"blocks.{i}.mlp.W_in"] + w[f"blocks.{i}.mlp.b_in"]
        with np.errstate(over="ignore"):  # the cube in GELU may overflow, and its tanh is 1
            hidden = ACTIVATIONS[config["act_fn"]](hidden)
        x = x + hidden @ w[f"blocks.{i}.mlp.W_out"] + w[f"blocks.{i}.mlp.b_out"]
    return norm(config, w, "ln_final", x) @ w["unembed.W_U"] + w["unembed.b_U"]


def norm(config, w, name, x):
    """LayerNorm, RMSNorm, or nothing."""
    kind = config["normalization_type"]
    if kind is None:
        return x
    if kind == "LN":
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(config["eps"])) * w[f"{name}.w"]
    return x + w[f"{name}.b"] if kind == "LN" else x


def attention(config, w, name, x):
    """Multi-head attention: W_Q, W_K and W_V are [head, d_model, d_head], W_O is [head, d_head, d_model]."""
    q, k, v = (np.einsum("bpm,hmd->bhpd", x, w[f"{name}.W_{c}"]) + w[f"{name}.b_{c}"][:, None] for c in "QKV")
    scores = q @ k.swapaxes(-1, -2) / x.dtype.type(math.sqrt(max(config["d_head"], 1)))
    if config["attention_dir"] == "causal":
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)
    pattern = np.exp(scores - scores.max(-1, keepdims=True))
    pattern = pattern / pattern.sum(-1, keepdims=True)
    return np.einsum("bhpd,hdm->bpm", pattern @ v, w[f"{name}.W_O"]) + w[f"{name}.b_O"]


def encode(codec, tokens):
    """Return the ids [1, pos] of an input: BOS, then its tokens."""
    ids = {(type(t).__name__, t): i for i, t in enumerate(codec["vocab"])}
    return np.array([[codec["bos"], *(ids[type(t).__name__, t] for t in tokens)]])


def decode(codec, logits):
    """Return each output's values at the positions after BOS of the first input."""
    found = {}
    for out in codec["outputs"]:
        columns, values = logits[0, 1:, out["start"] : out["stop"]], out["values"]
        if out["kind"] == "number":
            distance = np.abs(columns[:, :1].astype(float) - np.array(values, dtype=float))
            undefined = columns[:, 1] <= 0.5 if columns.shape[1] == 2 else np.zeros(len(columns), bool)
            said = np.where(undefined, -1, distance.argmin(1))
        else:
            said = columns.argmax(1)
        found[out["name"]] = [None if j < 0 else values[j] for j in said]
    return found


def main():
    """Run the model beside this file on the tokens given as a JSON list."""
    here = Path(__file__).parent
    model = json.loads((here / "model.json").read_text("utf-8"))
    with np.load(here / "weights.npz") as weights:
        logits = forward(model["config"], dict(weights), encode(model["codec"], json.loads(sys.argv[1])))
    print(json.dumps(decode(model["codec"], logits)))


if __name__ == "__main__":
    main()
