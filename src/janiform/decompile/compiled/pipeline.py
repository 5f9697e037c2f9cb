"""Exact decompiling, stage by stage: streams, heads and units layer by layer, the output, the program.

Every stage works on tables derived from products of weights; nothing is fitted to inputs and outputs.
"""

from __future__ import annotations

import numpy as np

from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.fields import Field, added, tidy
from janiform.decompile.compiled.heads import read_heads
from janiform.decompile.compiled.mlp import read_mlp
from janiform.decompile.compiled.network import Network
from janiform.decompile.compiled.stream import Stream
from janiform.ir.mechanism import PLACE, TOKENS, Grid, Mechanism, View, grid
from janiform.ir.nodes import Value
from janiform.ir.quotient import Quotient, reduced

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
    return Mechanism(g, vocab, {"output": read_output(stream, net, classes)})


def begin(net: Network, tokens: list[int], bos: int, g: Grid, tolerance: float) -> Stream:
    """Return the stream of embeddings."""
    d = net.d_model
    stream = Stream(np.zeros(d), np.zeros(d), tolerance, g)
    everything = np.arange(len(tokens))
    stream.write(Field((TOKENS,), (everything,), net.W_E[tokens]), net.W_E[bos])
    stream.write(Field((PLACE,), (g.indices,), net.W_pos[1:]), net.W_pos[0])
    return stream


def read_output(stream: Stream, net: Network, classes: tuple[Value, ...] | None) -> View:
    """Return which column of the logits is the largest, as a function of sources."""
    if net.W_U is None or net.b_U is None:
        raise CannotDecompile("there is no unembedding")
    parts, constant = stream.read(net.W_U, net.b_U)
    whole = tidy(added(parts).plus(constant) if parts else Field.constant(constant), 0.0)
    codes = whole.table.argmax(-1)
    names = classes if classes is not None else tuple(range(len(constant)))
    return View(reduced(whole.keys, whole.maps, np.asarray(codes)), names)


__all__ = ["Quotient", "read_mechanism"]
