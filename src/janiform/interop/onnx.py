"""Export to ONNX: the network as a graph of standard operators, built node by node, with the codec in its metadata.

``ids`` [batch, pos] go in and ``logits`` [batch, pos, d_vocab_out] come out, for any batch and length. Built directly rather
than traced: the graph is as readable as the network, and needs no exporter. GELU is spelled out, since runtimes have it for
float32 only.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from janiform.errors import InputError
from janiform.files import write_whole
from janiform.interop.codec import codec_data

if TYPE_CHECKING:
    from janiform.pair import Pair

OPSET = 17
"""The first with LayerNormalization."""
IR_VERSION = 8
"""The format that came with it, which older runtimes read too."""


def to_onnx(pair: Pair) -> Any:
    """Return the model of a pair as an ``onnx.ModelProto``; needs the extra ``onnx``."""
    try:
        import onnx
    except ImportError:
        raise InputError("writing ONNX needs the package onnx: pip install 'janiform[onnx]'") from None
    graph = _Graph(onnx, pair.model.config, pair.model.weights())
    helper, kind = onnx.helper, onnx.TensorProto
    kinds = {"float32": kind.FLOAT, "float64": kind.DOUBLE}
    logits = graph.network()
    assert logits == "logits"
    c = pair.model.config
    ids = helper.make_tensor_value_info("ids", kind.INT64, ["batch", "pos"])
    out = helper.make_tensor_value_info("logits", kinds[c.dtype], ["batch", "pos", c.d_vocab_out])
    built = helper.make_graph(graph.nodes, "janiform", [ids], [out], graph.initializers)
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="janiform",
    )
    helper.set_model_props(model, {"codec": json.dumps(codec_data(pair), ensure_ascii=False)})
    onnx.checker.check_model(model)
    return model


def save_onnx(pair: Pair, path: str | os.PathLike[str]) -> Path:
    """Write the model of a pair to an ``.onnx`` file; needs the extra ``onnx``."""
    write_whole(path, to_onnx(pair).SerializeToString())
    return Path(path)


class _Graph:
    """The nodes and weights of an ONNX graph being built; a value is known by its name."""

    def __init__(self, onnx: Any, config: Any, weights: dict[str, np.ndarray]) -> None:
        self.onnx, self.config, self.weights = onnx, config, weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        out = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [out], name=out, **attributes))
        return out

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant and return its name."""
        return self.tensor(
            f"constant_{len(self.initializers)}", np.asarray(value, dtype or self.config.dtype)
        )

    def tensor(self, name: str, value: np.ndarray) -> str:
        """Add an array and return its name."""
        self.initializers.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        """Add a weight as it is."""
        return self.tensor(name, self.weights[name])

    def network(self) -> str:
        c = self.config
        zero, one = self.constant([0], np.int64), self.constant([1], np.int64)
        pos = self.node("Slice", self.node("Shape", "ids"), one, self.constant([2], np.int64))
        places = self.node("Slice", self.weight("pos_embed.W_pos"), zero, pos, zero)
        x = self.node("Add", self.node("Gather", self.weight("embed.W_E"), "ids"), places)
        mask = ""
        if c.attention_dir == "causal" and c.n_layers and c.n_heads:
            future = self.constant(np.triu(np.ones((c.n_ctx, c.n_ctx), bool), 1), bool)
            rows = self.node("Slice", future, zero, pos, zero)
            mask = self.node("Slice", rows, zero, pos, one)
        for i in range(c.n_layers):
            block = f"blocks.{i}"
            x = self.node("Add", x, self.attention(block, self.norm(f"{block}.ln1", x), mask))
            x = self.node(
                "Add", x, self.mlp(block, self.norm(f"{block}.ln2", x)), name=f"{block}.hook_resid_post"
            )
        read = self.node("MatMul", self.norm("ln_final", x), self.weight("unembed.W_U"))
        return self.node("Add", read, self.weight("unembed.b_U"), name="logits")

    def norm(self, name: str, x: str) -> str:
        kind = self.config.normalization_type
        if kind is None:
            return x
        if kind == "LN":
            gain, bias = self.weight(f"{name}.w"), self.weight(f"{name}.b")
            return self.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=self.config.eps)
        squares = self.node("ReduceMean", self.node("Mul", x, x), axes=[-1], keepdims=1)
        scale = self.node("Sqrt", self.node("Add", squares, self.constant(self.config.eps)))
        return self.node("Mul", self.node("Div", x, scale), self.weight(f"{name}.w"))

    def attention(self, block: str, x: str, mask: str) -> str:
        c, name = self.config, f"{block}.attn"
        bias = self.weight(f"{name}.b_O")
        if not c.n_heads:
            return bias
        split = self.constant([0, 0, c.n_heads, c.d_head], np.int64)
        projected = []
        for letter in "QKV":
            w, b = self.weights[f"{name}.W_{letter}"], self.weights[f"{name}.b_{letter}"]
            side = self.tensor(f"{name}.W_{letter}", w.transpose(1, 0, 2).reshape(c.d_model, -1))
            flat = self.node(
                "Add", self.node("MatMul", x, side), self.tensor(f"{name}.b_{letter}", b.ravel())
            )
            order = [0, 2, 3, 1] if letter == "K" else [0, 2, 1, 3]
            projected.append(self.node("Transpose", self.node("Reshape", flat, split), perm=order))
        q, k, v = projected
        scores = self.node("Div", self.node("MatMul", q, k), self.constant(math.sqrt(c.d_head)))
        if mask:
            scores = self.node("Where", mask, self.constant(-np.inf), scores)
        pattern = self.node("Softmax", scores, axis=-1, name=f"{name}.hook_pattern")
        z = self.node("Transpose", self.node("MatMul", pattern, v), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", z, self.constant([0, 0, c.n_heads * c.d_head], np.int64))
        out = self.tensor(f"{name}.W_O", self.weights[f"{name}.W_O"].reshape(-1, c.d_model))
        return self.node("Add", self.node("MatMul", joined, out), bias)

    def mlp(self, block: str, x: str) -> str:
        name, bias = f"{block}.mlp", self.weight(f"{block}.mlp.b_out")
        if not self.config.d_mlp:
            return bias
        read = self.node("MatMul", x, self.weight(f"{name}.W_in"))
        hidden = self.activation(self.node("Add", read, self.weight(f"{name}.b_in")))
        return self.node("Add", self.node("MatMul", hidden, self.weight(f"{name}.W_out")), bias)

    def activation(self, x: str) -> str:
        """Relu, GELU, or GPT-2's approximation of it."""
        if self.config.act_fn == "relu":
            return self.node("Relu", x)
        if self.config.act_fn == "gelu":
            inner = self.node("Erf", self.node("Mul", x, self.constant(math.sqrt(0.5))))
        else:
            cube = self.node("Mul", self.node("Mul", x, x), self.node("Mul", x, self.constant(0.044715)))
            sized = self.node("Mul", self.node("Add", x, cube), self.constant(math.sqrt(2 / math.pi)))
            inner = self.node("Tanh", sized)
        half = self.node("Mul", x, self.constant(0.5))
        return self.node("Mul", half, self.node("Add", inner, self.constant(1.0)))
