"""Exact decompiling, stage by stage: streams, heads and units layer by layer, the output, the program.

Every stage works on tables derived from products of weights; nothing is fitted to inputs and outputs.
"""

from __future__ import annotations

import numpy as np

from janiform.decompile.compiled.fields import Field
from janiform.decompile.compiled.heads import read_heads
from janiform.decompile.compiled.mlp import read_mlp
from janiform.decompile.compiled.network import Network
from janiform.decompile.compiled.outputs import read_output
from janiform.decompile.compiled.stream import Stream
from janiform.ir.mechanism import PLACE, TOKENS, Grid, Mechanism, grid
from janiform.ir.nodes import Value

TOLERANCE = 1e-4
"""Differences this small beside the largest are rounding."""


def read_mechanism(
    net: Network,
    tokens: list[int],
    bos: int,
    vocab: tuple[Value, ...],
    classes: tuple[Value, ...] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Mechanism:
    """Return the mechanism of weights whose ids ``tokens`` are the vocabulary and whose id ``bos`` stands first."""
    g = grid(net.max_len, net.causal)
    stream = begin(net, tokens, bos, g, tolerance)
    for layer in net.layers:
        read_heads(stream, layer, g)
        read_mlp(stream, layer)
    return Mechanism(g, vocab, {"output": read_output(stream, net.W_U, net.b_U, classes)})


def begin(net: Network, tokens: list[int], bos: int, g: Grid, tolerance: float) -> Stream:
    """Return the stream of embeddings."""
    d = net.d_model
    stream = Stream(np.zeros(d), np.zeros(d), tolerance, g)
    everything = np.arange(len(tokens))
    stream.write(Field((TOKENS,), (everything,), net.W_E[tokens]), net.W_E[bos])
    stream.write(Field((PLACE,), (g.indices,), net.W_pos[1:]), net.W_pos[0])
    return stream
