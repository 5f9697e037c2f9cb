"""Exact decompiling, stage by stage: streams, heads and units layer by layer, the output, the program.

Every stage works on tables derived from products of weights; nothing is fitted to inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from janiform.decompile.compiled.fields import Field
from janiform.decompile.compiled.heads import read_heads
from janiform.decompile.compiled.mlp import read_mlp
from janiform.decompile.compiled.network import Network
from janiform.decompile.compiled.outputs import Outlet, read_output
from janiform.decompile.compiled.roles import Roles
from janiform.decompile.compiled.stream import Stream
from janiform.ir.canonical.mechanism import PLACE, TOKENS, Grid, Mechanism, grid
from janiform.ir.nodes import Value

TOLERANCE = 1e-4
"""Differences this small beside the largest are rounding."""


def read_mechanism(
    net: Network,
    roles: Roles,
    vocab: tuple[Value, ...],
    outputs: Iterable[Outlet],
    *,
    tolerance: float = TOLERANCE,
    lenient: bool = False,
) -> tuple[Mechanism, float]:
    """Return the mechanism of weights, with the names of the ids ``roles.tokens``, and what share of them was taken for noise."""
    stream = read_stream(net, roles, tolerance, lenient=lenient)
    views = {o.name: read_output(stream, o) for o in outputs}
    return Mechanism(stream.grid, vocab, views), stream.noise


def read_stream(net: Network, roles: Roles, tolerance: float, *, lenient: bool = False) -> Stream:
    """Return what stands in the residual stream after the last layer."""
    g = grid(net.max_len, net.causal)
    stream = begin(net, roles, g, tolerance)
    stream.lenient = lenient
    stream.last = stream.size
    for layer in net.layers:
        before = stream.size
        read_heads(stream, layer, g)
        between = stream.size
        read_mlp(stream, layer)
        stream.last = between if stream.size != between else before if between != before else stream.last
    return stream


def begin(net: Network, roles: Roles, g: Grid, tolerance: float) -> Stream:
    """Return the stream of embeddings."""
    d, tokens = net.d_model, list(roles.tokens)
    stream = Stream(np.zeros(d), np.zeros(d), tolerance, g, tokens=len(tokens))
    everything = np.arange(len(tokens))
    stream.write(Field((TOKENS,), (everything,), net.W_E[tokens]), net.W_E[roles.bos])
    stream.write(Field((PLACE,), (g.indices,), net.W_pos[1:]), net.W_pos[0])
    return stream
